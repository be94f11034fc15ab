"""A text against many wildcards at once: the same answers as each for itself, in time that hardly grows with them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.rules.texts import FEW, like, overlapping
from tests.rules.naive import glob

LITERAL = st.text("aB?.", max_size=3).map(lambda text: text.replace("?", "\\?"))
PATTERNS = st.tuples(st.sampled_from(["", "*"]), LITERAL, st.sampled_from(["*", "*b", "?"])).map("".join)
MANY = [f"*never{number}*" for number in range(FEW)] + [f"never{number}*" for number in range(FEW)]
MANY += [f"*never{number}" for number in range(FEW)]


@settings(max_examples=200, deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=4), st.sampled_from([[], MANY]), st.text("abB?.n", max_size=5), st.booleans())
def test_many_wildcards_at_once_answer_as_each_for_itself(patterns, others, text, cased):
    patterns = patterns if cased else [pattern.lower() for pattern in patterns]
    expected = any(glob(pattern, text, cased=cased) for pattern in patterns)
    assert like([*patterns, *others], cased=cased)(text) is expected


@pytest.mark.parametrize("form", ["*never{}", "never{}*", "*never{}*"])
def test_a_text_is_held_against_a_hundred_thousand_wildcards_in_no_time(form):
    test = like([form.format(number) for number in range(100_000)], cased=False)
    assert test("NEVER7" if form != "*never{}*" else "x never7 x")
    started = time.monotonic()
    assert not any(test(f"anna{number}@example.com") for number in range(1000))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (["10.0.0.0/8"], ["10.1.0.0/16"], True),
        (["10.1.0.0/16"], ["10.0.0.0/8"], True),
        (["10.0.0.0/9"], ["10.128.0.0/9", "192.0.2.1/32"], False),
        (["0.0.0.0/0"], ["::/0"], False),
        (["10.0.0.1/32"], ["10.0.0.1/32"], True),
    ],
)
def test_networks_overlap_where_an_address_is_in_both(one, other, expected):
    assert overlapping(one, other) is expected
