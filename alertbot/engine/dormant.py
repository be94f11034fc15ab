"""`dormant`: the first match after a silence longer than `after`.

An account of the directory without any match counts as silent since the first event of all; anybody else is new, not dormant.
What is older than `memory` is forgotten.
"""

from __future__ import annotations

from typing import Any

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event
from alertbot.moments import span_us
from alertbot.rules.model import Dormant, Rule

_NEVER = -(1 << 62)


def _never() -> int:
    return _NEVER


class DormantState(State):
    """When each key matched last."""

    __slots__ = ("after_us", "by_account", "last", "memory_us")

    def __init__(self, rule: Rule, record: Record, pattern: Dormant) -> None:
        super().__init__(rule, record)
        self.after_us = span_us(pattern.after)
        self.memory_us = span_us(pattern.memory)
        self.by_account = rule.by == ("account",)
        self.last: Table[int] = self.by_key(self.memory_us, _never, None)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match."""
        if self._see(event, at_us, key):
            self.fire(event, at_us, (event.ref,), at_us)

    def teach(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match that is exempt: it ends the silence and does not fire."""
        self._see(event, at_us, key)

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.last,)

    def fork(self, record: Record) -> DormantState:
        """The same state for another fold."""
        fork = object.__new__(DormantState)
        State.__init__(fork, self.rule, record)
        fork.after_us, fork.memory_us, fork.by_account = self.after_us, self.memory_us, self.by_account
        fork.last = self.last.fork(record.people)
        return fork

    def _see(self, event: Event, at_us: int, key: CellKey) -> bool:
        if at_us >= self.last.turn_us:
            self.last.turn(at_us)
        last = self.last.cells[key]
        self.last.cells[key] = at_us
        if last < at_us - self.memory_us:
            if not (self.by_account and event.known) or self.record.first_event_us is None:
                return False
            last = self.record.first_event_us
        return at_us - last > self.after_us
