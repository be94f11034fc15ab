"""A condition, compiled: one function from an event to yes or no.

In comes a condition (`rules.condition`), out goes the `Selection` that the engine asks. Matching is Sigma's: values as text, in
any case unless `cased`, an absent field matches nothing but null. What looks only at fields of few values (`outcome`, `event`,
`known`, …) is asked once for each combination of values and then remembered; the rest is tested by closures, cheapest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from operator import attrgetter
from typing import Any

from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import end_of_day_us, from_us
from alertbot.rules.condition import (
    And,
    Compare,
    Condition,
    DatePart,
    Expression,
    InNetworks,
    Is,
    Like,
    Not,
    Operator,
    Or,
    Present,
    Refers,
    Until,
    all_of,
    any_of,
    ends,
    equalities,
    fields_of,
    fingerprint,
    in_zone,
)
from alertbot.rules.fields import FEW_VALUES, fold, getter, kind_of, show, texts
from alertbot.rules.model import Selection
from alertbot.rules.texts import OPERATORS, TextTest, compared, like, text_test

Test = Callable[[Event], bool]

MAX_REMEMBERED = 4096
_MICROSECONDS = 1_000_000


def select(condition: Condition) -> Selection:
    """The condition as what the engine asks of every event."""

    def zoned(zone: tzinfo) -> Selection:
        return select(in_zone(condition, zone))

    equals = tuple(sorted(equalities(condition).items()))
    return Selection(_compile(condition), fingerprint(condition), equals, zoned if ends(condition) else None, condition)


def _compile(condition: Condition) -> Test:
    fields = fields_of(condition)
    if fields and fields <= FEW_VALUES:
        return _remembered(_test(condition), sorted(fields))
    match condition:
        case And(parts):
            return _every([_compile(part) for part in _grouped(parts, all_of)])
        case Or(parts):
            return _some(_alternatives(_grouped(parts, any_of), _compile))
        case Not(part):
            test = _compile(part)
            return lambda event: not test(event)
        case _:
            return _test(condition)


def _grouped(parts: Iterable[Condition], join: Callable[[Iterable[Condition]], Condition]) -> list[Condition]:
    """The parts whose answers can be remembered as one, first; the others by their cost."""
    few: list[Condition] = []
    others: list[Condition] = []
    for part in parts:
        fields = fields_of(part)
        (few if fields and fields <= FEW_VALUES else others).append(part)
    return [*([join(few)] if few else []), *sorted(others, key=_cost)]


def _cost(condition: Condition) -> int:
    match condition:
        case Is() | Present() | Compare() | Until():
            return 0
        case InNetworks() | Refers():
            return 1
        case Like(field, pattern):
            return 1 if field else 4 + ("?" in pattern)
        case Expression(field):
            return 3 if field else 6
        case Not(part):
            return _cost(part)
        case And(parts) | Or(parts):
            return max(map(_cost, parts), default=0)


def _remembered(test: Test, fields: list[str]) -> Test:
    """The same test, asked once for each combination of the values of these fields."""
    values_of = attrgetter(*(ATTRIBUTES[field] for field in fields))
    answers: dict[Any, bool] = {}

    def remembered(event: Event) -> bool:
        values = values_of(event)
        try:
            return answers[values]
        except KeyError:
            answer = test(event)
            if len(answers) < MAX_REMEMBERED:
                answers[values] = answer
            return answer

    return remembered


def _every(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) and second(event)

    def every(event: Event) -> bool:
        for test in tests:  # noqa: SIM110 -- a loop is faster than all() over a generator
            if not test(event):
                return False
        return True

    return every


def _some(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) or second(event)

    def some(event: Event) -> bool:
        for test in tests:  # noqa: SIM110 -- a loop is faster than any() over a generator
            if test(event):
                return True
        return False

    return some


def _alternatives(parts: Sequence[Condition], compiled: Callable[[Condition], Test]) -> list[Test]:
    """The tests of parts one of which must hold, in their order. All wildcards of one field are one test: a list may hold
    thousands."""
    patterns: dict[tuple[str | None, bool], list[str]] = {}
    for part in parts:
        if isinstance(part, Like):
            patterns.setdefault((part.field, part.cased), []).append(part.pattern)
    tests: list[Test] = []
    for part in parts:
        if not isinstance(part, Like):
            tests.append(compiled(part))
        elif several := patterns.pop((part.field, part.cased), None):
            tests.append(_on_text(part.field, like(several, cased=part.cased)))
    return tests


def _test(condition: Condition) -> Test:
    """The plain test of a condition, nothing remembered."""
    match condition:
        case And(parts):
            return _every([_test(part) for part in parts])
        case Or(parts):
            return _some(_alternatives(parts, _test))
        case Not(part):
            test = _test(part)
            return lambda event: not test(event)
        case Present(field):
            return _present(field)
        case Compare(field, name, number, part):
            return _compare(field, name, number, part)
        case Refers():
            return _refers(condition)
        case Until(day, zone):
            last_us = end_of_day_us(day, zone or UTC)
            return lambda event: event.at_us <= last_us
        case InNetworks("ip"):
            test = _on_text("ip", text_test(condition))
            return lambda event: not event.ip_partial and test(event)
        case Is() | InNetworks() | Like() | Expression():
            return _on_text(condition.field, text_test(condition))


def _on_text(field: str | None, test: TextTest) -> Test:
    """The test of a field's text; without a field, of any text of the event."""
    if field is None:
        return _on_any_text(test)
    get, kind = getter(field), kind_of(field)
    if kind == "text":

        def of_text(event: Event) -> bool:
            value = get(event)
            return value is not None and test(value)

        return of_text
    if kind in ("number", "bool"):

        def of_value(event: Event) -> bool:
            value = get(event)
            return value is not None and test(show(value))

        return of_value
    texts_of = texts(field)
    return lambda event: any(map(test, texts_of(event)))


def _on_any_text(test: TextTest) -> Test:
    every_text = [texts(field) for field in ATTRIBUTES]
    return lambda event: any(test(text) for texts_of in every_text for text in texts_of(event))


def _present(field: str) -> Test:
    get = getter(field)
    if kind_of(field) == "several":
        return lambda event: bool(get(event))
    return lambda event: get(event) is not None


def _compare(field: str, name: Operator, number: float, part: DatePart | None) -> Test:
    holds = OPERATORS[name]
    if part is not None:
        part_of = _DATE_PARTS[part]
        return lambda event: holds(part_of(event.at_us), number)
    if kind_of(field) == "number":
        get = getter(field)
        return lambda event: (value := get(event)) is not None and holds(value, number)
    return _on_text(field, compared(name, number))


_DATE_PARTS: dict[DatePart, Callable[[int], int]] = {
    "minute": lambda at_us: at_us // (60 * _MICROSECONDS) % 60,
    "hour": lambda at_us: at_us // (3600 * _MICROSECONDS) % 24,
    "day": lambda at_us: from_us(at_us).day,
    "week": lambda at_us: from_us(at_us).isocalendar().week,
    "month": lambda at_us: from_us(at_us).month,
    "year": lambda at_us: from_us(at_us).year,
}


def _refers(condition: Refers) -> Test:
    texts_of, others_of = texts(condition.field), texts(condition.other)
    starts, ends = condition.starts, condition.ends

    def holds(text: str, other: str) -> bool:
        text, other = fold(text), fold(other)
        if starts and ends:
            return other in text
        if starts:
            return text.startswith(other)
        return text.endswith(other) if ends else text == other

    return lambda event: any(holds(text, other) for text in texts_of(event) for other in others_of(event))
