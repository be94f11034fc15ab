"""The fields of an event as rules see them: names, what kind of value each holds, and that value as text.

Sigma compares values as text, so every field has a text: numbers in decimal, `true` and `false`, a date as
`2026-01-15T10:04:00Z`, a place as `52.52,13.405`. `groups` has one text for each group, an absent field has none.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Any, Literal

from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import iso

Kind = Literal["text", "number", "bool", "date", "place", "several"]

KINDS: dict[str, Kind] = {
    "date": "date",
    "id": "number",
    "actionId": "number",
    "known": "bool",
    "tfa": "bool",
    "ipPartial": "bool",
    "hourDoubtful": "bool",
    "geo": "place",
    "groups": "several",
}
"""The kinds of the fields that hold no plain text."""

FEW_VALUES = frozenset(
    {"feed", "portal", "event", "actionId", "outcome", "method", "reason", "known", "role", "status", "tfa"}
    | {"ipPartial", "hourDoubtful", "countryCode"}
)
"""Fields that hold one of few values, whatever an outsider types: answers about them can be remembered."""


def kind_of(field: str) -> Kind:
    """What kind of value a field holds."""
    return KINDS.get(field, "text")


def getter(field: str) -> Callable[[Event], Any]:
    """The function that takes an event to a field's raw value."""
    get: Callable[[Event], Any] = attrgetter(ATTRIBUTES[field])
    return get


def unknown_field(name: str) -> str | None:
    """The sentence about a name that no field of an event has, None where it is one."""
    if name in ATTRIBUTES:
        return None
    meant = closest(name, ATTRIBUTES)
    if meant:
        return f"events have no field {name!r}; did you mean {meant!r}?"
    return f"events have no field {name!r}; there are {', '.join(sorted(ATTRIBUTES, key=str.lower))}"


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word that was probably meant, None where nothing is near."""
    lower = {one.lower().replace("_", ""): one for one in known}
    near = difflib.get_close_matches(word.lower().replace("_", ""), lower, n=1, cutoff=0.6)
    return lower[near[0]] if near else None


def fold(text: str) -> str:
    """The text in lower case, each character by itself: `lower` alone would make a capital sigma depend on its neighbours,
    so that the start of a word could differ from the start of the same word in capitals."""
    return text.lower() if "Σ" not in text else text.replace("Σ", "σ").lower()


def show(value: bool | float | tuple[float, float] | str) -> str:
    """A value as the text that it is compared as; dates are shown by `texts`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def texts(field: str) -> Callable[[Event], tuple[str, ...]]:
    """The function that takes an event to a field's texts: none where it is absent, several for `groups`."""
    get, kind = getter(field), kind_of(field)
    if kind == "several":
        return get
    if kind == "date":
        return lambda event: (iso(event.at_us),)

    def one(event: Event) -> tuple[str, ...]:
        value = get(event)
        return () if value is None else (show(value),)

    return one
