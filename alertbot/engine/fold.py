"""One fold: the states of all rules after the events so far, and what they found."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from alertbot.engine.absence import AbsenceState, Gaps
from alertbot.engine.plan import MOST_KINDS, Group, Plan
from alertbot.engine.state import Record, State
from alertbot.engine.table import MOST_KEYS
from alertbot.event import Event, Feed


class Fold:
    """Takes events in order; `record.touched` holds the findings in their latest form."""

    __slots__ = ("_absences", "_by_kind", "_groups", "_kind_of", "_listeners", "_people", "plan", "record", "states")

    def __init__(self, plan: Plan, record: Record, states: list[State]) -> None:
        self.plan = plan
        self.record = record
        self.states = states
        self._groups = plan.bind(states)
        self._kind_of = plan.kind_of
        self._listeners = plan.listeners(states)
        self._by_kind: dict[object, list[Group]] = {}
        self._people = record.people.own
        self._absences = [state for state in states if isinstance(state, AbsenceState)]

    @classmethod
    def empty(cls, plan: Plan, portal: str, most_keys: int = MOST_KEYS) -> Fold:
        """A fold of no events."""
        record = Record(portal, most_keys=most_keys)
        return cls(plan, record, plan.states(record))

    def fork(self) -> Fold:
        """A fold that goes on from here by itself, with nothing found yet."""
        record = self.record.fork()
        return Fold(self.plan, record, [state.fork(record) for state in self.states])

    def wake(self, asleep: Container[int]) -> None:
        """From now on all rules see events, but for those at the places that are still asleep."""
        self._groups = self.plan.bind(self.states, asleep)
        self._by_kind.clear()

    def fold(self, events: Iterable[Event]) -> int | None:
        """Fold events in order, none before those folded so far; the date of the last one, None where there was none."""
        # One loop over many events: what does not change from one to the next is looked up once.
        record, people, absences, by_kind, kind_of = self.record, self._people, self._absences, self._by_kind, self._kind_of
        fired = record.fired
        at_us = None
        for event in events:
            at_us = event.at_us
            if record.first_event_us is None:
                record.first_event_us = at_us
            if event.known:
                people.add(event.account)
            for absence in absences:
                if at_us > absence.next_due_us and event.feed in absence.rule.feeds:
                    absence.advance(at_us - 1)
                    fired.clear()  # a silence is no event: nothing waits for its firing
            kind = kind_of(event)
            groups = by_kind.get(kind)
            if groups is None:
                groups = self._groups_for(event, kind)
            for test, takers in groups:
                if test is None or test(event):
                    for key_of, steps in takers:
                        key = "" if key_of is None else key_of(event)
                        if key is not None:
                            for step in steps:
                                step(event, at_us, key)
            if fired:
                self._tell_listeners(event, at_us)
        return at_us

    def _groups_for(self, event: Event, kind: object) -> list[Group]:
        """The conditions that this kind of event may match, with a test only where the kind leaves it open."""
        if len(self._by_kind) >= MOST_KINDS:
            self._by_kind.clear()
        bound = [
            (None if sure else self._groups[place][0], self._groups[place][1])
            for place, sure in self.plan.candidates(event)
            if self._groups[place][1]
        ]
        self._by_kind[kind] = bound
        return bound

    @property
    def silent_us(self) -> int:
        """The moment of the latest silence that fired: it was one only if nothing comes that happened by then."""
        return max((absence.fired_us for absence in self._absences), default=-(1 << 62))

    def know_gaps(self, gaps: Gaps) -> None:
        """Take it that these times were not read, and no others."""
        for absence in self._absences:
            absence.know_gaps(gaps)

    def advance(self, now_us: Mapping[Feed, int]) -> None:
        """Of each feed every event up to a moment was folded: silences that are due by then fire."""
        for absence in self._absences:
            absence.advance(min(now_us[feed] for feed in absence.rule.feeds))
        self.record.fired.clear()

    def _tell_listeners(self, event: Event, at_us: int) -> None:
        fired = self.record.fired
        for name in fired:
            # The list may grow here: a sequence that completes is itself a firing that others wait for.
            for key_of, step in self._listeners.get(name, ()):
                key = key_of(event)
                if key is not None:
                    step(event, at_us, key)
        fired.clear()
