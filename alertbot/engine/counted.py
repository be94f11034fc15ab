"""So many different things of a key within the window, and not more: firings, values of a field in them, or rules that fire.

It is what `temporal` is made of (different rules), and what bursts and distinct counts of other rules' firings become where
they have a bound above, or are met by one. A cell holds each thing's latest match, and no more things than are needed to know
that there are enough, or too many: of others only the latest are kept.
"""

from __future__ import annotations

from collections.abc import Hashable

from alertbot.engine.keys import CellKey, keyer
from alertbot.engine.state import Record, State, Switch, SwitchedState
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Burst, Distinct, Rule, Source, Temporal


class Things:
    """One key's things in the order of their latest matches, each with its time and reference."""

    __slots__ = ("met", "on", "things")

    def __init__(self) -> None:
        self.on = 0
        self.met = 0
        self.things: dict[Hashable, tuple[int, EventRef]] = {}

    def copy(self) -> Things:
        """A cell that can be changed without changing this one."""
        copy = Things()
        copy.on, copy.met, copy.things = self.on, self.met, dict(self.things)
        return copy


class CountedState(SwitchedState):
    """The latest things of every key."""

    __slots__ = ("held", "most", "pattern", "value_of", "values_of", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Burst | Distinct | Temporal) -> None:
        super().__init__(rule, record)
        self.pattern = pattern
        self.within_us = span_us(pattern.within)
        self.most = pattern.at_most
        self.held = pattern.count if self.most is None else self.most + 1
        self.value_of = keyer(pattern.of) if isinstance(pattern, Distinct) else None
        self.values_of = {source: keyer(source.of) for source in rule.sources if source.of}
        self.table: Table[Things] = self.by_key(self.within_us, Things, Things.copy)
        self.switch = Switch.of(self, self.within_us)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match; one without a value that could be counted does not count."""
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        thing = self._thing(event, cell)
        if thing is None:
            return
        things = cell.things
        self._forget(cell, at_us)
        things.pop(thing, None)
        things[thing] = (at_us, event.ref)
        if len(things) > self.held:
            del things[next(iter(things))]
        if self.pattern.count <= len(things) and (self.most is None or len(things) <= self.most):
            if cell.on == 0:
                refs = [ref for _, ref in things.values()]
                cell.on = self.switch.turned_on(event, at_us, key, refs, next(iter(things.values()))[0])
            elif cell.on == 1:
                self.switch.still_on(at_us, key)
        else:
            cell.on = 0

    def fork(self, record: Record) -> CountedState:
        """The same state for another fold."""
        fork = object.__new__(CountedState)
        State.__init__(fork, self.rule, record)
        fork.pattern, fork.within_us, fork.most, fork.held = self.pattern, self.within_us, self.most, self.held
        fork.value_of, fork.values_of = self.value_of, self.values_of
        fork.table, fork.switch = self.table.fork(record.people), self.switch.fork(fork)
        return fork

    def _thing(self, event: Event, cell: Things) -> Hashable | None:
        source: Source | None = self.source
        if isinstance(self.pattern, Temporal):
            return source.rule if source is not None else None
        if self.value_of is None:
            cell.met += 1
            return cell.met
        return self.values_of.get(source, self.value_of)(event) if source is not None else self.value_of(event)

    def _forget(self, cell: Things, at_us: int) -> None:
        """Let go of what the window has passed; where nothing is left of it, the condition was false in between."""
        things = cell.things
        start_us = at_us - self.within_us
        while things:
            oldest = next(iter(things))
            if things[oldest][0] >= start_us:
                return
            del things[oldest]
        cell.on = 0
