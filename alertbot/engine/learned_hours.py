"""`hours` with `learn`: a match at an hour of the day that is unusual for its key.

An hour is usual if on `USUAL_DAYS` of the last `learn` days, today among them, the key matched in it or in one beside it
before. Until the key has matched on `LEARNED_DAYS` of these days it is silent. Hours and days go by the wall clock of the zone.

A cell is an array of days and masks of 24 bits, one pair a day with a match: at most 16 bytes for each of the last days.
"""

from __future__ import annotations

from array import array
from datetime import timedelta, tzinfo
from typing import Any

from alertbot.engine.hours import wall_clock
from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event
from alertbot.moments import span_us
from alertbot.rules.model import LEARNED_DAYS, LearnedHours, Rule

USUAL_DAYS = 3


def _new() -> array[int]:
    return array("q")


def _copy(cell: array[int]) -> array[int]:
    return cell[:]


def around(hour: int) -> int:
    """The bits of an hour and of those beside it, over midnight."""
    return 1 << hour | 1 << (hour + 1) % 24 | 1 << (hour - 1) % 24


def kept_for(learn: timedelta) -> timedelta:
    """How long a match is remembered: the days that count, and what summer time and an unfinished day may add."""
    return timedelta(days=max(1, learn.days) + 2)


class LearnedHoursState(State):
    """On which days each key matched in which hours."""

    __slots__ = ("days", "table", "zone")

    def __init__(self, rule: Rule, record: Record, pattern: LearnedHours, zone: tzinfo) -> None:
        super().__init__(rule, record)
        self.days = max(1, pattern.learn.days)
        self.zone = pattern.zone or zone
        self.table: Table[array[int]] = self.by_key(span_us(kept_for(pattern.learn)), _new, _copy)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match."""
        if self._is_unusual(at_us, key):
            self.fire(event, at_us, (event.ref,), at_us)

    def teach(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match that is exempt: it teaches and does not fire."""
        self._is_unusual(at_us, key)

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.table,)

    def fork(self, record: Record) -> LearnedHoursState:
        """The same state for another fold."""
        fork = object.__new__(LearnedHoursState)
        State.__init__(fork, self.rule, record)
        fork.days, fork.zone, fork.table = self.days, self.zone, self.table.fork(record.people)
        return fork

    def _is_unusual(self, at_us: int, key: CellKey) -> bool:
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        wall = wall_clock(at_us, self.zone)
        today = wall.toordinal()
        cell = table.cells[key]
        # A day longer than it counts: where summer time ends at midnight, the wall clock goes back to the day before.
        while cell and cell[0] < today - self.days:
            del cell[:2]
        near = around(wall.hour)
        days = usual = 0
        for i in range(len(cell) - 2, -1, -2):
            if cell[i] <= today - self.days:
                break
            days += 1
            if cell[i + 1] & near:
                usual += 1
                if usual == USUAL_DAYS:
                    break
        self._remember(cell, today, 1 << wall.hour)
        return usual < USUAL_DAYS and days >= LEARNED_DAYS

    def _remember(self, cell: array[int], day: int, bit: int) -> None:
        for place in range(len(cell) - 2, -1, -2):
            if cell[place] == day:
                cell[place + 1] |= bit
                return
            if cell[place] < day:
                cell[place + 2 : place + 2] = array("q", (day, bit))
                return
        cell[0:0] = array("q", (day, bit))
