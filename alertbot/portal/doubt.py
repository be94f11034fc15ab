"""Dates that may be an hour off, marked where a page is read. Pure.

In the hour that repeats when summer time ends, the portal's conversion can take the first pass for the second: an event then
seems to come from the future, or an hour late. It keeps its date, for nobody knows better, and says that it is doubtful.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

import msgspec

from alertbot.event import Event
from alertbot.moments import from_us, span_us, to_us
from alertbot.rows import Page

_HOUR_US = span_us(timedelta(hours=1))
_AHEAD_US = span_us(timedelta(minutes=30))
"""Clocks of the portal's servers differ by less."""


def doubted(page: Page, now: datetime, zone: tzinfo) -> Page:
    """The page with its doubtful events marked. `now` is the portal's, when it gave the page; `zone` is the portal's own."""
    doubtful = {event.at_us for event in page.events if _is_doubtful(event.at_us, to_us(now), zone)}
    return replace(page, events=tuple(_marked(page.events, doubtful))) if doubtful else page


def _marked(events: Iterable[Event], doubtful: set[int]) -> Iterable[Event]:
    return (msgspec.structs.replace(event, hour_doubtful=True) if event.at_us in doubtful else event for event in events)


def _is_doubtful(at_us: int, now_us: int, zone: tzinfo) -> bool:
    """Dated after the portal's own now, or in an hour that its clocks show twice.

    >>> from zoneinfo import ZoneInfo
    >>> night = to_us(datetime.fromisoformat("2026-10-25T02:30:00+02:00"))
    >>> [_is_doubtful(night + hours * _HOUR_US, night + 9 * _HOUR_US, ZoneInfo("Europe/Berlin")) for hours in (-1, 0, 1, 2)]
    [False, True, True, False]
    """
    return at_us > now_us + _AHEAD_US or _offset(at_us - _HOUR_US, zone) > _offset(at_us + _HOUR_US, zone)


def _offset(at_us: int, zone: tzinfo) -> timedelta:
    return from_us(at_us, zone).utcoffset() or timedelta()
