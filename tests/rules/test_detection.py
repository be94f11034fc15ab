"""The condition over a detection's selections, as Sigma's specification 2.1 says it."""

from __future__ import annotations

import pytest

from tests.rules.build import condition, event, matches, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("yes and no", False),
        ("yes or no", True),
        ("not no", True),
        ("not not yes", True),
        ("yes and not no", True),
        ("no or yes and no", False),
        ("yes or yes and no", True),
        ("not no and no", False),
        ("(no or yes) and yes", True),
        ("not (no or yes)", False),
        ("1 of them", True),
        ("any of them", True),
        ("all of them", False),
        ("1 of yes*", True),
        ("all of yes*", True),
        ("1 of no*", False),
        ("all of *es*", True),
        ("1 of _hid*", True),
        ("_hidden", True),
        ("yes and not 1 of no*", True),
        ("[no, yes]", True),
        ("[no, no and yes]", False),
    ],
)
def test_a_condition_joins_selections_as_the_specification_says(text, expected):
    detection = f"""
        yes: {{outcome: failure}}
        yes2: {{actionId: 1002}}
        no: {{outcome: success}}
        _hidden: {{method: password}}
        condition: {text if text.startswith("[") else repr(text)}
    """
    assert matches(detection, event()) is expected


def test_them_leaves_out_selections_that_begin_with_an_underscore():
    assert matches("{a: {outcome: failure}, _b: {outcome: success}, condition: all of them}", event())


def test_one_selection_needs_no_condition():
    assert matches("only: {outcome: failure}", event())


@pytest.mark.parametrize("text", ["(" * 4000 + "f" + ")" * 4000, "not " * 2000 + "f", "not (f and " * 500 + "f" + ")" * 500])
def test_a_condition_that_is_nested_without_end_is_refused(text):
    _, said = read(f"{{f: {{login: x}}, condition: '{text}'}}")
    assert [sentence for _, sentence in said] == ["is nested deeper than 40 brackets and nots"]


def test_a_condition_that_is_nested_deeply_is_understood():
    text = "not (f and " * 20 + "f" + ")" * 20
    assert not read(f"{{f: {{login: x}}, condition: '{text}'}}")[1]


def test_a_condition_knows_which_selections_it_uses():
    detection, _ = read("{a: {login: x}, b: {login: y}, c: {login: z}, condition: a and not 1 of b*}")
    assert detection.used == {"a", "b"}
    assert condition("{a: {login: x}, condition: a}") == detection.selections["a"]
