"""Conditions, compiled: the same answers as the plainest evaluation, whatever the rule and the event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.event import ATTRIBUTES, Event
from alertbot.rules.condition import equalities, fingerprint
from alertbot.rules.detection import read_detection
from alertbot.rules.fields import texts
from alertbot.rules.match import MAX_REMEMBERED, select
from tests.rules import naive
from tests.rules.build import condition, event, selection

TEXT = st.text("aAbB*?\\ é", max_size=4)
ADDRESS = st.sampled_from(["10.0.0.1", "10.1.0.1", "192.0.2.7", "2001:db8::1", "2001", "x", ""])
EVENTS = st.builds(
    Event,
    portal=st.just("main"),
    id=st.integers(1, 3),
    at_us=st.integers(0, 200_000).map(lambda seconds: seconds * 1_000_000),
    action_id=st.sampled_from([1002, 1029, 3]),
    outcome=st.sampled_from(["success", "failure", "Failure", None]),
    login=st.none() | TEXT,
    user=st.none() | TEXT,
    browser=st.sampled_from([None, "131", "-5", "1e3", "nan", "Chrome 131", "１３１"]),
    ip=st.none() | ADDRESS,
    ip_partial=st.booleans(),
    known=st.booleans(),
    tfa=st.none() | st.booleans(),
    groups=st.lists(TEXT, max_size=2).map(tuple),
    role=st.sampled_from(["admin", "user", None]),
)
VALUES = {
    "": TEXT.filter(bool),
    "login": TEXT | st.none() | st.integers(0, 3),
    "user": TEXT | st.none(),
    "groups": TEXT | st.none(),
    "outcome": st.sampled_from(["failure", "SUCCESS", "f*", None]),
    "role": st.sampled_from(["admin", "user", "*", None]),
    "actionId": st.sampled_from([1002, "1029", "10*"]),
    "known": st.booleans() | st.sampled_from(["True", "t*"]),
    "tfa": st.booleans() | st.none(),
}
SPECIAL = [
    ("browser|gt", st.integers(-10, 200)),
    ("browser|lte", st.floats(-10, 200)),
    ("actionId|gte", st.sampled_from([3, 1002, 1003.5])),
    ("date|hour", st.integers(0, 23)),
    ("date|hour|lt", st.integers(0, 23)),
    ("ip|cidr", st.sampled_from(["10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32", "::/0", "0.0.0.0/0"])),
    ("login|fieldref", st.sampled_from(["user", "groups", "role"])),
    ("login|exists", st.booleans()),
    ("groups|exists", st.booleans()),
]
AROUND = st.sampled_from([[], ["contains"], ["startswith"], ["endswith"]])


@st.composite
def items(draw: st.DrawFn) -> tuple[str, object]:
    """One `field|modifiers` and its values."""
    if draw(st.integers(0, 3)) == 0:
        key, values = draw(st.sampled_from(SPECIAL))
        modifiers = []
    else:
        key, values = draw(st.sampled_from(list(VALUES.items())))
        modifiers = draw(AROUND.filter(lambda given: key or given in ([], ["contains"])))
        modifiers = [*modifiers, *draw(st.sampled_from([[], ["cased"]]))]
    if modifiers:
        values = values.filter(lambda value: value is not None)
    several = st.just(key.endswith("exists")).flatmap(lambda one: values if one else st.lists(values, min_size=1, max_size=3))
    value = draw(values | several)
    joins = [[], ["neq"], ["all"]] if isinstance(value, list) else [[], ["neq"]]
    return "|".join([key, *modifiers, *draw(st.sampled_from(joins))]), value


SELECTIONS = st.lists(items(), min_size=1, max_size=3).map(dict)
ANY = st.one_of(SELECTIONS, st.lists(SELECTIONS | TEXT.filter(bool), min_size=1, max_size=3))


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> tuple[str, object]:
    """A condition over `a` and `b` as text, and as a function of whether they hold."""
    kind = draw(st.sampled_from(["a", "b", "not", "and", "or"])) if depth else draw(st.sampled_from(["a", "b"]))
    if kind in ("a", "b"):
        return kind, lambda truth: truth[kind]
    text, holds = draw(conditions(depth - 1))
    if kind == "not":
        return f"not ({text})", lambda truth: not holds(truth)
    other, also = draw(conditions(depth - 1))
    if kind == "and":
        return f"({text}) and ({other})", lambda truth: holds(truth) and also(truth)
    return f"({text}) or ({other})", lambda truth: holds(truth) or also(truth)


def compiled(detection: dict[str, object]):
    """The detection's condition."""
    said: list[object] = []
    found = read_detection(detection, (), {}, lambda way, message, *, at_key=False: said.append((way, message)))
    assert not said
    assert found.condition is not None
    return found.condition


@settings(max_examples=150, deadline=None)
@given(ANY, ANY, conditions(), st.lists(EVENTS, min_size=1, max_size=5))
def test_a_compiled_detection_answers_as_the_plainest_evaluation_does(a, b, joined, events):
    text, holds = joined
    test = select(compiled({"a": a, "b": b, "condition": text})).test
    for one in [*events, *events]:
        expected = holds({"a": naive.selected(a, one), "b": naive.selected(b, one)})
        assert test(one) is expected


@settings(max_examples=100, deadline=None)
@given(ANY, ANY, conditions(), EVENTS)
def test_an_event_that_matches_holds_one_of_the_necessary_values(a, b, joined, one):
    found = select(compiled({"a": a, "b": b, "condition": joined[0]}))
    if found.test(one):
        for field, values in found.equals:
            assert {text.lower() for text in texts(field)(one)} & values


@settings(max_examples=100, deadline=None)
@given(ANY, ANY, EVENTS)
def test_detections_with_one_fingerprint_give_one_answer(a, b, one):
    first, second = select(compiled({"x": a})), select(compiled({"x": b}))
    if first.fingerprint == second.fingerprint:
        assert first.test(one) is second.test(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f: {outcome: failure, known: true}", "g: {known: 'TRUE', outcome: [FAILURE]}"),
        ("f: {login: [a, b]}", "f: {login: [b, A, a]}"),
        ("f: {login: [a, b]}", "f: [{login: b}, {login: a}]"),
        ("{f: {login: a}, g: {login: b}, condition: f or g}", "f: {login: [a, b]}"),
        ("{f: {login: a}, g: {user: b}, condition: f and g}", "f: {login: a, user: b}"),
        ("{f: {login: a}, g: {user: b}, condition: not (not (g and f))}", "f: {login: a, user: b}"),
        ("f: {login|contains: a}", "f: {login: '*A*'}"),
        ("f: {login|neq: a}", "{f: {login: a}, condition: not f}"),
        ("f: {login|exists: false}", "f: {login: null}"),
        ("f: {login: '*'}", "f: {login|exists: true}"),
        ("f: {ip|cidr: [10.0.0.0/8, 11.0.0.0/8]}", "f: [{ip|cidr: 11.0.0.0/8}, {ip|cidr: 10.0.0.0/8}]"),
    ],
)
def test_two_ways_to_say_the_same_share_one_fingerprint(one, other):
    assert fingerprint(condition(one)) == fingerprint(condition(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f: {login: a}", "f: {login|cased: a}"),
        ("f: {login: a}", "f: {user: a}"),
        ("f: {login: '*a'}", r"f: {login: '\*a'}"),
        ("f: {login: null}", "f: {login: ''}"),
        ("f: {login: null}", "f: {login: 'null'}"),
        ("f: {login|re: a}", "f: {login|contains: a}"),
        ("f: {login|re: a}", "f: {login|re|i: a}"),
        ("f: {date|hour: 1}", "f: {date|minute: 1}"),
        ("f: {login|fieldref: user}", "f: {user|fieldref: login}"),
    ],
)
def test_different_conditions_have_different_fingerprints(one, other):
    assert fingerprint(condition(one)) != fingerprint(condition(other))


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("f: {outcome: FAILURE}", {"outcome": {"failure"}}),
        ("f: {outcome|cased: Failure}", {"outcome": {"failure"}}),
        ("f: {actionId: [1002, 1003], login|contains: a}", {"actionid": {"1002", "1003"}}),
        ("f: [{outcome: failure, known: true}, {outcome: success}]", {"outcome": {"failure", "success"}}),
        ("f: [{outcome: failure}, {login: a}]", {}),
        ("{f: {outcome: [a, b]}, g: {outcome: [b, c]}, condition: f and g}", {"outcome": {"b"}}),
        ("{f: {outcome: a}, g: {known: true}, condition: f and not g}", {"outcome": {"a"}}),
        ("f: {outcome|neq: failure}", {}),
        ("f: {groups: sales}", {}),
        ("f: {outcome: 'f*'}", {}),
        ("f: {outcome: null}", {}),
        ("f: failure", {}),
    ],
)
def test_necessary_equalities_follow_from_the_whole_condition(detection, expected):
    found = {field.lower(): set(values) for field, values in equalities(condition(detection)).items()}
    assert found == expected


def test_answers_are_remembered_for_fields_of_few_values_only_up_to_a_limit():
    test = selection("f: {event: 'login*', outcome: failure}").test
    for number in range(MAX_REMEMBERED + 10):
        assert not test(event(event=f"E{number}"))
        assert test(event(event=f"Login{number}"))


def test_a_keyword_is_looked_for_in_every_field():
    samples = {"several": ("needle",), "text": "needle"}
    for field, attribute in ATTRIBUTES.items():
        if attribute not in ("feed", "at_us", "id", "action_id", "known", "tfa", "geo", "ip_partial"):
            value = samples["several" if field == "groups" else "text"]
            assert selection("f: [need?e]").test(event(**{attribute: value})), field


def test_matching_takes_linear_time_whatever_was_typed():
    slow = selection(r"{f: {login|re: '^(a+)+$'}, g: {login: '*a*a*a*a*a*b'}, condition: f or g}").test
    assert not slow(event(login="a" * 4000 + "!"))
