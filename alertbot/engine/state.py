"""What the patterns' states have in common: how a rule fires, is extended, and tells the fold of it.

A state is one rule's memory within one fold. It is made from a frozen rule, steps through matches in order, and can be forked;
it never looks at a clock. One file beside this one for each pattern.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from alertbot.engine.keep import Keep, People
from alertbot.engine.keys import CellKey, spelled
from alertbot.engine.table import MOST_KEYS, Table
from alertbot.event import Event, EventRef
from alertbot.finding import Finding, finding_id
from alertbot.rules.model import Rule, Source

Cell = TypeVar("Cell")


@dataclass(slots=True)
class Record:
    """What a fold has found: the latest form of each finding touched, and the rules that fired at the event in hand.

    `people` are the accounts of the directory that it met; `most_keys` is how many keys a rule may hold beside theirs.
    """

    portal: str
    first_event_us: int | None = None
    most_keys: int = MOST_KEYS
    people: People = field(default_factory=People)
    touched: dict[str, Finding] = field(default_factory=dict)
    fired: list[str] = field(default_factory=list)

    def fork(self) -> Record:
        """The record of a fold that goes on from here, with nothing found yet."""
        return Record(self.portal, self.first_event_us, self.most_keys, self.people.fork())


class State(ABC):
    """One rule's state in one fold. Times are microseconds since 1970, UTC.

    `source` is the rule whose firing is the match in hand, None where it is a match of the rule's own condition.
    """

    __slots__ = ("record", "rule", "source")

    def __init__(self, rule: Rule, record: Record) -> None:
        self.rule = rule
        self.record = record
        self.source: Source | None = None

    @abstractmethod
    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match; matches come in the order of events."""

    def teach(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match that is exempt: it does not fire; patterns that learn learn from it."""
        return

    @abstractmethod
    def fork(self, record: Record) -> State:
        """The same state for another fold; stepping it leaves this one as it is."""

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys, always in the same order."""
        return ()

    @property
    def dropped(self) -> int:
        """How many keys were let go before their time because made-up ones filled the memory."""
        return sum(table.dropped for table in self.tables)

    def by_key(self, horizon_us: int, make: Callable[[], Cell], copied: Callable[[Cell], Cell] | None) -> Table[Cell]:
        """A table of the rule's keys."""
        keep = Keep(self.record.people, self.rule.by)
        return Table(horizon_us, make, copied, most_keys=self.record.most_keys, keep=keep)

    def by_place(self, horizon_us: int, make: Callable[[], Cell], copied: Callable[[Cell], Cell] | None) -> Table[Cell]:
        """A table of tuples of which the rule's key is the first part."""
        keep = Keep(self.record.people, self.rule.by, inside=True)
        return Table(horizon_us, make, copied, most_keys=self.record.most_keys, keep=keep)

    def fire(self, event: Event, at_us: int, events: Sequence[EventRef], first_us: int) -> Finding | None:
        """Record a firing at `event`; None where the rule's `only` does not want this event."""
        rule = self.rule
        if rule.only is not None and not rule.only.test(event):
            return None
        fields, key = spelled(event, rule.by, rule.by if self.source is None else self.source.by)
        found = Finding(
            id=finding_id(self.record.portal, rule.name, rule.version, key, event.ref),
            rule=rule.name,
            version=rule.version,
            portal=self.record.portal,
            fields=fields,
            key=key,
            firing=event.ref,
            events=tuple(dict.fromkeys(events)),
            first_us=first_us,
            at_us=at_us,
            last_us=at_us,
            count=len(events),
        )
        if not rule.heard_only:
            self.record.touched[found.id] = found
        self.record.fired.append(rule.name)
        return found

    def extend(self, found: Finding, at_us: int) -> Finding:
        """Record one more match of a finding that is still true."""
        longer = msgspec.structs.replace(found, last_us=at_us, count=found.count + 1)
        if not self.rule.heard_only:
            self.record.touched[found.id] = longer
        return longer


class SwitchedState(State):
    """The state of a pattern with a condition that turns true and false for a key."""

    __slots__ = ("switch", "table")

    table: Table[Any]
    switch: Switch

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.table, self.switch.open)

    @property
    def dropped(self) -> int:
        """How many keys were let go before their time; the findings that went with them do not count."""
        return self.table.dropped


def _nothing() -> Finding:
    raise KeyError("an open finding is written before it is read")


class Switch:
    """Fires when a condition turns true for a key, extends while it is true, fires again after it was false.

    `on` is the cell's own flag: 0 false, 1 true and told, 2 true but unwanted by the rule's `only`.
    """

    __slots__ = ("open", "state")

    def __init__(self, state: State, table: Table[Finding]) -> None:
        self.state = state
        self.open = table

    @classmethod
    def of(cls, state: State, horizon_us: int) -> Switch:
        """The switch of a new state. Findings are frozen, so a fork shares them."""
        return cls(state, state.by_key(horizon_us, _nothing, None))

    def turned_on(self, event: Event, at_us: int, key: CellKey, events: Sequence[EventRef], first_us: int) -> int:
        """The condition has turned true at this match; the flag that the cell must keep."""
        found = self.state.fire(event, at_us, events, first_us)
        if found is None:
            return 2
        self._put(at_us, key, found)
        return 1

    def still_on(self, at_us: int, key: CellKey) -> None:
        """The condition is true at a further match of a finding that was told."""
        found = self.open.peek(key)
        if found is not None:
            self._put(at_us, key, self.state.extend(found, at_us))

    def fork(self, state: State) -> Switch:
        """The same for another fold's state."""
        return Switch(state, self.open.fork(state.record.people))

    def _put(self, at_us: int, key: CellKey, found: Finding) -> None:
        table = self.open
        if at_us >= table.turn_us:
            table.turn(at_us)
        table.cells[key] = found
