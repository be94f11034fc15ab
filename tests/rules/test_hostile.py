"""Hostile rule files: a clear error or a correct answer, in bounded time, whatever stands in them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.errors import Mistake, RulesError
from alertbot.moments import UTC
from alertbot.rules.inline import run_tests
from alertbot.rules.load import load_rules
from alertbot.rules.model import RuleBook
from tests.rules.build import event, write

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(
        ["a", "b", "%l%", "10m", "9999999d", "rule:a", "failure", "0001-01-01", "9999-12-31", "*", "(a{50}){50}", "any"]
    )
)
ODD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = ODD) -> st.SearchStrategy[Any]:
    """What may stand somewhere, and now and then something else."""
    return st.integers(0, 30).flatmap(lambda number: odd if number == 13 else good)


def some(needed: dict[str, st.SearchStrategy[Any]], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A mapping with these keys and some of the others; or anything."""
    return mostly(st.fixed_dictionaries(needed, optional=more))


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    """One of these values; or anything."""
    return mostly(st.sampled_from(values))


ITEMS = [
    ("outcome", "failure"),
    ("ip|cidr", ["10.0.0.0/8", "::/0"]),
    ("login|re", "(a|aa)+$"),
    ("login|expand", "%l%"),
    ("login|contains|all", ["a", "*", "?"]),
    ("date|hour|gte", 22),
    ("known", True),
    ("groups|neq", ["", None]),
    ("login|fieldref|endswith", "user"),
]
SELECTION = mostly(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3).map(dict))
DETECTION = st.fixed_dictionaries(
    {"a": SELECTION, "b": SELECTION, "condition": one_of("a", "a and not b", "1 of *", "all of them", ["a", "b"], "((a")}
)
SPAN = one_of("10m", "1d", "3650d", "1s")
COUNT = one_of(2, 3, 100_000)
NAMES = one_of(["a"], ["b"], ["a", "b"], "a", ["a"], ["c", "b"], "any")
FIELDS = one_of("ip", "account", ["ip", "country"], ["login", "date"], "portal")
HOURS = one_of("Mon-Fri 07:00-20:00", "22:00-06:00", ["Sat 1:00-2:00", "Fri-Mon 23:59-23:58"])
STEP = some({"match": one_of("a", "b", "rule:a", "rule:b")}, count=one_of(1, 2, 9))
DAY = one_of("2026-02-01", "9999-12-31", "0001-01-01")
TOLD = {
    "level": one_of("low", "critical"),
    "mode": one_of("live", "shadow", "off"),
    "quiet": SPAN,
    "only": SELECTION,
    "except": st.lists(some({"match": SELECTION, "why": one_of("w")}, until=DAY), max_size=2),
    "respond": one_of("{name}", "{{", "{}" * 40),
    "id": one_of("5638f7c0-ac70-491d-8465-2a65075e0d86"),
    "tests": st.lists(
        some(
            {
                "it": one_of("x"),
                "events": st.lists(some({"at": one_of("2026-01-15 10:00")}, who=one_of("a@x.org"), outcome=one_of("failure"))),
                "alerts": one_of([], [{"account": "a@x.org"}]),
            }
        ),
        max_size=1,
    ),
}
PATTERNS = {
    "burst": some({"count": COUNT, "within": SPAN}),
    "distinct": some({"of": FIELDS, "count": COUNT, "within": SPAN}),
    "sequence": some({"within": SPAN, "steps": st.lists(STEP, min_size=2, max_size=4)}),
    "first_seen": some({"each": st.lists(FIELDS, min_size=1, max_size=3)}, memory=SPAN, learn=SPAN),
    "hours": some({"outside": HOURS}, zone=one_of("Europe/Berlin", "Asia/Kathmandu"))
    | some({"calendar": one_of("office")})
    | some({"learn": SPAN}),
    "travel": some({}, faster_than=one_of(1, 0.5), farther_than=one_of(0, 20_000), familiar=SPAN),
    "spike": some({"within": SPAN, "factor": one_of(1.5, 2), "count": COUNT}, usual=SPAN),
    "dormant": some({"after": SPAN}, memory=SPAN),
    "absence": some({"within": SPAN}, hours=HOURS),
}
RULE = st.one_of(
    *[
        st.fixed_dictionaries({"detection": DETECTION, name: pattern}, optional={**TOLD, "by": FIELDS})
        for name, pattern in PATTERNS.items()
    ],
)
COUNTED = [{"gte": 2}, {"gt": 0}, {"eq": 3}, {"gte": 1, "lt": 3}, {"lte": 2}, {}]
CORRELATION = st.fixed_dictionaries(
    {
        "correlation": some(
            {"type": one_of("event_count", "temporal", "temporal_ordered"), "rules": NAMES, "timespan": SPAN},
            **{"group-by": one_of("ip", ["account", "x"], []), "aliases": one_of({"x": dict.fromkeys("abcd", "ip")})},
            condition=one_of(*COUNTED),
            generate=st.booleans(),
        )
        | some(
            {"type": one_of("value_count"), "rules": NAMES, "timespan": SPAN},
            condition=one_of(*[{"field": "ip", **bounds} for bounds in COUNTED]),
        ),
    },
    optional=TOLD,
)
FILTER = st.fixed_dictionaries({"filter": some({"rules": NAMES, "s": SELECTION, "condition": one_of("not s", "s")})})
LIST = mostly(st.lists(some({"value": one_of("a", "*", 7)}, why=one_of("w"), until=DAY) | one_of("b", 1.5, True), max_size=4))
OFFICE = some(
    {"hours": HOURS}, zone=one_of("Europe/Berlin"), holidays=one_of("DE", "DE/BE", "XX"), closed=one_of(["2026-12-24"])
)
CALENDARS = mostly(st.fixed_dictionaries({"office": OFFICE}))


DOCUMENTS = st.tuples(RULE, RULE, CORRELATION | FILTER) | st.tuples(RULE, CORRELATION, CORRELATION) | st.tuples(RULE)


def loaded(folder: Path) -> RuleBook | None:
    """The rules, or None after mistakes that each say something."""
    book, mistakes = None, ()
    try:
        book = load_rules([folder])
    except RulesError as exc:
        mistakes = exc.mistakes
    assert all(isinstance(one, Mistake) and one.message for one in mistakes)
    assert (book is None) == any(not one.warning for one in mistakes)
    return book


@settings(max_examples=200, deadline=None)
@given(documents=DOCUMENTS, values=LIST, calendars=CALENDARS)
def test_whatever_stands_in_the_files_it_is_rules_that_run_or_mistakes(tmp_path_factory, documents, values, calendars):
    folder = tmp_path_factory.mktemp("rules")
    named = [{**one, "name": name} for one, name in zip(documents, "abcd", strict=False)]
    named = [{"title": "x", **one} for one in named]
    write(folder, "x.yml", "\n---\n".join(json.dumps(one) for one in named))
    write(folder, "lists/l.yml", json.dumps(values))
    write(folder, "calendars.yml", json.dumps(calendars))
    book = loaded(folder)
    if book is not None:
        run_tests(book.rules)
        Engine(book.rules, "main", UTC).fold_all([event(id=number, at_us=number * 10**9) for number in range(5)])
        assert load_rules([folder]) == book


@pytest.mark.parametrize("condition", ["a or " * 1900 + "a", "1 of " + "*a" * 60 + "*b", "not " * 35 + "a", "all of them"])
def test_a_condition_of_the_greatest_size_is_read_in_seconds(tmp_path, condition):
    many = ", ".join(f"{'a' * 60}{number}: {{ip: x{number}}}" for number in range(300))
    write(tmp_path, "x.yml", f"title: x\ndetection: {{a: {{ip: x}}, {many}, condition: '{condition}'}}\n")
    started = time.monotonic()
    loaded(tmp_path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "detection",
    [
        "{login|expand|endswith: '%l%', login|expand|neq: '%l%', login|startswith: x}",
        "{ip|expand|cidr: '%nets%', ip|expand: '%ips%'}",
    ],
)
def test_lists_of_many_thousand_values_are_read_and_matched_quickly(tmp_path, detection):
    write(tmp_path, "lists/l.yml", "".join(f"- nobody{number}.example.com\n" for number in range(10_000)))
    write(tmp_path, "lists/ips.yml", "".join(f"- 10.{number // 250}.{number % 250}.1\n" for number in range(10_000)))
    write(
        tmp_path,
        "lists/nets.yml",
        "".join(f"- {{value: 10.{n // 250}.{n % 250}.0/24, until: 2030-01-0{n % 9 + 1}}}\n" for n in range(10_000)),
    )
    write(tmp_path, "x.yml", f"title: x\ndetection: {{a: {detection}}}\n")
    started = time.monotonic()
    (rule,) = load_rules([tmp_path]).rules
    assert rule.condition is not None
    for number in range(1000):
        rule.condition.test(event(login=f"anna{number}@example.org", ip=f"192.0.2.{number % 250}"))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("joined", ["all of s*", "1 of s*", "not all of s*"])
def test_thousands_of_selections_are_read_in_seconds(tmp_path, joined):
    many = ", ".join(f"s{number}: {{login: x{number}, user: y{number}}}" for number in range(1000))
    write(tmp_path, "x.yml", f"title: x\ndetection: {{{many}, condition: {joined}}}\n")
    started = time.monotonic()
    assert loaded(tmp_path)
    assert time.monotonic() - started < 5


def test_thousands_of_rules_are_read_in_seconds(tmp_path):
    text = "title: x\nname: r{0}\ndetection: {{a: {{login: user{0}, outcome: failure}}}}\nburst: {{count: 3, within: 10m}}\n"
    for part in range(4):
        write(tmp_path, f"{part}.yml", "---\n".join(text.format(part * 500 + number) for number in range(500)))
    started = time.monotonic()
    assert len(load_rules([tmp_path]).rules) == 2000
    assert time.monotonic() - started < 20


def chain(length: int, last: str) -> str:
    """Correlations of which each waits for the next."""
    text = "title: x\nname: c{}\ncorrelation: {{type: temporal, rules: [{}], timespan: 10m}}\n"
    return "---\n".join(text.format(number, f"c{number + 1}" if number + 1 < length else last) for number in range(length))


def test_a_long_chain_of_correlations_is_followed_to_its_end(tmp_path):
    base = "---\ntitle: x\nname: base\ndetection: {a: {outcome: failure}}\n"
    write(tmp_path, "x.yml", chain(1500, "base") + base)
    started = time.monotonic()
    rules = load_rules([tmp_path]).rules
    assert [found.rule for found in Engine(rules, "main", UTC).fold_all([event()])] == ["c0"]
    assert time.monotonic() - started < 20


def test_a_long_circle_of_correlations_is_refused(tmp_path):
    write(tmp_path, "x.yml", chain(1500, "c0"))
    started = time.monotonic()
    with pytest.raises(RulesError, match="goes in a circle"):
        load_rules([tmp_path])
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: x\ndetection: " + "{a: " * 100 + "1" + "}" * 100, "is nested deeper than 64 levels"),
        ("title: x\ndetection: {a: {login|re: [" + "x.y, " * 1001 + "x]}}", "more than 1000 values are expressions"),
        ("title: x\ndetection: &a {a: *a}", "the alias *a stands inside the value that it names"),
        ("title: x\ndetection: {a: {login|re: '(((a{1,99}){1,99}){1,99}'}}", "login|re: is no regular expression"),
        ("title: x\ndetection: {a: {ip: x}, condition: " + "(" * 2000 + "a" + ")" * 2000 + "}", "condition: is nested deeper"),
        ("title: x\ndetection: {a: {ip: x}, condition: '" + "a or " * 5000 + "a'}", "condition: is longer than"),
        ("title: x\ndetection: {a: {ip: x}}\nburst: {count: 99999999, within: 1m}", "burst.count: must be at most"),
        ("title: x\ndetection: {a: {ip: x}}\nburst: {count: 2, within: 999999999d}", "burst.within: must be more than nothing"),
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(tmp_path, text, expected):
    write(tmp_path, "x.yml", text)
    started = time.monotonic()
    with pytest.raises(RulesError) as raised:
        load_rules([tmp_path])
    assert expected in str(raised.value)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}", "([a-zA-Z]+)*$"])
def test_an_expression_that_explodes_elsewhere_takes_no_time_here(tmp_path, pattern):
    write(tmp_path, "x.yml", f"title: x\ndetection: {{a: {{login|re: '^{pattern}'}}}}\n")
    (rule,) = load_rules([tmp_path]).rules
    assert rule.condition is not None
    started = time.monotonic()
    rule.condition.test(event(login="a" * 100_000 + "!"))
    assert time.monotonic() - started < 2
