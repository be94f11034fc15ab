"""One fold: the states of all rules after the events so far, and what they found."""

from __future__ import annotations

from alertbot.engine.absence import AbsenceState
from alertbot.engine.keys import Keyer
from alertbot.engine.plan import Binding, Group, Plan, StepFunction
from alertbot.engine.state import Record, State
from alertbot.event import Event


class Fold:
    """Takes events in order; `record.touched` holds the findings in their latest form."""

    __slots__ = ("_absences", "_binding", "plan", "record", "states")

    def __init__(self, plan: Plan, record: Record, states: list[State]) -> None:
        self.plan = plan
        self.record = record
        self.states = states
        self._binding: Binding = plan.bind(states)
        self._absences = [state for state in states if isinstance(state, AbsenceState)]

    @classmethod
    def empty(cls, plan: Plan, portal: str) -> Fold:
        """A fold of no events."""
        record = Record(portal)
        return cls(plan, record, plan.states(record))

    def fork(self) -> Fold:
        """A fold that goes on from here by itself, with nothing found yet."""
        record = Record(self.record.portal, self.record.first_event_us)
        return Fold(self.plan, record, [state.fork(record) for state in self.states])

    def step(self, event: Event) -> None:
        """Fold one event, which must not come before the one folded last."""
        at_us = event.at_us
        if self.record.first_event_us is None:
            self.record.first_event_us = at_us
        for absence in self._absences:
            if at_us > absence.next_due_us:
                absence.advance(at_us - 1)
                self.record.fired.clear()  # a silence is no event: nothing waits for its firing
        binding = self._binding
        for group in binding.always[event.feed]:
            _offer(group, event, at_us)
        for attribute, table in binding.indexed[event.feed]:
            value = getattr(event, attribute)
            if value is not None:
                groups = table.get(value if value.__class__ is str and value.islower() else str(value).lower())
                if groups is not None:
                    for group in groups:
                        _offer(group, event, at_us)
        if self.record.fired:
            self._tell_listeners(event, at_us, binding.listeners)

    def advance(self, now_us: int) -> None:
        """The clock has come to a moment, and every event up to it was folded: silences that are due by then fire."""
        for absence in self._absences:
            absence.advance(now_us)
        self.record.fired.clear()

    def _tell_listeners(self, event: Event, at_us: int, listeners: dict[str, list[tuple[Keyer, StepFunction]]]) -> None:
        fired = self.record.fired
        for name in fired:
            # The list may grow here: a sequence that completes is itself a firing that others wait for.
            for key_of, step in listeners.get(name, ()):
                key = key_of(event)
                if key is not None:
                    step(event, at_us, key)
        fired.clear()


def _offer(group: Group, event: Event, at_us: int) -> None:
    test, takers = group
    if not test(event):
        return
    for key_of, steps in takers:
        if key_of is None:
            for step in steps:
                step(event, at_us, "")
            continue
        key = key_of(event)
        if key is not None:
            for step in steps:
                step(event, at_us, key)
