"""Lists that rules share: `lists/NAME.yml`, whose values `expand` puts in place of `%NAME%`.

In comes such a file; out go its values, each with the day to which it counts, and what in it comes to an end. An entry is a
value, or `{value, why, until}`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alertbot.documents import Document
    from alertbot.errors import Mistake
    from alertbot.rules.model import Expiry

_NAME = re.compile(r"[\w.-]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class Listed:
    """A value of a list, and the last day on which it is in it (None: it stays)."""

    value: str
    until: date | None = None


def read_list(document: Document, name: str) -> tuple[list[Listed], list[Expiry], list[Mistake]]:
    """The values of a list, what of it comes to an end, and what is wrong with it."""
    given = document.value
    if not is_list_name(name):
        return [], [], [document.mistake((), "a list's file may be named with letters, digits and . _ - only")]
    if not isinstance(given, list):
        return [], [], [document.mistake((), "must be a list of values (`- value` lines)")]
    listed: list[Listed] = []
    expiries: list[Expiry] = []
    mistakes: list[Mistake] = []
    for number, one in enumerate(given):
        entry = _entry(document, number, one)
        if isinstance(entry, Listed):
            listed.append(entry)
            if entry.until is not None:
                expiries.append(_expiry(document, number, entry.value, entry.until, name))
        else:
            mistakes += entry
    return listed, expiries, mistakes


def is_list_name(name: str) -> bool:
    """Whether a list can have this name."""
    return _NAME.match(name) is not None


def _entry(document: Document, number: int, given: Any) -> Listed | Sequence[Mistake]:
    from alertbot.documents import validate
    from alertbot.rules.document import ListedDocument
    from alertbot.rules.fields import show

    if isinstance(given, dict):
        parsed = validate(ListedDocument, document, (number,))
        return parsed if isinstance(parsed, list) else Listed(show(parsed.value), parsed.until)
    if given is None or isinstance(given, list):
        return [document.mistake((number,), "must be a value, or `{value: …, why: …, until: 2026-02-01}`")]
    return Listed(show(given))


def _expiry(document: Document, number: int, value: str, until: date, name: str) -> Expiry:
    from alertbot.rules.model import Expiry

    return Expiry(until, document.name, *document.place((number, "until")), f"{value!r} in the list {name!r}")
