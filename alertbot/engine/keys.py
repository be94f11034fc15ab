"""From an event to the key of a rule: the values of its `by` fields.

Keys are compared ignoring case, as matching does; a finding shows them as its firing event spells them. Absent and empty
values are no key, nor is what the portal leaves of an IPv6 address.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import iso

MOST_REMEMBERED = 50_000
"""So many spellings of keys are remembered at once."""

CellKey = str | tuple[str, ...]
Keyer = Callable[[Event], CellKey | None]

_TEXT_FIELDS = frozenset(
    field for field, attribute in ATTRIBUTES.items() if Event.__annotations__[attribute] in ("str", "str | None", "Feed")
)


def text_of(event: Event, field: str) -> str | None:
    """A field's value as text, None where it is absent or empty. Several values are one text, in order, with commas."""
    value: Any = getattr(event, ATTRIBUTES[field])
    if value is None or value in ("", ()) or (field == "ip" and event.ip_partial):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if field == "date":
        return iso(value)
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def spelled(event: Event, names: tuple[str, ...], fields: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the fields that the event has, and their values as it spells them."""
    pairs = [(name, value) for name, field in zip(names, fields, strict=True) if (value := text_of(event, field)) is not None]
    return tuple(name for name, _ in pairs), tuple(value for _, value in pairs)


def cell_key(values: tuple[str, ...]) -> CellKey:
    """The key that a rule's tables know a finding's key by."""
    key = tuple(value.lower() for value in values)
    return key[0] if len(key) == 1 else key


def keyer(fields: tuple[str, ...]) -> Keyer:
    """The function that takes an event to its key, or to None where a field is absent."""
    if len(fields) == 1:
        return _one(fields[0])
    if _TEXT_FIELDS.issuperset(fields) and "ip" not in fields:
        return _texts(fields)
    parts = tuple(_one(field) for field in fields)

    def several(event: Event) -> CellKey | None:
        key = tuple([part(event) for part in parts])
        return None if None in key else key  # type: ignore[return-value]  # None was just ruled out

    return several


class _Spellings(dict[str, str]):
    """Text as fields hold it → the key that it is, the same object for all tables as long as it is remembered.

    Every event brings its text anew: so its letter case is looked at once, and tables find the key that they know by its place
    in memory, without a look at what it says.
    """

    def __missing__(self, text: str) -> str:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        key = text.lower()
        key = self[text] = text if key == text else self.setdefault(key, key)
        return key


_spellings = _Spellings()


def _one(field: str) -> Callable[[Event], str | None]:
    if field == "ip":

        def address(event: Event) -> str | None:
            # Of an IPv6 address the portal keeps the first group: no address, so no key.
            return _spellings[event.ip] if event.ip and not event.ip_partial else None

        return address
    if field not in _TEXT_FIELDS:

        def other(event: Event) -> str | None:
            value = text_of(event, field)
            return None if value is None else _spellings[value]

        return other
    get = attrgetter(ATTRIBUTES[field])

    def text(event: Event) -> str | None:
        value = get(event)
        return _spellings[value] if value else None

    return text


def _texts(fields: tuple[str, ...]) -> Keyer:
    """The key of several text fields, remembered like that of one."""
    get = attrgetter(*(ATTRIBUTES[field] for field in fields))
    known: dict[tuple[str | None, ...], CellKey | None] = {}

    def texts(event: Event) -> CellKey | None:
        values = get(event)
        try:
            return known[values]
        except KeyError:
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            key = known[values] = tuple([_spellings[value] for value in values]) if all(values) else None
            return key

    return texts
