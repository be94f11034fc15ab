"""No pattern: every match fires."""

from __future__ import annotations

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.event import Event


class EachState(State):
    """Remembers nothing."""

    __slots__ = ()

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fire."""
        self.fire(event, at_us, (event.ref,), at_us)

    def fork(self, record: Record) -> EachState:
        """The same state for another fold."""
        return EachState(self.rule, record)
