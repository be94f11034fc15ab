"""Moments and spans: text to time and back.

Inside alertbot a moment on the hot way of an event is a whole number of microseconds since 1970 in UTC (`…_us`), because it
sorts, stores and folds cheaply; everywhere else it is a `datetime` with a zone. Spans are `timedelta`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from alertbot.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)\Z")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 in UTC of a `datetime` with zone."""
    return (moment - EPOCH) // MICROSECOND


def from_us(moment_us: int, zone: tzinfo = UTC) -> datetime:
    """The `datetime` of microseconds since 1970, in `zone`."""
    return (EPOCH + timedelta(microseconds=moment_us)).astimezone(zone)


def span_us(span: timedelta) -> int:
    """A span in microseconds."""
    return span // MICROSECOND


def end_of_day_us(day: date, zone: tzinfo) -> int:
    """The last microsecond of a day in a zone; the calendar's last day ends never."""
    if day == date.max:
        return 1 << 62
    return to_us(datetime.combine(day + timedelta(days=1), time(), zone)) - 1


def iso(moment_us: int) -> str:
    """`2026-01-15T10:04:00Z`; a fraction appears only where there is one."""
    return (EPOCH + timedelta(microseconds=moment_us)).isoformat().replace("+00:00", "Z")


def parse_duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h`, `30d` → span. Raises ValueError with a sentence for people."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError("must be a whole number and s, m, h or d, like 90s, 10m, 1h or 30d")
    return timedelta(**{_UNIT[match[2]]: int(match[1])})


def show_duration(span: timedelta) -> str:
    """The shortest exact form that `parse_duration` reads: 10m, 36h, 2d."""
    seconds = int(span.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def parse_moment(text: str, zone: tzinfo, *, end_of_day: bool = False) -> datetime:
    """What a person writes for a moment: `2026-01-15`, or a time of that day with or without its zone.

    A text without zone counts in `zone`; a date alone is its first moment, or its last one. Raises UsageError.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is no date: write 2026-01-15, or a time like 2026-01-15T10:30 or 2026-01-15T10:30:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if end_of_day and re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text.strip()):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return moment
