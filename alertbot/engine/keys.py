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


def keyer(fields: tuple[str, ...]) -> Keyer:
    """The function that takes an event to its key, or to None where a field is absent."""
    if len(fields) == 1:
        return _one(fields[0])
    parts = tuple(_one(field) for field in fields)

    def several(event: Event) -> CellKey | None:
        key = tuple([part(event) for part in parts])
        return None if None in key else key  # type: ignore[return-value]  # None was just ruled out

    return several


def _one(field: str) -> Callable[[Event], str | None]:
    if field == "ip":

        def address(event: Event) -> str | None:
            # Of an IPv6 address the portal keeps the first group: no address, so no key.
            return event.ip.lower() if event.ip and not event.ip_partial else None

        return address
    if field not in _TEXT_FIELDS:

        def other(event: Event) -> str | None:
            value = text_of(event, field)
            return None if value is None else value.lower()

        return other
    get = attrgetter(ATTRIBUTES[field])

    def text(event: Event) -> str | None:
        value = get(event)
        return value.lower() if value else None

    return text
