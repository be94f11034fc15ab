"""What in the rules comes to an end: said a week ahead, and once it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from alertbot.errors import Mistake
from alertbot.rules.model import Expiry

AHEAD = timedelta(days=7)


def expiring(expiries: Iterable[Expiry], today: date) -> Iterator[Mistake]:
    """Warnings of what stops to apply within a week of today, or has stopped."""
    for one in sorted(expiries):
        if one.until < today:
            yield _warning(one, f"{one.what} has not applied since the end of {one.until}; take it out, or give it a new end")
        elif one.until - today <= AHEAD:
            yield _warning(one, f"{one.what} stops to apply at the end of {one.until}")


def _warning(one: Expiry, message: str) -> Mistake:
    return Mistake(one.path, one.line, one.col, message, warning=True)
