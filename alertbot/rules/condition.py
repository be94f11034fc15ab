"""A condition on one event as a small tree, before it is compiled.

`detection` (through `rules.sigma`), `only`, `except` and `raise` become such trees; `rules.match` compiles them. The functions
`all_of`, `any_of` and `negate` build them in a normal form: nested lists are flat, equal parts stand once and in a fixed order,
lists of values for one field are one set. So two ways to write the same thing mostly give equal trees, and equal trees are
asked once for each event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from typing import Any, Literal

from alertbot.rules.fields import kind_of

Operator = Literal["eq", "lt", "lte", "gt", "gte"]
DatePart = Literal["minute", "hour", "day", "week", "month", "year"]


@dataclass(frozen=True, slots=True)
class Is:
    """The field's text is one of `values`; these are in lower case unless `cased`."""

    field: str
    values: frozenset[str]
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """The field's text has the form of `pattern`: `*` any text, `?` one character, a backslash takes the next one plainly.

    Without a field: any text of the event holds it somewhere (keyword search). In lower case unless `cased`.
    """

    field: str | None
    pattern: str
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression of RE2's syntax is found in the field's text, or without a field in any text of the event."""

    field: str | None
    pattern: str


@dataclass(frozen=True, slots=True)
class InNetworks:
    """The field's text is an address in one of these networks (`10.0.0.0/8`, `2001:db8::/32`)."""

    field: str
    networks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Present:
    """The event has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class Compare:
    """The field as a number, or a part of the date (UTC), compared with a number."""

    field: str
    operator: Operator
    number: int | float
    part: DatePart | None = None


@dataclass(frozen=True, slots=True)
class Refers:
    """The field's text holds that of another field: whole, at the start, at the end, or (both) anywhere."""

    field: str
    other: str
    starts: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Until:
    """The event is not later than the end of a day in `zone` (None: the rule's, which is not known yet; else UTC)."""

    day: date
    zone: tzinfo | None = None
    field: str = "date"


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts; with none it is always true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts; with none it is never true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Everything else."""

    part: Condition


Leaf = Is | Like | Expression | InNetworks | Present | Compare | Refers | Until
Condition = Leaf | And | Or | Not

ALWAYS = And(())
NEVER = Or(())


def all_of(parts: Iterable[Condition]) -> Condition:
    """All of the parts, in normal form."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
    if NEVER in flat:
        return NEVER
    ordered = _in_order(flat)
    return ordered[0] if len(ordered) == 1 else And(ordered)


def any_of(parts: Iterable[Condition]) -> Condition:
    """One of the parts, in normal form."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
    if ALWAYS in flat:
        return ALWAYS
    ordered = _in_order(_merged(flat))
    return ordered[0] if len(ordered) == 1 else Or(ordered)


def negate(part: Condition) -> Condition:
    """Not the part, in normal form."""
    if part == ALWAYS:
        return NEVER
    if part == NEVER:
        return ALWAYS
    return part.part if isinstance(part, Not) else Not(part)


def fingerprint(condition: Condition) -> str:
    """A text that equal conditions share, on any machine and in any version of Python."""
    return json.dumps(_plain(condition), separators=(",", ":"))


def fields_of(condition: Condition) -> frozenset[str] | None:
    """The fields that decide the condition; None where it is all of them (keyword search)."""
    fields: set[str] = set()
    for leaf in leaves(condition):
        if leaf.field is None:
            return None
        fields.add(leaf.field)
        if isinstance(leaf, Refers):
            fields.add(leaf.other)
    return frozenset(fields)


def equalities(condition: Condition) -> dict[str, frozenset[str]]:
    """Fields of which an event must hold one of the values, in lower case, to match at all.

    Only what follows from the whole condition: for `and` all that its parts need, for `or` what each of them needs.
    """
    match condition:
        case Is(field, values) if kind_of(field) in ("text", "number", "bool"):
            return {field: frozenset(value.lower() for value in values)}
        case And(parts):
            needed: dict[str, frozenset[str]] = {}
            for part in parts:
                for field, values in equalities(part).items():
                    needed[field] = needed[field] & values if field in needed else values
            return needed
        case Or(parts) if parts:
            each = [equalities(part) for part in parts]
            shared = set(each[0]).intersection(*each[1:])
            return {field: frozenset().union(*(one[field] for one in each)) for field in shared}
        case _:
            return {}


def leaves(condition: Condition) -> Iterator[Leaf]:
    """What the condition asks, without what joins it."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case leaf:
            yield leaf


def ends(condition: Condition) -> bool:
    """Whether a part of the condition counts only up to a day."""
    return any(isinstance(leaf, Until) for leaf in leaves(condition))


def in_zone(condition: Condition, zone: tzinfo) -> Condition:
    """The condition with its days in a zone."""
    match condition:
        case Until(_, None):
            return replace(condition, zone=zone)
        case And(parts):
            return And(tuple(in_zone(part, zone) for part in parts))
        case Or(parts):
            return Or(tuple(in_zone(part, zone) for part in parts))
        case Not(part):
            return Not(in_zone(part, zone))
        case _:
            return condition


def _in_order(parts: Iterable[Condition]) -> tuple[Condition, ...]:
    return tuple(part for _, part in sorted({fingerprint(part): part for part in parts}.items()))


def _merged(parts: Iterable[Condition]) -> Iterator[Condition]:
    """Values of one field as one set, networks too."""
    values: dict[tuple[str, bool], set[str]] = {}
    networks: dict[str, set[str]] = {}
    for part in parts:
        if isinstance(part, Is):
            values.setdefault((part.field, part.cased), set()).update(part.values)
        elif isinstance(part, InNetworks):
            networks.setdefault(part.field, set()).update(part.networks)
        else:
            yield part
    yield from (Is(field, frozenset(texts), cased) for (field, cased), texts in values.items())
    yield from (InNetworks(field, frozenset(texts)) for field, texts in networks.items())


def _plain(condition: Condition) -> list[Any]:
    match condition:
        case Is(field, values, cased):
            return ["is", field, sorted(values), *(["cased"] if cased else [])]
        case Like(field, pattern, cased):
            return ["like", field, pattern, *(["cased"] if cased else [])]
        case Expression(field, pattern):
            return ["re", field, pattern]
        case InNetworks(field, networks):
            return ["cidr", field, sorted(networks)]
        case Present(field):
            return ["present", field]
        case Compare(field, operator, number, part):
            return [operator, field, *([part] if part else []), number]
        case Refers(field, other, starts, ends):
            return ["refers", field, other, starts, ends]
        case Until(day, zone):
            return ["until", day.isoformat(), *([str(zone)] if zone else [])]
        case And(parts):
            return ["and", *map(_plain, parts)]
        case Or(parts):
            return ["or", *map(_plain, parts)]
        case Not(inner):
            return ["not", _plain(inner)]
