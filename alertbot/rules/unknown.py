"""Values that no event ever has: an outcome, a country or an action that does not exist, an address that is a network.

In come conditions; out go sentences, each with the field and the value, so that its place can be found in the rule file. A rule
that looks for such a value never fires; an exception for one excepts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_network
from itertools import islice
from typing import Any, NamedTuple

from alertbot.actions import ACTIONS, AUDIT_ACTIONS, Action
from alertbot.documents import Document
from alertbot.errors import Mistake
from alertbot.event import Feed
from alertbot.rules.condition import Condition, Is, Like, leaves
from alertbot.rules.fields import closest, show
from alertbot.rules.kinds import VALUES
from alertbot.rules.sigma import Way
from alertbot.rules.texts import text_test

MOST_TOLD = 20
"""So many values of one condition are told of, a list of thousands being wrong as a whole."""


class Unknown(NamedTuple):
    """A value of a field, and why no event has it."""

    sentence: str
    field: str
    value: str


def unknown_values(condition: Condition, feeds: Collection[Feed]) -> list[Unknown]:
    """What a condition looks for that no event of these feeds ever has, in order, at most `MOST_TOLD` of them."""
    found = (Unknown(sentence, field, value) for field, value, sentence in _unknown(condition, feeds) if sentence)
    return sorted(set(islice(found, MOST_TOLD)))


def warning_of(document: Document, area: Way, unknown: Unknown) -> Mistake:
    """The warning of a value, where it stands in a part of a document; at that part where it comes from a list."""
    place = document.place(_way_to(document, area, unknown.field, unknown.value))
    return Mistake(document.name, *place, unknown.sentence, warning=True)


def _way_to(document: Document, area: Way, field: str, value: str) -> Way:
    text = value.lower().strip("*")
    for way in document.places:
        if way[: len(area)] == area and _field_of(way) == field and _shown(document.value, way) == text:
            return way
    return area


def _field_of(way: Way) -> str:
    return next((part for part in reversed(way) if isinstance(part, str)), "").partition("|")[0]


def _shown(value: Any, way: Way) -> str | None:
    for part in way:
        value = value[part]
    return None if value is None or isinstance(value, (dict, list)) else show(value).lower().strip("*")


def _unknown(condition: Condition, feeds: Collection[Feed]) -> Iterator[tuple[str, str, str | None]]:
    for leaf in leaves(condition):
        if isinstance(leaf, Is):
            for value in sorted(leaf.values):
                yield leaf.field, value, unknown_value(leaf.field, value, feeds)
        elif isinstance(leaf, Like) and leaf.field is not None and not leaf.cased:
            yield leaf.field, leaf.pattern, _unknown_form(leaf, leaf.field, feeds)


def unknown_value(field: str, value: str, feeds: Collection[Feed]) -> str | None:
    """The sentence about a value that no event of these feeds has in a field, None where one may."""
    text = value.lower()
    if field in VALUES and text not in VALUES[field]:
        return _no_such(f"{field} is never {value!r}", closest(text, VALUES[field]))
    if field == "event" and text:
        names = {str(action.event).lower(): str(action.event) for action in _actions(feeds).values()}
        if text not in names:
            near = closest(text, names)
            return _no_such(f"no {_names(feeds)} event is called {value!r}", names[near] if near else None)
    if field == "actionId" and not (text.isdigit() and int(text[:20]) in _actions(feeds)):
        return f"no {_names(feeds)} action has the number {value!r}"
    if field in ("ip", "network") and "/" in text:
        return _no_address(field, text)
    return _no_country(field, value) if text else None


def _unknown_form(leaf: Like, field: str, feeds: Collection[Feed]) -> str | None:
    """Why no value of a field has the form of a pattern."""
    known = {str(action.event).lower() for action in _actions(feeds).values()} if field == "event" else VALUES.get(field)
    if known is None or any(map(text_test(leaf), known)):
        return None
    return (
        f"no {_names(feeds)} event is called like {leaf.pattern!r}"
        if field == "event"
        else (f"{field} is never like {leaf.pattern!r}: it is one of {', '.join(sorted(known))}")
    )


def _no_address(field: str, text: str) -> str | None:
    if field == "ip":
        return f"ip is one address and never {text!r}; a network is written `ip|cidr`"
    try:
        network = ip_network(text)
    except ValueError:
        network = None
    if network is None or (network.version, network.prefixlen) != (4, 24):
        return f"network is never {text!r}: it is the /24 of an address; other networks are written `ip|cidr`"
    return None


def _no_country(field: str, value: str) -> str | None:
    if field not in ("country", "countryCode"):
        return None
    from alertbot.places import country_code

    text = value.lower()
    if field == "country" and country_code(value) is None:
        code = country_code(text.upper())
        said = f"no country is called {value!r}"
        return f"{said}; a code is written `countryCode: {code}`" if code else _no_such(said, _country_like(text))
    if field == "countryCode" and (len(text) != 2 or country_code(text.upper()) != text.upper()):
        return _no_such(f"countryCode is never {value!r}: it is a code of two letters", country_code(value))
    return None


def _country_like(text: str) -> str | None:
    from alertbot.places import country_names

    known = {name.lower(): name for name in country_names()}
    near = closest(text, known) if len(text) <= 60 else None
    return known[near] if near else None


def _actions(feeds: Collection[Feed]) -> Mapping[int, Action]:
    return {**(ACTIONS if "login" in feeds else {}), **(AUDIT_ACTIONS if "audit" in feeds else {})}


def _names(feeds: Collection[Feed]) -> str:
    return " or ".join(sorted(feeds, reverse=True))


def _no_such(sentence: str, meant: str | None) -> str:
    return sentence + (f"; did you mean {meant!r}?" if meant else "")
