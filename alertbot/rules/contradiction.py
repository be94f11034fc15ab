"""Whether conditions that all must hold leave nothing: texts, numbers and networks that no event can have at once.

In come the parts of an `and`; out goes whether they contradict each other. It never says so of what an event can meet, and
need not see every contradiction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeGuard

from alertbot.rules.condition import And, Compare, Condition, DatePart, InNetworks, Is, Like, Not, Or, Present, leaves
from alertbot.rules.fields import kind_of
from alertbot.rules.texts import OPERATORS, compared, overlapping, text_test

DATE_PARTS: dict[DatePart, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1, 9999),
}
"""The least and the greatest value of each part of a date."""


def contradictory(parts: Sequence[Condition]) -> bool:
    """Whether parts that all must hold leave no value for a field."""
    if len({part.field for part in parts if isinstance(part, Is)}) == len(parts):
        return False  # each is about a field of its own: the usual case, and there are many
    known = set(parts)
    if any(Not(part) in known for part in parts):
        return True
    texts = {part.field for part in parts if isinstance(part, Is)}
    networks = {part.field for part in parts if isinstance(part, InNetworks)}
    return (
        any(_no_text_left(field, parts) for field in texts if kind_of(field) != "several")
        or any(_no_network_left(field, parts) for field in networks if kind_of(field) != "several")
        or any(_no_number_left(of, parts) for of in set(filter(None, map(_compares, parts))))
    )


def ignores_case(leaf: Condition) -> TypeGuard[Is | Like | InNetworks]:
    """Whether a test of a text gives the same answer for its lower case."""
    return isinstance(leaf, InNetworks) or (isinstance(leaf, Is | Like) and not leaf.cased)


def _no_text_left(field: str, parts: Sequence[Condition]) -> bool:
    """Whether none of the values that a field must have passes the other tests of it."""
    if Not(Present(field)) in parts:
        return True
    allowed = [{value.lower() for value in part.values} for part in parts if isinstance(part, Is) and part.field == field]
    values = set.intersection(*allowed)
    for part in parts:
        refused = isinstance(part, Not)
        leaf = part.part if isinstance(part, Not) else part
        if ignores_case(leaf) and leaf.field == field:
            test = text_test(leaf)
            values = {value for value in values if test(value) is not refused}
        elif not refused and isinstance(leaf, Compare) and leaf.field == field and leaf.part is None:
            values = set(filter(compared(leaf.operator, leaf.number), values))
    return not values


def _no_network_left(field: str, parts: Sequence[Condition]) -> bool:
    """Whether two tests of an address have no network in common."""
    if Not(Present(field)) in parts:
        return True
    mine = [part.networks for part in parts if isinstance(part, InNetworks) and part.field == field]
    return any(not overlapping(one, other) for one, other in pairwise(mine))


Number = tuple[str, DatePart | None]
"""What is compared: a field, or a part of the date."""


def _compares(condition: Condition) -> Number | None:
    """The one number that decides a condition; None where other things do."""
    numbers = {(leaf.field, leaf.part) if isinstance(leaf, Compare) else None for leaf in leaves(condition)}
    (only, *others) = numbers or {None}
    return None if others or only is None or kind_of(only[0]) == "several" else only


def _no_number_left(of: Number, parts: Sequence[Condition]) -> bool:
    """Whether no number passes all that is asked of it."""
    mine = [part for part in parts if _compares(part) == of]
    if of[1] is None and all(isinstance(part, Not) for part in mine):
        return False  # a text that is no number passes
    return not any(all(_meets(part, number) for part in mine) for number in _candidates(of, mine))


def _candidates(of: Number, parts: Iterable[Condition]) -> Iterator[float]:
    """Numbers of which one passes if any does: all of a part of the date; else the bounds, and one between each two."""
    field, part = of
    if part is not None and part != "year":
        low, high = DATE_PARTS[part]
        yield from range(low, high + 1)
        return
    whole = part is not None or kind_of(field) == "number"
    bounds = sorted({leaf.number for one in parts for leaf in leaves(one) if isinstance(leaf, Compare)})
    near = [bounds[0] - 1, *bounds, bounds[-1] + 1]
    for number in near:
        yield from (math.floor(number), math.ceil(number), math.floor(number) + 1) if whole else (number,)
    if not whole:
        yield from ((one + other) / 2 for one, other in pairwise(near))


def _meets(condition: Condition, number: float) -> bool:
    match condition:
        case And(parts):
            return all(_meets(part, number) for part in parts)
        case Or(parts):
            return any(_meets(part, number) for part in parts)
        case Not(part):
            return not _meets(part, number)
        case Compare(_, operator, bound, _):
            return OPERATORS[operator](number, bound)
    raise AssertionError(f"no comparison: {condition}")
