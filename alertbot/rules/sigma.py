"""Sigma's selections → conditions: fields, modifiers and values.

In comes one selection as read from YAML (of `detection`, or the whole of `only`); out goes a condition. pySigma parses values
and modifiers; what it cannot place or does not check is checked here, so that every mistake has its place. What Sigma has and
logins have no use for is refused by name, never approximated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from ipaddress import ip_network
from itertools import product
from typing import Any, Protocol

from alertbot.rules.condition import (
    NEVER,
    Compare,
    Condition,
    DatePart,
    Expression,
    InNetworks,
    Is,
    Like,
    Operator,
    Present,
    Refers,
    Until,
    all_of,
    any_of,
    negate,
)
from alertbot.rules.contradiction import DATE_PARTS
from alertbot.rules.expression import compile_expression
from alertbot.rules.fields import closest, fold, kind_of, show, unknown_field
from alertbot.rules.lists import Listed, is_list_name
from alertbot.rules.texts import needs_expression

Way = tuple[str | int, ...]
Lists = Mapping[str, Sequence[Listed]]
"""The values of each list that `expand` may name."""

MAX_EXPANDED = 100_000
MAX_EXPRESSIONS = 1_000
"""So many values of one field may be regular expressions or hold wildcards between other text: each takes its own time."""

_TEXT = {"contains", "startswith", "endswith", "cased", "re", "cidr", "expand", "fieldref"}
_AROUND = frozenset({"contains", "startswith", "endswith"})
_FLAGS = {"i", "ignorecase", "m", "multiline", "s", "dotall"}
NUMERIC = {"lt", "lte", "gt", "gte"}
_SUPPORTED = _TEXT | _FLAGS | NUMERIC | set(DATE_PARTS) | {"all", "neq", "exists"}
_FOR_KEYWORDS = _FLAGS | {"all", "contains", "cased", "re", "neq", "expand"}
_UNSUPPORTED = {"base64", "base64offset", "wide", "utf16", "utf16le", "utf16be", "windash"}
_PLACEHOLDER = re.compile(r"\\%|%([^%\\]+)%")


Join = Callable[[Iterable[Condition]], Condition]
"""`all_of` or `any_of`."""


class Report(Protocol):
    """Takes a mistake: the way to its value, a sentence, and whether it is the key that is wrong."""

    def __call__(self, way: Way, message: str, *, at_key: bool = False) -> None: ...


def read_selection(value: Any, way: Way, lists: Lists, report: Report) -> Condition | None:
    """One selection: a mapping of fields, a list of them (any), or keywords. None where it is broken."""
    if isinstance(value, dict):
        return _fields(value, way, lists, report)
    if isinstance(value, list):
        if not value:
            report(way, "is empty: it would match nothing")
            return None
        parts = [read_selection(item, (*way, number), lists, report) for number, item in enumerate(value)]
        return combined(any_of, parts)
    return _item("", value, way, lists, report)


def _fields(value: dict[str, Any], way: Way, lists: Lists, report: Report) -> Condition | None:
    if not value:
        report(way, "is empty; `id: '*'` selects every event")
        return None
    return combined(all_of, [_item(key, given, (*way, key), lists, report) for key, given in value.items()])


def combined(join: Join, parts: Sequence[Condition | None]) -> Condition | None:
    """The parts as one; None where one of them is broken."""
    whole = [part for part in parts if part is not None]
    return join(whole) if len(whole) == len(parts) else None


def _item(key: str, value: Any, way: Way, lists: Lists, report: Report) -> Condition | None:
    """One `field|modifier: values`, or with an empty key keywords."""
    name, *modifiers = key.split("|")
    field = name or None
    values = value if isinstance(value, list) else [value]
    ways = [(*way, number) for number in range(len(values))] if isinstance(value, list) else [way]
    wrong = _wrong_key(field, modifiers)
    if wrong:
        report(way, wrong, at_key=True)
        return None
    if not values:
        report(way, "is an empty list: it would match nothing")
        return None
    problems = [(at, _wrong_value(field, modifiers, one, lists)) for at, one in zip(ways, values, strict=True)]
    for at, problem in problems:
        if problem:
            report(at, problem)
    if any(problem for _, problem in problems):
        return None
    if sum(_size(modifiers, one, lists) for one in values) > MAX_EXPANDED:
        report(way, f"the lists in it make more than {MAX_EXPANDED} values", at_key=True)
        return None
    plain = [listed for one in values for listed in _as_sigma(modifiers, one, lists)]
    if not plain:
        return negate(NEVER) if "neq" in modifiers else NEVER
    return _parsed(field, [modifier for modifier in modifiers if modifier != "expand"], plain, way, report)


def _wrong_key(field: str | None, modifiers: Sequence[str]) -> str | None:
    """What is wrong with a field's name and modifiers, whatever the values."""
    if field is not None and (sentence := unknown_field(field)):
        return sentence
    for number, modifier in enumerate(modifiers):
        if modifier in modifiers[:number]:
            return f"the modifier {modifier} stands twice"
        if modifier in _UNSUPPORTED:
            return f"the modifier {modifier} is not supported: logins hold no encoded text"
        if modifier not in _SUPPORTED:
            meant = closest(modifier, _SUPPORTED)
            return f"unknown modifier {modifier!r}" + (f"; did you mean {meant!r}?" if meant else "")
        if field is None and modifier not in _FOR_KEYWORDS:
            return f"the modifier {modifier} needs a field before it"
        if modifier == "fieldref" and _AROUND.intersection(modifiers[:number]):
            return f"fieldref comes first: {field}|fieldref|{'|'.join(modifiers[:number])}"
    return _wrong_together(field, set(modifiers))


def _wrong_together(field: str | None, modifiers: set[str]) -> str | None:
    around = modifiers & _AROUND
    if "re" in modifiers and around:
        return f"re does not go with {', '.join(sorted(around))}: an expression is found anywhere, unless ^ and $ anchor it"
    if modifiers >= {"re", "expand"}:
        return "re does not go with expand: a list holds values, not expressions"
    if modifiers >= {"cased", "fieldref"}:
        return "cased does not go with fieldref"
    if field is None:
        return None
    kind, parts, compares = kind_of(field), modifiers & set(DATE_PARTS), modifiers & NUMERIC
    if len(parts) > 1:
        return f"{' and '.join(sorted(parts))} do not go together; each is a key of its own"
    if parts and kind != "date":
        return f"{min(parts)} needs a date; only `date` is one"
    if compares and kind == "date" and not parts:
        return "a date is compared by its parts, like `date|hour|gte: 22`"
    if compares and kind not in ("text", "number", "date"):
        return f"{min(compares)} needs a number; {field} is none"
    if "cidr" in modifiers and kind != "text":
        return f"cidr needs an address; {field} is none"
    if "cidr" in modifiers and field == "network":
        return "cidr needs an address, and network holds a whole network; say `ip|cidr`"
    return None


def _wrong_value(field: str | None, modifiers: Sequence[str], value: Any, lists: Lists) -> str | None:
    """What is wrong with one value under these modifiers."""
    given = set(modifiers)
    if isinstance(value, (dict, list)):
        return "must be a value or a list of values"
    if value is None:
        return _wrong_null(field, given)
    if field is None and value == "":
        return "an empty keyword is in every event"
    if "exists" in given:
        return None if isinstance(value, bool) else "exists needs true or false"
    for part, (low, high) in DATE_PARTS.items():
        if part in given and not (isinstance(value, int) and not isinstance(value, bool) and low <= value <= high):
            return f"{part} needs a whole number from {low} to {high}"
    if given & NUMERIC and not (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)):
        return f"{min(given & NUMERIC)} needs a number, without quotes"
    if "expand" in given and (sentence := _wrong_placeholder(show(value), lists)):
        return sentence
    return _wrong_text(given, show(value), lists)


def _wrong_null(field: str | None, given: set[str]) -> str | None:
    if field is None:
        return "null needs a field before it"
    others = given - {"neq", "all"}
    return f"null does not go with {', '.join(sorted(others))}" if others else None


def _wrong_placeholder(text: str, lists: Lists) -> str | None:
    names = [found[1] for found in _PLACEHOLDER.finditer(text) if found[1]]
    for name in names:
        if name not in lists:
            meant = closest(name, list(lists))
            where = f"it would be lists/{name}.yml" if is_list_name(name) else r"a plain percent sign is written \%"
            return f"there is no list {name!r}; " + (f"did you mean {meant!r}?" if meant else where)
    if math.prod(len(lists[name]) for name in names) > MAX_EXPANDED:
        return f"the lists in it make more than {MAX_EXPANDED} values"
    return None


def _wrong_text(given: set[str], text: str, lists: Lists) -> str | None:
    if "fieldref" in given:
        return unknown_field(text)
    if "re" in given:
        try:
            compile_expression(text)
        except ValueError as exc:
            return str(exc)
    if "cidr" in given:
        for network in _expanded(text, lists) if "expand" in given else [Listed(text)]:
            try:
                ip_network(network.value)
            except ValueError as exc:
                return f"is no network: {exc}"
    return None


def _as_sigma(modifiers: Sequence[str], value: Any, lists: Lists) -> Iterator[tuple[Any, date | None]]:
    """The values as pySigma is to see them, and the day to which each counts: numbers as text except where they are
    compared, placeholders replaced."""
    if value is None or "exists" in modifiers or set(modifiers) & (NUMERIC | set(DATE_PARTS)):
        yield value, None
    elif "expand" in modifiers:
        yield from ((listed.value, listed.until) for listed in _expanded(show(value), lists))
    else:
        yield show(value), None


def _size(modifiers: Sequence[str], value: Any, lists: Lists) -> int:
    """How many values one becomes."""
    if "expand" not in modifiers or value is None:
        return 1
    return math.prod(len(lists[found[1]]) for found in _PLACEHOLDER.finditer(show(value)) if found[1])


def _expanded(text: str, lists: Lists) -> Iterator[Listed]:
    r"""Every value of each list in place of its `%name%`; `\%` is a plain percent sign."""
    pieces: list[Sequence[Listed]] = []
    past = 0
    for found in _PLACEHOLDER.finditer(text):
        pieces += [[Listed(text[past : found.start()])], lists[found[1]] if found[1] else [Listed("%")]]
        past = found.end()
    pieces.append([Listed(text[past:])])
    for chosen in product(*pieces):
        until = min((piece.until for piece in chosen if piece.until), default=None)
        yield Listed("".join(piece.value for piece in chosen), until)


def _parsed(
    field: str | None, modifiers: Sequence[str], values: list[tuple[Any, date | None]], way: Way, report: Report
) -> Condition | None:
    """The item as pySigma understands it."""
    from sigma.conditions import ConditionAND
    from sigma.exceptions import SigmaError
    from sigma.rule.detection import SigmaDetectionItem

    try:
        item = SigmaDetectionItem.from_mapping("|".join([field or "", *modifiers]), [value for value, _ in values])
    except SigmaError as exc:
        mixed = "incompatible to value type" in str(exc)
        together = f"the modifiers {', '.join(modifiers)} do not go together in this order"
        report(way, together if mixed and len(modifiers) > 1 else str(exc), at_key=True)
        return None
    join = all_of if item.value_linking is ConditionAND else any_of
    by_end: dict[date | None, list[Condition]] = {}
    for value, (_, until) in zip(item.value, values, strict=True):
        by_end.setdefault(until, []).append(_leaf(field, value))
    if sum(_is_expression(leaf) for leaves in by_end.values() for leaf in leaves) > MAX_EXPRESSIONS:
        report(way, f"more than {MAX_EXPRESSIONS} values are expressions or have wildcards between other text", at_key=True)
        return None
    condition = join([_ending(join(leaves), until, join) for until, leaves in by_end.items()])
    return negate(condition) if item.negated else condition


def _ending(condition: Condition, until: date | None, join: Join) -> Condition:
    """The condition of some of the values, which after a day is as if they were not among them."""
    if until is None:
        return condition
    return any_of([condition, negate(Until(until))]) if join is all_of else all_of([condition, Until(until)])


def _is_expression(leaf: Condition) -> bool:
    return isinstance(leaf, Expression) or (isinstance(leaf, Like) and needs_expression(leaf.pattern))


def _leaf(field: str | None, value: Any) -> Condition:
    """One of pySigma's values as a condition on a field, or as a keyword."""
    from sigma import types as sigma

    if isinstance(value, sigma.SigmaRegularExpression):
        flags = "".join(sorted(sigma.SigmaRegularExpression.sigma_to_re_flag[flag] for flag in value.flags))
        return Expression(field, (f"(?{flags})" if flags else "") + str(value.regexp))
    if isinstance(value, sigma.SigmaString):
        return _text_leaf(field, value.s, cased=isinstance(value, sigma.SigmaCasedString))
    assert field is not None, "only text and expressions can be keywords"
    match value:
        case sigma.SigmaNull():
            return negate(Present(field))
        case sigma.SigmaExists():
            return Present(field) if value.exists else negate(Present(field))
        case sigma.SigmaCompareExpression():
            return _compared(field, _OPERATORS[value.op.name], value.number)
        case sigma.SigmaNumber():
            return _compared(field, "eq", value)
        case sigma.SigmaCIDRExpression():
            return InNetworks(field, frozenset({str(value.network)}))
        case sigma.SigmaFieldReference():
            return Refers(field, value.field, value.starts_with, value.ends_with)
    raise NotImplementedError(type(value).__name__)


_OPERATORS: dict[str, Operator] = {"LT": "lt", "LTE": "lte", "GT": "gt", "GTE": "gte"}


def _compared(field: str, operator: Operator, number: Any) -> Compare:
    part = getattr(number, "timestamp_part", None)
    name: DatePart | None = part.name.lower() if part is not None else None
    return Compare(field, operator, number.number, name)


def _text_leaf(field: str | None, parts: Sequence[Any], *, cased: bool) -> Condition:
    """A text with wildcards. pySigma gives text and marks for wildcards in turn."""
    from sigma.types import SpecialChars

    many = SpecialChars.WILDCARD_MULTI
    forms = [part for number, part in enumerate(parts) if part is not many or number == 0 or parts[number - 1] is not many]
    if field is None:
        forms = [*([] if forms[:1] == [many] else [many]), *forms, *([] if forms[-1:] == [many] else [many])]
    elif forms == [many]:
        return Present(field)
    elif all(isinstance(part, str) for part in forms):
        text = "".join(forms)
        return Is(field, frozenset({text if cased else text.lower()}), cased)
    pattern = "".join(
        re.sub(r"([\\*?])", r"\\\1", part if cased else fold(part)) if isinstance(part, str) else ("*" if part is many else "?")
        for part in forms
    )
    return Like(field, pattern, cased)
