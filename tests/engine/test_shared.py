"""Rules that share a window find what each of them finds alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.shared import MOST_SHARING, sharing
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, Exemption, Pattern, Rule, Source
from tests.engine.build import ANY, MINUTE, SUCCEEDED, event, rule
from tests.engine.histories import histories

spans = st.tuples(st.integers(2, 5), st.integers(1, 20))


def _find(rules: list[Rule], events: list[Event]) -> dict[str, Finding]:
    return {found.id: found for found in Engine(rules, "test", UTC).fold_all(events)}


def _alone(rules: list[Rule], events: list[Event]) -> dict[str, Finding]:
    return {name: found for one in rules for name, found in _find([one], events).items()}


def _rules(patterns: list[Pattern], only: bool) -> list[Rule]:
    picky = SUCCEEDED if only else None
    return [rule(pattern, name=f"rule {n}", only=None if n else picky) for n, pattern in enumerate(patterns)]


@settings(deadline=None)
@given(histories(), st.lists(spans, min_size=2, max_size=5), st.booleans())
def test_bursts_over_one_window_fire_and_go_on_as_each_would_alone(
    events: list[Event], given_spans: list[tuple[int, int]], only: bool
) -> None:
    rules = _rules([Burst(count, minutes * MINUTE) for count, minutes in given_spans], only)
    assert _find(rules, events) == _alone(rules, events)


@settings(deadline=None)
@given(histories(), st.lists(spans, min_size=2, max_size=5), st.booleans())
def test_counts_of_values_over_one_window_fire_and_go_on_as_each_would_alone(
    events: list[Event], given_spans: list[tuple[int, int]], only: bool
) -> None:
    rules = _rules([Distinct(("ip",), count, minutes * MINUTE) for count, minutes in given_spans], only)
    assert _find(rules, events) == _alone(rules, events)


@settings(deadline=None)
@given(histories(), st.lists(spans, min_size=2, max_size=4), st.randoms(use_true_random=False), st.integers(1, 4))
def test_sharing_rules_put_a_late_event_in_order(
    events: list[Event], given_spans: list[tuple[int, int]], mixed: Random, at_once: int
) -> None:
    patterns = [Burst(count, minutes * MINUTE) for count, minutes in given_spans]
    patterns += [Distinct(("ip",), count, minutes * MINUTE) for count, minutes in given_spans]
    rules = _rules(patterns, only=False)
    engine = Engine(rules, "test", UTC, tail_events=5)
    stored: dict[str, Finding] = {}
    shuffled = sorted(events, key=lambda e: e.at_us + mixed.randrange(4) * 60_000_000)
    for start in range(0, len(shuffled), at_once):
        difference = engine.propose(shuffled[start : start + at_once])
        stored.update({found.id: found for found in difference.changed})
        for gone in difference.gone:
            del stored[gone]
        engine.accept()
    assert stored == _alone(rules, events)


def test_only_rules_that_look_at_the_same_matches_share() -> None:
    same = [rule(Burst(n, MINUTE), name=f"same {n}") for n in (2, 3)]
    others = [
        rule(Burst(2, MINUTE), ANY, name="other condition"),
        rule(Burst(2, MINUTE), name="other key", by=("ip",)),
        rule(Distinct(("ip",), 2, MINUTE), name="other pattern"),
        rule(Burst(2, MINUTE), name="with an exception", exemptions=(Exemption(ANY, "", None),)),
        rule(Burst(2, MINUTE, 3), name="with a bound"),
        rule(Burst(1, MINUTE), name="of one"),
        rule(Burst(2, MINUTE), None, name="of firings", sources=(Source("same 2", ("account",)),)),
        rule(Burst(3, MINUTE), None, name="of more firings", sources=(Source("same 2", ("account",)),)),
    ]
    assert sharing([*same, *others]) == [(0, 1)]


@pytest.mark.parametrize("pattern", [Burst, partial(Distinct, ("ip",))])
def test_a_key_that_is_hammered_holds_what_the_highest_count_needs(pattern: Callable[..., Pattern]) -> None:
    rules = _rules([pattern(count, 60 * MINUTE) for count in (2, 5)], only=False)
    engine = Engine(rules, "test", UTC)
    engine.fold_all(event(n, n * MINUTE / 60, ip=f"10.0.0.{n % 250}") for n in range(2_000))
    cell = engine._settled.states[0].table.peek("anna")  # type: ignore[attr-defined]
    assert len(getattr(cell, "values", cell)) <= 11


def test_more_rules_than_a_cell_has_flags_for_take_several_windows() -> None:
    rules = [rule(Burst(2 + n, 60 * MINUTE), name=f"rule {n}") for n in range(MOST_SHARING + 5)]
    assert [len(places) for places in sharing(rules)] == [MOST_SHARING, 5]
    events = [event(n, n * MINUTE) for n in range(40)]
    assert _find(rules, events) == _alone(rules, events)
