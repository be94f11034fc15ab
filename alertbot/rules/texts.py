"""What a condition asks of one text, as a function: equality, wildcards, expressions, numbers, networks.

In come the leaves of a condition (`rules.condition`); out go functions from a text to yes or no, each in time that the text
bounds and hardly the number of values: a list may hold a hundred thousand of them.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from alertbot.rules.condition import Expression, InNetworks, Is, Like, Operator
from alertbot.rules.expression import compile_expression, compile_glob, split_glob
from alertbot.rules.fields import fold

TextTest = Callable[[str], bool]

FEW = 100
"""So many literals are looked for one after the other; more of them by their lengths."""


def text_test(leaf: Is | InNetworks | Like | Expression) -> TextTest:
    """The test of a text that is the whole of these conditions."""
    match leaf:
        case Is(_, values, cased):
            return values.__contains__ if cased else _one_of(values)
        case InNetworks(_, networks):
            return _in_networks(networks)
        case Like(_, pattern, cased):
            return like([pattern], cased=cased)
        case Expression(_, pattern):
            return compile_expression(pattern)


def _one_of(values: frozenset[str]) -> TextTest:
    if len(values) == 1:
        (only,) = values
        return lambda text: text.lower() == only
    return lambda text: text.lower() in values


def like(patterns: Sequence[str], *, cased: bool) -> TextTest:
    """The test of a text against wildcards, one of which it must have the form of. The usual forms need no expression."""
    starts: list[str] = []
    ends: list[str] = []
    inside: list[str] = []
    others: list[TextTest] = []
    for pattern in patterns:
        literal, start, end = _around(pattern)
        if literal is None:
            others.append(compile_glob(pattern))
        else:
            (inside if start and end else ends if start else starts).append(literal)
    tests = [*_starting(starts), *_ending(ends), *_holding(inside), *others]
    one = tests[0]
    if cased:
        return one if len(tests) == 1 else lambda text: any(test(text) for test in tests)
    if len(tests) == 1:
        return lambda text: one(fold(text))

    def any_ignoring_case(text: str) -> bool:
        text = fold(text)
        return any(test(text) for test in tests)

    return any_ignoring_case


def needs_expression(pattern: str) -> bool:
    """Whether a pattern has wildcards elsewhere than around a text."""
    return _around(pattern)[0] is None


def _around(pattern: str) -> tuple[str | None, bool, bool]:
    """The text of a pattern (None where there is a wildcard in it), and whether `*` stands before and behind it."""
    parts = split_glob(pattern)
    start, end = parts[0] == ("*", True), parts[-1] == ("*", True)
    inner = parts[start : len(parts) - end]
    if any(special for _, special in inner) or not (start or end):
        return None, start, end
    return "".join(character for character, _ in inner), start, end


def _starting(literals: Sequence[str]) -> list[TextTest]:
    if len(literals) <= FEW:
        few = tuple(literals)
        return [lambda text: text.startswith(few)] if few else []
    known = _by_length(literals)
    return [lambda text: any(text[:length] in of_it for length, of_it in known)]


def _ending(literals: Sequence[str]) -> list[TextTest]:
    if len(literals) <= FEW:
        few = tuple(literals)
        return [lambda text: text.endswith(few)] if few else []
    known = _by_length(literals)
    return [lambda text: any(text[-length:] in of_it for length, of_it in known)]


def _holding(literals: Sequence[str]) -> list[TextTest]:
    if len(literals) == 1:
        (only,) = literals
        return [lambda text: only in text]
    if len(literals) <= FEW:
        return [lambda text: any(map(text.__contains__, literals))] if literals else []
    known = _by_length(literals)

    def holds_one(text: str) -> bool:
        return any(text[at : at + length] in of_it for length, of_it in known for at in range(len(text) - length + 1))

    return [holds_one]


def _by_length(literals: Iterable[str]) -> list[tuple[int, set[str]]]:
    known: dict[int, set[str]] = {}
    for literal in literals:
        known.setdefault(len(literal), set()).add(literal)
    return sorted(known.items())


OPERATORS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_NUMBER = re.compile(r"[-+]?[0-9]{1,300}(\.[0-9]{1,300})?\Z")


def compared(name: Operator, number: float) -> TextTest:
    """The test of a text that is a number; any other text fails it."""
    holds = OPERATORS[name]

    def as_number(text: str) -> bool:
        found = _NUMBER.match(text)
        return found is not None and holds(float(text) if found[1] else int(text), number)

    return as_number


def overlapping(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether an address can be in a network of both."""
    return _touch(one, _in_networks(other)) or _touch(other, _in_networks(one))


def _touch(networks: Iterable[str], inside: TextTest) -> bool:
    return any(inside(network.partition("/")[0]) for network in networks)


Addresses = dict[tuple[int, int], set[int]]
"""The first bits of each network, by the address's version and the number of bits after them."""


def _in_networks(networks: Iterable[str]) -> TextTest:
    """Whether a text is an address in one of the networks."""
    known: Addresses = {}
    for network in map(ip_network, networks):
        after = network.max_prefixlen - network.prefixlen
        known.setdefault((network.version, after), set()).add(int(network.network_address) >> after)
    sizes = sorted(known)

    @lru_cache(maxsize=4096)
    def inside(text: str) -> bool:
        address = _address(text)
        if address is None:
            return False
        version, number = address
        return any(of == version and number >> after in known[of, after] for of, after in sizes)

    return inside


def _address(text: str) -> tuple[int, int] | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)
