"""`distinct`: at least `count` different values of `of` within the window.

The latest matches of the `count` values seen last decide: the condition is true when the oldest of them lies within the
window. So a cell holds these and no more, however many values an attacker makes up; they are also the evidence, because each
of them is needed. Most keys have one value in a window: these are a tuple, which is small.
"""

from __future__ import annotations

from alertbot.engine.keys import CellKey, keyer
from alertbot.engine.state import Record, State, Switch, SwitchedState
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Distinct, Rule

One = tuple[CellKey | None, int, EventRef]
"""The only value of a key, with the time and reference of its latest match."""

_NONE: One = (None, 0, EventRef(0))


class Seen:
    """One key's values in the order of their latest matches, each with its time and reference; `latest` is the last of them."""

    __slots__ = ("latest", "on", "values")

    def __init__(self, only: One) -> None:
        self.on = 0
        self.latest, at_us, ref = only
        self.values: dict[CellKey | None, tuple[int, EventRef]] = {self.latest: (at_us, ref)}

    def see(self, value: CellKey, at_us: int, ref: EventRef, most: int) -> None:
        """Take up a match; of more than `most` values the one seen longest ago is let go."""
        values = self.values
        if value != self.latest:
            self.latest = value
            if value in values:
                del values[value]
            elif len(values) == most:
                del values[next(iter(values))]
        values[value] = (at_us, ref)

    def copy(self) -> Seen:
        """A cell that can be changed without changing this one."""
        copy = object.__new__(Seen)
        copy.on, copy.latest, copy.values = self.on, self.latest, dict(self.values)
        return copy


def _new() -> One | Seen:
    return _NONE


def _copy(cell: One | Seen) -> One | Seen:
    return cell.copy() if isinstance(cell, Seen) else cell


class DistinctState(SwitchedState):
    """The latest values of every key."""

    __slots__ = ("count", "value_of", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Distinct) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.count = pattern.count
        self.value_of = keyer(pattern.of)
        self.table: Table[One | Seen] = self.by_key(self.within_us, _new, _copy)
        self.switch = Switch.of(self, self.within_us)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match; one without a value does not count."""
        value = self.value_of(event)
        if value is None:
            return
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        if isinstance(cell, tuple):
            if cell[0] is None or cell[0] == value or cell[1] < at_us - self.within_us:
                table.cells[key] = (value, at_us, event.ref)
                return
            table.cells[key] = cell = Seen(cell)
        cell.see(value, at_us, event.ref, self.count)
        values = cell.values
        if len(values) == self.count and next(iter(values.values()))[0] >= at_us - self.within_us:
            if cell.on == 0:
                refs = [ref for _, ref in values.values()]
                cell.on = self.switch.turned_on(event, at_us, key, refs, next(iter(values.values()))[0])
            elif cell.on == 1:
                self.switch.still_on(at_us, key)
        elif cell.on:
            cell.on = 0

    def fork(self, record: Record) -> DistinctState:
        """The same state for another fold."""
        fork = object.__new__(DistinctState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.count, fork.value_of = self.within_us, self.count, self.value_of
        fork.table, fork.switch = self.table.fork(record.people), self.switch.fork(fork)
        return fork
