"""Calendars that rules share: `calendars.yml`, working hours with holidays under a name.

In comes the file; out go `Calendar`s, and what is wrong. Public holidays come from the `holidays` package, which is slow to
import: only a calendar that a rule uses is asked for them (`unknown_holidays`).
"""

from __future__ import annotations

from alertbot.documents import Document, validate
from alertbot.errors import Mistake
from alertbot.rules.document import CalendarDocument
from alertbot.rules.model import Calendar


def read_calendars(document: Document) -> tuple[dict[str, Calendar], list[Mistake]]:
    """The calendars of a file by name, and what is wrong with it."""
    if not isinstance(document.value, dict):
        return {}, [document.mistake((), "must be calendars by name, like `berlin: {hours: Mon-Fri 07:00-20:00}`")]
    calendars: dict[str, Calendar] = {}
    mistakes: list[Mistake] = []
    for name in document.value:
        parsed = validate(CalendarDocument, document, (name,))
        if isinstance(parsed, list):
            mistakes += parsed
            calendars[name] = Calendar(name, None, ())  # it is there: who names it makes no second mistake
        else:
            calendars[name] = parsed.calendar(name)
    return calendars, mistakes


def unknown_holidays(calendar: Calendar) -> str | None:
    """The sentence about a calendar's country or region if nobody knows its holidays, else None."""
    if calendar.holidays is None:
        return None
    import holidays

    country, _, region = calendar.holidays.partition("/")
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError:
        return f"nobody knows the holidays of {country!r}; say a country's code, like DE or DE/BE"
    if region and region not in known.subdivisions and region not in known.subdivisions_aliases:
        regions = ", ".join(known.subdivisions[:60])
        return f"{country} has no region {region!r}" + (f"; there are {regions}" if regions else "")
    return None
