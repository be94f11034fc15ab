"""`first_seen`: a value not seen for its key in the `memory` before it.

Every sighting renews. Until the key's first match is `learn` old it is silent, and a key that was silent itself for longer
than `memory` starts anew. With several groups in `each`, all of them must be new. Long memories of many keys must be small: a
value costs its entry in a dict and an int, a key a pair of ints.
"""

from __future__ import annotations

from alertbot.engine.keys import CellKey, keyer
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event
from alertbot.moments import span_us
from alertbot.rules.model import FirstSeen, Rule

_NEVER = -(1 << 62)


def _never() -> int:
    return _NEVER


def _no_match() -> tuple[int, int]:
    return (_NEVER, _NEVER)


def _same_int(last_us: int) -> int:
    return last_us


def _same_pair(pair: tuple[int, int]) -> tuple[int, int]:
    return pair


class FirstSeenState(State):
    """When each key began and was last there, and when each of its values was seen last."""

    __slots__ = ("keys", "learn_us", "memory_us", "value_of", "values")

    def __init__(self, rule: Rule, record: Record, pattern: FirstSeen) -> None:
        super().__init__(rule, record)
        self.memory_us = span_us(pattern.memory)
        self.learn_us = span_us(pattern.learn)
        self.value_of = tuple(keyer(group) for group in pattern.each)
        self.keys: Table[tuple[int, int]] = self.by_key(self.memory_us, _no_match, _same_pair)
        self.values: Table[int] = self.by_place(self.memory_us, _never, _same_int)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match; one without all of the values does not count."""
        self._see(event, at_us, key, fires=True)

    def teach(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match that is exempt: it teaches and does not fire."""
        self._see(event, at_us, key, fires=False)

    @property
    def dropped(self) -> int:
        """How many keys were let go before their time."""
        return self.keys.dropped + self.values.dropped

    def fork(self, record: Record) -> FirstSeenState:
        """The same state for another fold."""
        fork = object.__new__(FirstSeenState)
        State.__init__(fork, self.rule, record)
        fork.memory_us, fork.learn_us, fork.value_of = self.memory_us, self.learn_us, self.value_of
        fork.keys, fork.values = self.keys.fork(record.people), self.values.fork(record.people)
        return fork

    def _see(self, event: Event, at_us: int, key: CellKey, *, fires: bool) -> None:
        places = []
        for number, value_of in enumerate(self.value_of):
            value = value_of(event)
            if value is None:
                return
            places.append((key, number, value))
        keys = self.keys
        if keys.turn_us is None or at_us >= keys.turn_us:
            keys.turn(at_us)
        oldest = at_us - self.memory_us
        first, last = keys.cells[key]
        if last < oldest:
            first = at_us
        keys.cells[key] = (first, at_us)
        values = self.values
        if values.turn_us is None or at_us >= values.turn_us:
            values.turn(at_us)
        seen = values.cells
        new = True
        for place in places:
            if seen[place] >= oldest:
                new = False
            seen[place] = at_us
        if new and fires and at_us - first >= self.learn_us:
            self.fire(event, at_us, (event.ref,), at_us)
