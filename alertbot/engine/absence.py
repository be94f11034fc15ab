"""`absence`: nothing matched for `within`.

Fires at the last match plus `within`, once for each silence; with `hours` only these count. A silence that a gap cuts (time
that was not read) starts anew at the gap's end. It is due before the event of its feed that follows it is folded, so live,
with a clock, and in a backtest, without one, the same silences fire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta, tzinfo

from alertbot.engine.hours import end_minute, starts, wall_clock
from alertbot.engine.keep import Keep
from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.event import Event, Feed
from alertbot.moments import span_us
from alertbot.rules.model import Absence, Calendar, Rule

_FOREVER = 1 << 62
_MINUTE_US = 60_000_000
_DAY_US = 1440 * _MINUTE_US
_LONGEST_US = 3660 * _DAY_US
_DAY_0 = date(1970, 1, 1)

Span = tuple[int, int]
"""Some time: start and end in microseconds."""
Gaps = Mapping[Feed, Sequence[Span]]
"""Of each feed the times that were not read."""


class AbsenceState(State):
    """The last match of every key that still waits, the oldest first.

    Nothing is due before `next_due_us`, and perhaps not then: what is due when is worked out only as it comes near, for matches
    are many and hours costly. `fired_us` is the latest silence that a clock made fire.
    """

    __slots__ = ("_dropped", "_most", "calendar", "fired_us", "gaps", "next_due_us", "waiting", "within_us", "zone")

    def __init__(self, rule: Rule, record: Record, pattern: Absence, zone: tzinfo, gaps: Gaps) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.calendar = pattern.hours
        self.zone = (pattern.hours.zone if pattern.hours else None) or zone
        self.gaps = _together(gaps, rule.feeds)
        self.waiting: dict[CellKey, Event] = {}
        self.next_due_us = _FOREVER
        self.fired_us = -_FOREVER
        self._dropped = 0
        self._most = record.most_keys

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match: the silence of its key begins anew."""
        waiting = self.waiting
        waiting.pop(key, None)
        waiting[key] = event
        if at_us + self.within_us < self.next_due_us:
            self.next_due_us = at_us + self.within_us
        if len(waiting) > self._most:
            self._drop_oldest()

    def advance(self, now_us: int) -> None:
        """Fire what is due up to a moment, inclusive."""
        while self.waiting:
            key, event = next(iter(self.waiting.items()))
            due_us = self.due_us(event.at_us)
            if due_us > now_us:
                self.next_due_us = due_us
                return
            del self.waiting[key]
            self.fired_us = max(self.fired_us, due_us)
            self.fire(event, due_us, (event.ref,), event.at_us)
        self.next_due_us = _FOREVER

    def know_gaps(self, gaps: Gaps) -> None:
        """Take it that these times were not read, and no others."""
        self.gaps = _together(gaps, self.rule.feeds)
        self.next_due_us = min((event.at_us + self.within_us for event in self.waiting.values()), default=_FOREVER)

    @property
    def dropped(self) -> int:
        """How many keys were let go before their time."""
        return self._dropped

    def fork(self, record: Record) -> AbsenceState:
        """The same state for another fold."""
        fork = object.__new__(AbsenceState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.calendar, fork.zone, fork.gaps = self.within_us, self.calendar, self.zone, self.gaps
        fork.waiting, fork.next_due_us = dict(self.waiting), self.next_due_us
        fork.fired_us, fork._dropped, fork._most = self.fired_us, self._dropped, self._most
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
        return working_time_after(start_us, self.within_us, self.calendar, self.zone)

    def _drop_oldest(self) -> None:
        """Let go of half of the keys that are not people's, those silent for longest."""
        keep = Keep(self.record.people, self.rule.by)
        kept = keep.choose({key: (event, False) for key, event in self.waiting.items()})
        made_up = [key for key in self.waiting if key not in kept]
        for key in made_up[: (len(made_up) + 1) // 2]:
            del self.waiting[key]
            self._dropped += 1
        self._most = len(kept) + self.record.most_keys


def _together(gaps: Gaps, feeds: Iterable[Feed]) -> tuple[Span, ...]:
    """What was not read of any of the feeds, in order, overlaps joined."""
    joined: list[Span] = []
    for start_us, end_us in sorted(gap for feed in feeds for gap in gaps.get(feed, ())):
        if joined and start_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_us))
        else:
            joined.append((start_us, end_us))
    return tuple(joined)


def working_time_after(start_us: int, within_us: int, calendar: Calendar, zone: tzinfo) -> int:
    """The moment at which so much of a calendar's hours has passed since `start_us`; for ever where it has too few."""
    left_us = within_us
    try:
        for opens_us, closes_us in _open_after(start_us, calendar, zone):
            if closes_us - opens_us >= left_us:
                return opens_us + left_us
            left_us -= closes_us - opens_us
    except OverflowError:
        return _FOREVER  # after the last day of the year 9999
    return _FOREVER


def _open_after(start_us: int, calendar: Calendar, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """The hours from a moment on, in order. By the clock on the wall: an hour that summer time repeats counts both times."""
    at_us, end_us = start_us, start_us + _LONGEST_US
    while at_us < end_us:
        until_us, offset_us = _same_offset(at_us, at_us + _DAY_US, zone)
        for opens_us, closes_us in _open_by_the_wall(calendar, at_us + offset_us, until_us + offset_us):
            yield opens_us - offset_us, closes_us - offset_us
        at_us = until_us


def _same_offset(start_us: int, end_us: int, zone: tzinfo) -> tuple[int, int]:
    """How far from its start on a time keeps its distance from UTC, and what that is."""
    offset_us = _offset_us(start_us, zone)
    if _offset_us(end_us, zone) != offset_us:
        low_us = start_us
        while end_us - low_us > 1:
            middle_us = (low_us + end_us) // 2
            if _offset_us(middle_us, zone) == offset_us:
                low_us = middle_us
            else:
                end_us = middle_us
    return end_us, offset_us


def _offset_us(at_us: int, zone: tzinfo) -> int:
    return span_us(wall_clock(at_us, zone).utcoffset() or timedelta())


def _open_by_the_wall(calendar: Calendar, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """The hours between two wall-clock times, in microseconds since the midnight of 1970, overlaps joined."""
    spans = []
    for number in range(start_us // _DAY_US - 1, end_us // _DAY_US + 1):
        day = _DAY_0 + timedelta(days=number)
        for window in calendar.hours:
            opens_us = max(start_us, number * _DAY_US + window.start_minute * _MINUTE_US)
            closes_us = min(end_us, number * _DAY_US + end_minute(window) * _MINUTE_US)
            if opens_us < closes_us and starts(calendar, window, day):
                spans.append((opens_us, closes_us))
    joined: list[tuple[int, int]] = []
    for opens_us, closes_us in sorted(spans):
        if joined and opens_us <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes_us, joined[-1][1]))
        else:
            joined.append((opens_us, closes_us))
    return joined
