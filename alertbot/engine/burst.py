"""`burst`: at least `count` matches of a key within the window.

The last `count` matches decide: the condition is true when the oldest of them lies within the window. So a cell holds them
and no more: an array of the switch's flag, then the time and reference of each match (80 bytes and 16 a match).
"""

from __future__ import annotations

from array import array

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State, Switch, SwitchedState
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Burst, Rule


def _new() -> array[int]:
    return array("q", (0,))


def _copy(cell: array[int]) -> array[int]:
    return cell[:]


class BurstState(SwitchedState):
    """The last matches of every key."""

    __slots__ = ("full", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Burst) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.full = 1 + 2 * pattern.count
        self.table: Table[array[int]] = self.by_key(self.within_us, _new, _copy)
        self.switch = Switch.of(self, self.within_us)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match."""
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        if len(cell) == self.full:
            del cell[1:3]
        cell.append(at_us)
        cell.append(event.ref)
        if len(cell) == self.full and cell[1] >= at_us - self.within_us:
            if cell[0] == 0:
                refs = [EventRef(ref) for ref in cell[2::2]]
                cell[0] = self.switch.turned_on(event, at_us, key, refs, cell[1])
            elif cell[0] == 1:
                self.switch.still_on(at_us, key)
        elif cell[0]:
            cell[0] = 0

    def fork(self, record: Record) -> BurstState:
        """The same state for another fold."""
        fork = object.__new__(BurstState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.full = self.within_us, self.full
        fork.table, fork.switch = self.table.fork(record.people), self.switch.fork(fork)
        return fork
