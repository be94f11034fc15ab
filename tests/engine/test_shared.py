"""Rules that share a window find what each of them finds alone."""

from __future__ import annotations

from datetime import UTC
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.shared import MOST_SHARING, sharing
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, Exemption, Pattern, Rule
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
    ]
    assert sharing([*same, *others]) == [(0, 1)]


def test_more_rules_than_a_cell_has_flags_for_take_several_windows() -> None:
    rules = [rule(Burst(2 + n, 60 * MINUTE), name=f"rule {n}") for n in range(MOST_SHARING + 5)]
    assert [len(places) for places in sharing(rules)] == [MOST_SHARING, 5]
    events = [event(n, n * MINUTE) for n in range(40)]
    assert _find(rules, events) == _alone(rules, events)
