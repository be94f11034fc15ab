"""`distinct`: at least `count` different values of `of` within the window.

The latest matches of the `count` values seen last decide: the condition is true when the oldest of them lies within the
window. So a cell holds these and no more, however many values an attacker makes up; they are also the evidence, because each
of them is needed.
"""

from __future__ import annotations

from alertbot.engine.keys import CellKey, keyer
from alertbot.engine.state import Record, State, Switch
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Distinct, Rule


class Seen:
    """One key's values in the order of their latest matches, each with its time and reference; `latest` is the last of them."""

    __slots__ = ("latest", "on", "values")

    def __init__(self) -> None:
        self.on = 0
        self.latest: CellKey | None = None
        self.values: dict[CellKey, tuple[int, EventRef]] = {}

    def copy(self) -> Seen:
        """A cell that can be changed without changing this one."""
        copy = Seen()
        copy.on, copy.latest, copy.values = self.on, self.latest, dict(self.values)
        return copy


class DistinctState(State):
    """The latest values of every key."""

    __slots__ = ("count", "switch", "table", "value_of", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Distinct) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.count = pattern.count
        self.value_of = keyer(pattern.of)
        self.table: Table[Seen] = self.by_key(self.within_us, Seen, Seen.copy)
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
        values = cell.values
        if value != cell.latest:
            cell.latest = value
            if value in values:
                del values[value]
            elif len(values) == self.count:
                del values[next(iter(values))]
        values[value] = (at_us, event.ref)
        if len(values) == self.count and next(iter(values.values()))[0] >= at_us - self.within_us:
            if cell.on == 0:
                refs = [ref for _, ref in values.values()]
                cell.on = self.switch.turned_on(event, at_us, key, refs, next(iter(values.values()))[0])
            elif cell.on == 1:
                self.switch.still_on(at_us, key)
        elif cell.on:
            cell.on = 0

    @property
    def dropped(self) -> int:
        """How many keys were let go before their time."""
        return self.table.dropped

    def fork(self, record: Record) -> DistinctState:
        """The same state for another fold."""
        fork = object.__new__(DistinctState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.count, fork.value_of = self.within_us, self.count, self.value_of
        fork.table, fork.switch = self.table.fork(record.people), self.switch.fork(fork)
        return fork
