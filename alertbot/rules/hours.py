"""Hours of a week as people write them: `Mon-Thu,Sat 22:00-06:00` → `Window`."""

from __future__ import annotations

import re

from alertbot.rules.fields import closest
from alertbot.rules.model import Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PATTERN = r"^([A-Za-z]{3}(-[A-Za-z]{3})?(,[A-Za-z]{3}(-[A-Za-z]{3})?)* )?[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$"
_FORM = re.compile(r"(?:(?P<days>.*\S)\s+)?(?P<start>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<end>[0-9]{1,2}:[0-9]{2})\Z")
_DAYS_ALONE = re.compile(r"[A-Za-z]{3}(\s*-\s*[A-Za-z]{3})?\Z")
_TIME = re.compile(r"[0-9]:[0-9]")


def parse_window(text: str) -> Window:
    """A window of the week. Raises ValueError with a sentence for people.

    Days are ranges and comma lists, left out every day; a range may run over Sunday. `24:00` ends a day, and an end at or
    before the start lies on the next day.
    """
    form = _FORM.match(text.strip())
    if form is None:
        cut = "; a window with a comma needs quotes inside brackets and braces" if _DAYS_ALONE.match(text) else ""
        raise ValueError(f"must be days and hours, like Mon-Fri 07:00-20:00, Sat,Sun 00:00-24:00 or 22:00-06:00{cut}")
    if _TIME.search(form["days"] or ""):
        raise ValueError("holds several windows; write them as a list, like [Mon-Fri 07:00-20:00, Sat 08:00-12:00]")
    start, end = _minute(form["start"]), _minute(form["end"])
    if start == 1440:
        raise ValueError("must not start at 24:00; say 00:00 and the next day")
    if start == end:
        raise ValueError("starts and ends at the same minute; a whole day is 00:00-24:00")
    return Window(_days(form["days"]) if form["days"] else frozenset(range(7)), start, end)


def _minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > 1440:
        raise ValueError(f"{text} is no time of day; a day goes from 00:00 to 24:00")
    return hour * 60 + minute


def _days(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = (name.strip() for name in part.partition("-"))
        start = _day(first)
        end = _day(last) if dash else start
        days.update((start + offset) % 7 for offset in range((end - start) % 7 + 1))
    return frozenset(days)


def _day(name: str) -> int:
    if name.capitalize() in DAYS:
        return DAYS.index(name.capitalize())
    meant = closest(name[:3], DAYS)
    raise ValueError(f"unknown day {name!r}; " + (f"did you mean {meant}?" if meant else f"days are {', '.join(DAYS)}"))
