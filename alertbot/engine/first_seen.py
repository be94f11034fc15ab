"""`first_seen`: a value not seen for its key in the `memory` before it.

Every sighting renews. Until the key's first match is `learn` old it is silent, and a key that was silent itself for longer
than `memory` starts anew. With several groups in `each`, all of them must be new. Long memories of many keys must be small: a
key costs a tuple with what it shows now, and only what it showed before has an entry of its own, an int in a dict.
"""

from __future__ import annotations

from typing import Any

from alertbot.engine.keys import CellKey, Keyer, keyer
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event
from alertbot.moments import span_us
from alertbot.rules.model import FirstSeen, Rule

_NEVER = -(1 << 62)


def _never() -> int:
    return _NEVER


Now = tuple[int, int, CellKey | None]
"""When a key began, when it matched last, and the values of that match: they were seen last then."""

_NO_MATCH: Now = (_NEVER, _NEVER, None)


def _no_match() -> Now:
    return _NO_MATCH


class FirstSeenState(State):
    """When each key began and what it shows now, and when each of its other values was seen last."""

    __slots__ = ("groups", "keys", "learn_us", "memory_us", "values", "values_of")

    def __init__(self, rule: Rule, record: Record, pattern: FirstSeen) -> None:
        super().__init__(rule, record)
        self.memory_us = span_us(pattern.memory)
        self.learn_us = span_us(pattern.learn)
        self.values_of = _values_of(pattern.each)
        self.groups = len(pattern.each)
        self.keys: Table[Now] = self.by_key(self.memory_us, _no_match, None)
        self.values: Table[int] = self.by_place(self.memory_us, _never, None)

    def step(self, event: Event, at_us: int, key: CellKey, *, fires: bool = True) -> None:
        """Fold one match; one without all of the values does not count."""
        values = self.values_of(event)
        if values is None:
            return
        keys = self.keys
        if at_us >= keys.turn_us:
            keys.turn(at_us)
        first, last, before = keys.cells[key]
        new = last < at_us - self.memory_us
        if new:
            first = at_us
        elif values != before:
            new = self._changed(at_us, key, values, last, before)
        keys.cells[key] = (first, at_us, values)
        if new and fires and at_us - first >= self.learn_us:
            self.fire(event, at_us, (event.ref,), at_us)

    def teach(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match that is exempt: it teaches and does not fire."""
        self.step(event, at_us, key, fires=False)

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.keys, self.values)

    def fork(self, record: Record) -> FirstSeenState:
        """The same state for another fold."""
        fork = object.__new__(FirstSeenState)
        State.__init__(fork, self.rule, record)
        fork.memory_us, fork.learn_us = self.memory_us, self.learn_us
        fork.values_of, fork.groups = self.values_of, self.groups
        fork.keys, fork.values = self.keys.fork(record.people), self.values.fork(record.people)
        return fork

    def _changed(self, at_us: int, key: CellKey, values: CellKey, last: int, before: CellKey | None) -> bool:
        """The key shows other values than before, which were seen `last`; whether all that it shows now are new."""
        seen = self.values
        if at_us >= seen.turn_us:
            seen.turn(at_us)
        cells = seen.cells
        oldest = at_us - self.memory_us
        new = True
        for number in range(self.groups):
            value, left = (values, before) if self.groups == 1 else (values[number], before and before[number])
            place = (key, number, left)
            if cells[place] < last:
                cells[place] = last
            sighting = seen.peek((key, number, value))
            if sighting is not None and sighting >= oldest:
                new = False
        return new


def _values_of(each: tuple[tuple[str, ...], ...]) -> Keyer:
    """The function that takes an event to its values, one of each group, or to None where one is absent."""
    if len(each) == 1:
        return keyer(each[0])
    parts = tuple(keyer(group) for group in each)

    def values(event: Event) -> CellKey | None:
        found = tuple([part(event) for part in parts])
        return None if None in found else found  # type: ignore[return-value]  # None was just ruled out

    return values
