"""Which rules an event may touch: rules indexed by what they match, conditions and keys shared.

A plan is made once from the rules. For each fold it binds the states' step functions to the conditions that they wait for: an
event is tested once for each distinct condition, its key taken once for each distinct `by`, then handed to the patterns.
Conditions that want one of a few values of a field are found by that value, so that the others cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from alertbot.engine.absence import AbsenceState, Gaps
from alertbot.engine.burst import BurstState
from alertbot.engine.distinct import DistinctState
from alertbot.engine.dormant import DormantState
from alertbot.engine.each import EachState
from alertbot.engine.first_seen import FirstSeenState
from alertbot.engine.hours import HoursState
from alertbot.engine.keys import CellKey, Keyer, keyer
from alertbot.engine.learned_hours import LearnedHoursState
from alertbot.engine.sequence import SequenceState
from alertbot.engine.spike import SpikeState
from alertbot.engine.state import Record, State
from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import to_us
from alertbot.rules.model import (
    Absence,
    Burst,
    Distinct,
    Dormant,
    Each,
    FirstSeen,
    Hours,
    LearnedHours,
    Rule,
    Selection,
    Sequence_,
    Spike,
)

StepFunction = Callable[[Event, int, CellKey], None]
Takers = list[tuple[Keyer | None, list[StepFunction]]]
Group = tuple[Callable[[Event], bool], Takers]

_INDEXED = ("outcome", "event", "actionId", "reason", "method")


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule waits for a condition: `bits` are the steps of a sequence that a match may serve."""

    slot: int
    selection: Selection
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """A plan bound to the states of one fold."""

    always: dict[str, list[Group]]
    indexed: dict[str, list[tuple[str, dict[str, list[Group]]]]]
    listeners: dict[str, list[tuple[Keyer, StepFunction]]]


def make_state(rule: Rule, record: Record, zone: tzinfo, gaps: Gaps = ()) -> State:
    """The empty state of a rule; `zone` is the portal's, `gaps` what was not read of it."""
    pattern = rule.pattern
    match pattern:
        case Each():
            return EachState(rule, record)
        case Burst():
            return BurstState(rule, record, pattern)
        case Distinct():
            return DistinctState(rule, record, pattern)
        case Sequence_():
            return SequenceState(rule, record, pattern)
        case FirstSeen():
            return FirstSeenState(rule, record, pattern)
        case Hours():
            return HoursState(rule, record, pattern, rule.zone or zone)
        case LearnedHours():
            return LearnedHoursState(rule, record, pattern, rule.zone or zone)
        case Spike():
            return SpikeState(rule, record, pattern)
        case Dormant():
            return DormantState(rule, record, pattern)
        case Absence():
            return AbsenceState(rule, record, pattern, rule.zone or zone, gaps)
        case _:
            raise NotImplementedError(type(pattern).__name__)


class Plan:
    """The rules of one portal, ready to be bound to folds."""

    def __init__(self, rules: Sequence[Rule], zone: tzinfo, gaps: Gaps = ()) -> None:
        self.gaps = gaps
        self.rules = tuple(rule for rule in rules if rule.mode != "off")
        self.zone = zone
        self._entries = [entry for slot, rule in enumerate(self.rules) for entry in _entries(slot, rule)]
        self._keyers: dict[tuple[str, ...], Keyer] = {rule.by: keyer(rule.by) for rule in self.rules}

    def states(self, record: Record) -> list[State]:
        """The empty states of all rules."""
        return [make_state(rule, record, self.zone, self.gaps) for rule in self.rules]

    def bind(self, states: Sequence[State]) -> Binding:
        """Join the conditions with the step functions of these states."""
        always: dict[str, list[Group]] = {"login": [], "audit": []}
        tables: dict[str, dict[str, dict[str, list[Group]]]] = {"login": {}, "audit": {}}
        takers_of: dict[tuple[str, str], Takers] = {}
        for entry in self._entries:
            rule = self.rules[entry.slot]
            for feed in rule.feeds:
                shared = (feed, entry.selection.fingerprint)
                if shared not in takers_of:
                    takers_of[shared] = []
                    self._index((entry.selection.test, takers_of[shared]), entry.selection, always[feed], tables[feed])
                step = self._step_function(rule, states[entry.slot], entry.bits)
                _add(takers_of[shared], self._keyer(rule), step)
        indexed = {feed: [(ATTRIBUTES[field], table) for field, table in by_field.items()] for feed, by_field in tables.items()}
        return Binding(always, indexed, self._listeners(states))

    def _keyer(self, rule: Rule) -> Keyer | None:
        judges_alone = isinstance(rule.pattern, Each | Hours)
        return None if judges_alone else self._keyers[rule.by]

    def _step_function(self, rule: Rule, state: State, bits: int) -> StepFunction:
        step = state.stepper(bits) if bits and isinstance(state, SequenceState) else state.step
        return _exempting(rule, state, step, rule.zone or self.zone) if rule.exemptions else step

    def _index(
        self, group: Group, selection: Selection, always: list[Group], tables: dict[str, dict[str, list[Group]]]
    ) -> None:
        equals = dict(selection.equals)
        for field in _INDEXED:
            if field in equals:
                table = tables.setdefault(field, {})
                for value in equals[field]:
                    table.setdefault(value, []).append(group)
                return
        always.append(group)

    def _listeners(self, states: Sequence[State]) -> dict[str, list[tuple[Keyer, StepFunction]]]:
        listeners: dict[str, list[tuple[Keyer, StepFunction]]] = {}
        for rule, state in zip(self.rules, states, strict=True):
            if isinstance(rule.pattern, Sequence_) and isinstance(state, SequenceState):
                for name in {step.rule for step in rule.pattern.steps if step.rule}:
                    bits = sum(1 << number for number, step in enumerate(rule.pattern.steps) if step.rule == name)
                    step = self._step_function(rule, state, bits)
                    listeners.setdefault(name, []).append((self._keyers[rule.by], step))
        return listeners


def _entries(slot: int, rule: Rule) -> Iterable[Entry]:
    if isinstance(rule.pattern, Sequence_):
        steps = rule.pattern.steps
        for selection in {step.selection.fingerprint: step.selection for step in steps if step.selection}.values():
            bits = sum(1 << number for number, step in enumerate(steps) if step.selection == selection)
            yield Entry(slot, selection, bits)
    elif rule.condition is not None:
        yield Entry(slot, rule.condition)


def _add(takers: Takers, key_of: Keyer | None, step: StepFunction) -> None:
    for known, steps in takers:
        if known is key_of:
            steps.append(step)
            return
    takers.append((key_of, [step]))


def _exempting(rule: Rule, state: State, step: StepFunction, zone: tzinfo) -> StepFunction:
    """The step of a rule with exceptions: an event that one of them matches neither counts nor fires; it may still teach."""
    exempt = [(exemption.match.test, _end_of_day_us(exemption.until, zone)) for exemption in rule.exemptions]

    def guarded(event: Event, at_us: int, key: CellKey) -> None:
        for matches, until_us in exempt:
            if at_us <= until_us and matches(event):
                state.teach(event, at_us, key)
                return
        step(event, at_us, key)

    return guarded


def _end_of_day_us(day: date | None, zone: tzinfo) -> int:
    if day is None:
        return 1 << 62
    return to_us(datetime.combine(day + timedelta(days=1), time(), zone)) - 1
