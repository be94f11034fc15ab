"""Where to ask from, and what needs no asking any more. Pure arithmetic on ranges and dates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo

from alertbot.moments import from_us, span_us
from alertbot.portal.ranges import Range, without
from alertbot.portal.walk import SECOND_US
from alertbot.rows import Page

LAST = 20
"""So many rows `/last` gives, and `/filter` in its place on a plan without the audit service."""

_HOUR_US = 3_600 * SECOND_US
_TOO_LATE_US = 2 * _HOUR_US


def trusted(coverage: Sequence[Range], newest_us: int | None, lateness_us: int) -> tuple[Range, ...]:
    """Where what is covered is known to be stored without looking at ids: too old for rows that come late."""
    edge_us = lateness_us + _TOO_LATE_US
    ends = [part.end_us - edge_us for part in coverage]
    if ends and newest_us is not None:
        ends[-1] = min(ends[-1], newest_us - edge_us)
    return tuple(Range(part.start_us, end) for part, end in zip(coverage, ends, strict=True) if end > part.start_us)


def doubtful(coverage: Sequence[Range], newest_us: int | None, lateness_us: int) -> tuple[Range, ...]:
    """Where a reader must know the ids of what is stored: in all that is not trusted, the holes included. A crowd of which rows
    may be missing is one, and an outage's hold next to nothing.
    """
    left = tuple(Range(part.start_us, sys.maxsize) for part in coverage[:1])
    for part in trusted(coverage, newest_us, lateness_us):
        left = without(left, part)
    return left


def repeated_hour_us(at_us: int, zone: tzinfo) -> int:
    """An hour in the night when summer time ends, for then the portal may date events an hour off; else nothing."""
    before, after = (from_us(at_us + sign * 3 * _HOUR_US, zone).utcoffset() or timedelta() for sign in (-1, 1))
    return max(0, span_us(before - after))


def interval(span: int, rows: int, poll: timedelta) -> timedelta:
    """How soon to ask `/last` again so that, at the rate of the rows just seen, a quarter of them is new.

    >>> interval(19_000_000, 20, timedelta(seconds=10))
    datetime.timedelta(seconds=4, microseconds=750000)
    """
    quarter = timedelta(microseconds=span * (LAST // 4) // max(rows, 1))
    return max(timedelta(seconds=1), min(poll, quarter))


def not_before(floor_us: int, page: Page) -> Page:
    """The page without the events before a moment: the first page of a first start is asked for without one."""
    return replace(page, events=tuple(event for event in page.events if event.at_us >= floor_us))
