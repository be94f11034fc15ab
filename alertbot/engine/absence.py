"""`absence`: nothing matched for `within`.

Fires at the last match plus `within`, once for each silence; with `hours` only these count. A silence that a gap cuts (time
that was not read) starts anew at the gap's end. It is due before the event that follows it is folded, so live, with a clock,
and in a backtest, without one, the same silences fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo

from alertbot.engine.hours import day_off
from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.event import Event
from alertbot.moments import from_us, span_us, to_us
from alertbot.rules.model import Absence, Calendar, Rule

_FOREVER = 1 << 62
_LONGEST = timedelta(days=3660)

Gaps = Sequence[tuple[int, int]]
"""Time that was not read, in order: start and end in microseconds."""


class AbsenceState(State):
    """The last match of every key that still waits, the oldest first."""

    __slots__ = ("calendar", "gaps", "next_due_us", "waiting", "within_us", "zone")

    def __init__(self, rule: Rule, record: Record, pattern: Absence, zone: tzinfo, gaps: Gaps) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.calendar = pattern.hours
        self.zone = (pattern.hours.zone if pattern.hours else None) or zone
        self.gaps = gaps
        self.waiting: dict[CellKey, tuple[int, Event]] = {}
        self.next_due_us = _FOREVER

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match: the silence of its key begins anew."""
        self.waiting.pop(key, None)
        due_us = self.due_us(at_us)
        self.waiting[key] = (due_us, event)
        self.next_due_us = min(self.next_due_us, due_us)

    def advance(self, now_us: int) -> None:
        """Fire what is due up to a moment, inclusive."""
        while self.waiting:
            key, (due_us, event) = next(iter(self.waiting.items()))
            if due_us > now_us:
                self.next_due_us = due_us
                return
            del self.waiting[key]
            self.fire(event, due_us, (event.ref,), event.at_us)
        self.next_due_us = _FOREVER

    def fork(self, record: Record) -> AbsenceState:
        """The same state for another fold."""
        fork = object.__new__(AbsenceState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.calendar, fork.zone, fork.gaps = self.within_us, self.calendar, self.zone, self.gaps
        fork.waiting, fork.next_due_us = dict(self.waiting), self.next_due_us
        return fork

    def due_us(self, last_us: int) -> int:
        """When the silence after a match has lasted `within`."""
        due_us = self._after(last_us)
        for start_us, end_us in self.gaps:
            if end_us > last_us and start_us < due_us:
                due_us = self._after(end_us)
        return due_us

    def _after(self, start_us: int) -> int:
        if self.calendar is None:
            return start_us + self.within_us
        return working_time_after(start_us, timedelta(microseconds=self.within_us), self.calendar, self.zone)


def working_time_after(start_us: int, span: timedelta, calendar: Calendar, zone: tzinfo) -> int:
    """The moment at which `span` of a calendar's hours has passed since `start_us`; for ever where it has none."""
    start = from_us(start_us, zone)
    left = span
    day = start.date() - timedelta(days=1)
    end = day + _LONGEST
    while day < end:
        for opens, closes in _open(calendar, day, zone):
            begin = max(opens, start)
            if closes > begin:
                if closes - begin >= left:
                    return to_us(begin) + span_us(left)
                left -= closes - begin
        day += timedelta(days=1)
    return _FOREVER


def _open(calendar: Calendar, day: date, zone: tzinfo) -> list[tuple[datetime, datetime]]:
    """The hours that start on a day, in order, overlaps joined."""
    if day_off(calendar, day):
        return []
    spans: list[tuple[datetime, datetime]] = []
    for window in sorted(calendar.hours, key=lambda window: window.start_minute):
        if day.weekday() in window.days:
            minutes = window.end_minute + (1440 if window.end_minute <= window.start_minute else 0)
            opens, closes = _at(day, window.start_minute, zone), _at(day, minutes, zone)
            if spans and opens <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(closes, spans[-1][1]))
            else:
                spans.append((opens, closes))
    return spans


def _at(day: date, minute: int, zone: tzinfo) -> datetime:
    """A wall-clock minute of a day as an exact moment: compared and subtracted in UTC, or summer time would be lost."""
    wall = datetime.combine(day + timedelta(days=minute // 1440), time(minute % 1440 // 60, minute % 60), zone)
    return from_us(to_us(wall))
