"""`hours` with fixed windows: a match that lies in none of them.

A window belongs to the day that it starts on and goes by the wall clock of its zone, in repeated and skipped hours too: what
the clock on the wall shows decides, so an hour that summer time repeats is in or out both times.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.event import Event
from alertbot.moments import from_us
from alertbot.rules.model import Calendar, Hours, Rule, Window

_DAY = timedelta(days=1)


def covers(windows: Sequence[Window], wall: datetime, no_hours: frozenset[date] = frozenset()) -> bool:
    """Whether a wall-clock time lies in one of the windows; `no_hours` are days on which none starts."""
    minute = wall.hour * 60 + wall.minute
    today = wall.date()
    return any(
        (_starts(window, today, no_hours) and window.start_minute <= minute < _end(window))
        or (_starts(window, today - _DAY, no_hours) and minute + 1440 < _end(window))
        for window in windows
    )


def _starts(window: Window, day: date, no_hours: frozenset[date]) -> bool:
    return day.weekday() in window.days and day not in no_hours


def _end(window: Window) -> int:
    over_midnight = window.end_minute <= window.start_minute
    return window.end_minute + 1440 if over_midnight else window.end_minute


class HoursState(State):
    """Remembers nothing."""

    __slots__ = ("calendar", "zone")

    def __init__(self, rule: Rule, record: Record, pattern: Hours, zone: tzinfo) -> None:
        super().__init__(rule, record)
        self.calendar: Calendar = pattern.outside
        self.zone = pattern.outside.zone or zone

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fire outside the hours."""
        if not covers(self.calendar.hours, from_us(at_us, self.zone), self.calendar.closed):
            self.fire(event, at_us, (event.ref,), at_us)

    def fork(self, record: Record) -> HoursState:
        """The same state for another fold."""
        fork = object.__new__(HoursState)
        State.__init__(fork, self.rule, record)
        fork.calendar, fork.zone = self.calendar, self.zone
        return fork
