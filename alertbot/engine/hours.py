"""`hours` with fixed windows: a match that lies in none of them.

A window belongs to the day that it starts on and goes by the wall clock of its zone, in repeated and skipped hours too: what
the clock on the wall shows decides, so an hour that summer time repeats is in or out both times.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from functools import cache

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.event import Event
from alertbot.moments import from_us
from alertbot.rules.model import Calendar, Hours, Rule, Window

_DAY = timedelta(days=1)
_MINUTE_US = 60_000_000
_MOST_MINUTES = 50_000


def wall_clock(at_us: int, zone: tzinfo) -> datetime:
    """What the clock on the wall shows in a zone; in UTC where that would be before the year 1 or after 9999."""
    try:
        return from_us(at_us, zone)
    except OverflowError:
        return from_us(at_us)


def covers(calendar: Calendar, wall: datetime) -> bool:
    """Whether a wall-clock time lies in a calendar's hours."""
    minute = wall.hour * 60 + wall.minute
    today = wall.date()
    yesterday = today - _DAY if today > date.min else today
    return any(
        (starts(calendar, window, today) and window.start_minute <= minute < end_minute(window))
        or (minute + 1440 < end_minute(window) and starts(calendar, window, yesterday))
        for window in calendar.hours
    )


def day_off(calendar: Calendar, day: date) -> bool:
    """Whether a day has no hours: it is closed, or a holiday that is not worked on."""
    if day in calendar.closed:
        return True
    return calendar.holidays is not None and day not in calendar.not_holidays and day in _holidays(calendar.holidays, day.year)


@cache
def _holidays(code: str, year: int) -> frozenset[date]:
    """The public holidays of a country (`DE`) or region (`DE/BE`) in a year."""
    import holidays

    country, _, region = code.partition("/")
    return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))


def starts(calendar: Calendar, window: Window, day: date) -> bool:
    """Whether a window starts on a day."""
    return day.weekday() in window.days and not day_off(calendar, day)


def end_minute(window: Window) -> int:
    """The minute before which a window ends, counted from the midnight before it starts."""
    over_midnight = window.end_minute <= window.start_minute
    return window.end_minute + 1440 if over_midnight else window.end_minute


class HoursState(State):
    """Remembers which minutes it has looked at, no more."""

    __slots__ = ("_inside", "calendar", "zone")

    def __init__(self, rule: Rule, record: Record, pattern: Hours, zone: tzinfo) -> None:
        super().__init__(rule, record)
        self.calendar: Calendar = pattern.outside
        self.zone = pattern.outside.zone or zone
        self._inside: dict[int, bool] = {}

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fire outside the hours."""
        inside = self._inside.get(at_us // _MINUTE_US)
        if inside is None:
            inside = self._look(at_us)
        if not inside:
            self.fire(event, at_us, (event.ref,), at_us)

    def fork(self, record: Record) -> HoursState:
        """The same state for another fold."""
        fork = object.__new__(HoursState)
        State.__init__(fork, self.rule, record)
        fork.calendar, fork.zone, fork._inside = self.calendar, self.zone, self._inside
        return fork

    def _look(self, at_us: int) -> bool:
        wall = wall_clock(at_us, self.zone)
        inside = covers(self.calendar, wall)
        offset = wall.utcoffset()
        if offset is not None and not offset.seconds % 60:  # long ago zones were off by seconds: no minute of UTC is one there
            if len(self._inside) >= _MOST_MINUTES:
                self._inside.clear()
            self._inside[at_us // _MINUTE_US] = inside
        return inside
