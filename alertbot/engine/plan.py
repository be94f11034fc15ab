"""Which rules an event may touch: rules indexed by what they match, conditions and keys shared.

A plan is made once from the rules. For each fold it binds the states' step functions to the conditions that they wait for: an
event is tested once for each distinct condition, its key taken once for each distinct `by`, then handed to the patterns. What
the kind of an event (its action and what that means) decides of a condition is worked out once for each kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from operator import attrgetter
from types import MappingProxyType

from alertbot.engine.absence import AbsenceState, Gaps
from alertbot.engine.burst import BurstState
from alertbot.engine.counted import CountedState
from alertbot.engine.distinct import DistinctState
from alertbot.engine.dormant import DormantState
from alertbot.engine.each import EachState
from alertbot.engine.first_seen import FirstSeenState
from alertbot.engine.horizon import horizons
from alertbot.engine.hours import HoursState
from alertbot.engine.keys import CellKey, Keyer, keyer
from alertbot.engine.learned_hours import LearnedHoursState
from alertbot.engine.sequence import SequenceState
from alertbot.engine.shared import SharedBurst, SharedDistinct, join, sharing
from alertbot.engine.spike import SpikeState
from alertbot.engine.state import Record, State
from alertbot.engine.travel import TravelState
from alertbot.event import ATTRIBUTES, Event, EventRef
from alertbot.moments import end_of_day_us
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
    Source,
    Spike,
    Temporal,
    Travel,
)

StepFunction = Callable[[Event, int, CellKey], None]
Takers = list[tuple[Keyer | None, list[StepFunction]]]
Group = tuple[Callable[[Event], bool] | None, Takers]
"""A condition, None where it is sure to hold, and who waits for it."""

_KIND = ("feed", "outcome", "event", "actionId", "reason", "method")
MOST_KINDS = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule waits for a condition: `bits` are the steps of a sequence that a match may serve."""

    slot: int
    selection: Selection
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A distinct condition, the feeds for which it is asked, and the rules that wait for it."""

    selection: Selection
    feeds: frozenset[str]
    entries: tuple[Entry, ...]

    def verdict(self, event: Event) -> bool | None:
        """What the event's kind alone says: it cannot match, it must match, or (None) the rest of it decides."""
        if event.feed not in self.feeds:
            return False
        for field, values in self.selection.equals:
            if field in _KIND:
                value = getattr(event, ATTRIBUTES[field])
                if value is None or str(value).lower() not in values:
                    return False
        return True if self._is_of_kind() else None

    def _is_of_kind(self) -> bool:
        equals = self.selection.equals
        if len(equals) != 1 or equals[0][0] not in _KIND:
            return False
        field, values = equals[0]
        return self.selection.fingerprint == json.dumps(["is", field, sorted(values)], separators=(",", ":"))


def make_state(rule: Rule, record: Record, zone: tzinfo, gaps: Gaps = MappingProxyType({})) -> State:
    """The empty state of a rule; `zone` is the portal's, `gaps` what was not read of it."""
    pattern = rule.pattern
    match pattern:
        case Each():
            return EachState(rule, record)
        case Burst(at_most=None) if pattern.count > 1:
            return BurstState(rule, record, pattern)
        case Distinct(at_most=None) if pattern.count > 1 and not any(source.of for source in rule.sources):
            return DistinctState(rule, record, pattern)
        case Burst() | Distinct() | Temporal():
            return CountedState(rule, record, pattern)
        case Sequence_():
            return SequenceState(rule, record, pattern)
        case FirstSeen():
            return FirstSeenState(rule, record, pattern)
        case Hours():
            return HoursState(rule, record, pattern, rule.zone or zone)
        case LearnedHours():
            return LearnedHoursState(rule, record, pattern, rule.zone or zone)
        case Travel():
            return TravelState(rule, record, pattern)
        case Spike():
            return SpikeState(rule, record, pattern)
        case Dormant():
            return DormantState(rule, record, pattern)
        case Absence():
            return AbsenceState(rule, record, pattern, rule.zone or zone, gaps)


class Plan:
    """The rules of one portal, ready to be bound to folds."""

    def __init__(self, rules: Sequence[Rule], zone: tzinfo, gaps: Gaps = MappingProxyType({})) -> None:
        self.gaps = gaps
        self.rules = tuple(rule.in_zone(zone) for rule in rules if rule.mode != "off")
        self.zone = zone
        self._keyers: dict[tuple[str, ...], Keyer] = {rule.by: keyer(rule.by) for rule in self.rules}
        self.conditions = _conditions(self.rules)
        self.kind_of = _kind_of(self.conditions)
        self._sharing = sharing(self.rules)
        heard = {name for rule in self.rules for name in rule.needs}
        # Those whose firings nobody waits for and that wait for nobody's: what one key finds, no other has a say in.
        self.independent = frozenset(
            place
            for place, rule in enumerate(self.rules)
            if rule.name not in heard and not rule.needs and not isinstance(rule.pattern, Absence)
        )
        self._candidates: dict[object, tuple[tuple[int, bool], ...]] = {}

    def states(self, record: Record) -> list[State]:
        """The empty states of all rules."""
        states = [make_state(rule, record, self.zone, self.gaps) for rule in self.rules]
        for places in self._sharing:
            join([states[place] for place in places])
        return states

    def horizons(self) -> Mapping[int, int]:
        """The place of each rule of which it is known how far back events matter → how far, in microseconds."""
        return horizons(self.rules, self.independent, self._sharing)

    def bind(self, states: Sequence[State], asleep: Container[int] = ()) -> list[Group]:
        """The conditions, in the order of `conditions`, joined with the step functions of these states, but for those of rules
        at the places that are asleep."""
        shared = {places[0]: _shared_step([states[place] for place in places]) for places in self._sharing}
        served = {place for places in self._sharing for place in places[1:]}
        groups: list[Group] = []
        for condition in self.conditions:
            takers: Takers = []
            for entry in condition.entries:
                if entry.slot in served or entry.slot in asleep:
                    continue
                rule = self.rules[entry.slot]
                step = shared.get(entry.slot) or self._step_function(rule, states[entry.slot], entry.bits)
                _add(takers, self.keyer(rule), step)
            groups.append((condition.selection.test, takers))
        return groups

    def candidates(self, event: Event) -> tuple[tuple[int, bool], ...]:
        """The conditions that an event of this kind may match, and whether each is sure to."""
        kind = self.kind_of(event)
        known = self._candidates.get(kind)
        if known is None:
            if len(self._candidates) >= MOST_KINDS:
                self._candidates.clear()
            verdicts = ((place, condition.verdict(event)) for place, condition in enumerate(self.conditions))
            known = self._candidates[kind] = tuple(
                (place, bool(verdict)) for place, verdict in verdicts if verdict is not False
            )
        return known

    def taken_by(self, event: Event) -> set[int]:
        """The places of the rules that wait for a condition that this event matches."""
        held = (
            self.conditions[place]
            for place, sure in self.candidates(event)
            if sure or self.conditions[place].selection.test(event)
        )
        return {entry.slot for condition in held for entry in condition.entries}

    def keyer(self, rule: Rule) -> Keyer | None:
        """The function that takes an event to the rule's key; None where the rule judges each event by itself."""
        judges_alone = isinstance(rule.pattern, Each | Hours)
        return None if judges_alone else self._keyers[rule.by]

    def _step_function(self, rule: Rule, state: State, bits: int) -> StepFunction:
        step = state.stepper(bits) if bits and isinstance(state, SequenceState) else state.step
        return _exempting(rule, state, step, rule.zone or self.zone) if rule.exemptions else step

    def listeners(self, states: Sequence[State]) -> dict[str, list[tuple[Keyer, StepFunction]]]:
        """Rules whose firings others wait for, with their step functions."""
        plain = {rule.name for rule in self.rules if isinstance(rule.pattern, Each)}
        listeners: dict[str, list[tuple[Keyer, StepFunction]]] = {}
        for rule, state in zip(self.rules, states, strict=True):
            counts_events = isinstance(rule.pattern, Burst | Distinct) and not any(source.of for source in rule.sources)
            once = _once() if counts_events else None
            for source in _sources(rule):
                bits = 0
                if isinstance(rule.pattern, Sequence_):
                    bits = sum(1 << number for number, step in enumerate(rule.pattern.steps) if step.rule == source.rule)
                step = _hearing(state, source, self._step_function(rule, state, bits))
                step = once(step) if once is not None and source.rule in plain else step
                listeners.setdefault(source.rule, []).append((keyer(source.by), step))
        return listeners


def _sources(rule: Rule) -> Iterable[Source]:
    """The rules whose firings a rule waits for."""
    return rule.sources or [Source(name, rule.by) for name in dict.fromkeys(rule.needs)]


def _hearing(state: State, source: Source, step: StepFunction) -> StepFunction:
    """The step at a firing of another rule: it knows whose firing it is, for fields may have other names there."""

    def hearing(event: Event, at_us: int, key: CellKey) -> None:
        state.source = source
        step(event, at_us, key)
        state.source = None

    return hearing


def _once() -> Callable[[StepFunction], StepFunction]:
    """Makes steps of which one alone is taken for an event and key: an event that two rules match is one event."""
    latest: EventRef | None = None
    keys: set[CellKey] = set()

    def only_once(step: StepFunction) -> StepFunction:
        def first(event: Event, at_us: int, key: CellKey) -> None:
            nonlocal latest
            if event.ref != latest:
                latest = event.ref
                keys.clear()
            if key not in keys:
                keys.add(key)
                step(event, at_us, key)

        return first

    return only_once


def _entries(slot: int, rule: Rule) -> Iterable[Entry]:
    if isinstance(rule.pattern, Sequence_):
        steps = rule.pattern.steps
        for selection in {step.selection.fingerprint: step.selection for step in steps if step.selection}.values():
            bits = sum(1 << number for number, step in enumerate(steps) if step.selection == selection)
            yield Entry(slot, selection, bits)
    elif rule.condition is not None:
        yield Entry(slot, rule.condition)


def _conditions(rules: Sequence[Rule]) -> tuple[Condition, ...]:
    found: dict[tuple[frozenset[str], str], list[Entry]] = {}
    for slot, rule in enumerate(rules):
        for entry in _entries(slot, rule):
            found.setdefault((frozenset(rule.feeds), entry.selection.fingerprint), []).append(entry)
    return tuple(Condition(entries[0].selection, feeds, tuple(entries)) for (feeds, _), entries in found.items())


def _shared_step(states: Sequence[State]) -> StepFunction:
    """The one step function of rules that share a window."""
    bursts = [state for state in states if isinstance(state, BurstState)]
    return SharedBurst(bursts).step if bursts else SharedDistinct(s for s in states if isinstance(s, DistinctState)).step


def _kind_of(conditions: Iterable[Condition]) -> Callable[[Event], object]:
    """What of an event's kind these conditions ask for: where they ask for less, there are fewer kinds, known sooner."""
    asked = {field for condition in conditions for field, _ in condition.selection.equals}
    return attrgetter(*(ATTRIBUTES[field] for field in _KIND if field == "feed" or field in asked))


def _add(takers: Takers, key_of: Keyer | None, step: StepFunction) -> None:
    for known, steps in takers:
        if known is key_of:
            steps.append(step)
            return
    takers.append((key_of, [step]))


def _exempting(rule: Rule, state: State, step: StepFunction, zone: tzinfo) -> StepFunction:
    """The step of a rule with exceptions: an event that one of them matches neither counts nor fires; it may still teach."""
    exempt = [(one.match.test, end_of_day_us(one.until or date.max, zone)) for one in rule.exemptions]

    def guarded(event: Event, at_us: int, key: CellKey) -> None:
        for matches, until_us in exempt:
            if at_us <= until_us and matches(event):
                state.teach(event, at_us, key)
                return
        step(event, at_us, key)

    return guarded
