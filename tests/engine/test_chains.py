"""Rules that wait for the firings of others find what their definition finds, and stay small."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.counted import CountedState
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, Each, Pattern, Rule, Selection, Sequence_, Source, Step, Temporal
from tests.engine import reference
from tests.engine.build import ANY, FAILED, MINUTE, SUCCEEDED, UTC, event, found_by, rule
from tests.engine.histories import GERMAN, Spared, histories, spared, text

DAY = timedelta(days=1)
HEARD = [rule(Each(), FAILED, name="failed", heard_only=True), rule(Each(), GERMAN, name="german", heard_only=True)]
SOURCES = (Source("failed", ("account",)), Source("german", ("account",)))

bounds = st.tuples(st.integers(1, 3), st.sampled_from([None, None, 0, 1, 2]))


def fired_at(event: Event) -> list[str]:
    """Which of the rules that are heard fire at an event, in order."""
    return [name for name, condition in (("failed", FAILED), ("german", GERMAN)) if condition.test(event)]


def found_over(
    pattern: Pattern, events: list[Event], left: Spared, sources: tuple[Source, ...] = SOURCES
) -> list[tuple[object, ...]]:
    over = rule(pattern, None, name="over", by=("who",), sources=sources, **left.settings)
    found = [f for f in found_by([over, *HEARD], events) if f.rule == "over"]
    assert {f.fields for f in found} <= {("who",)}
    return sorted((id_of(f.firing), tuple(id_of(ref) for ref in f.events), f.last_us, f.count) for f in found)


def expected_of(
    pattern: Burst | Distinct | Temporal, firings: list[tuple[Event, object]], left: Spared
) -> list[tuple[object, ...]]:
    accounts: dict[str, list[tuple[Event, object]]] = {}
    for e, thing in firings:
        if e.account and thing is not None and not left.exempt(e):
            accounts.setdefault(e.account.lower(), []).append((e, thing))
    return sorted(found[1:] for mine in accounts.values() for found in reference.counted(pattern, mine, left.wanted))


def _most(count: int, more: int | None) -> int | None:
    return None if more is None else count + more


@settings(deadline=None)
@given(histories(), bounds, st.integers(1, 20), spared)
def test_a_count_of_firings_is_its_definition(
    events: list[Event], bound: tuple[int, int | None], minutes: int, left: Spared
) -> None:
    """An event at which both rules fire is one event."""
    pattern = Burst(bound[0], minutes * MINUTE, _most(*bound))
    firings: list[tuple[Event, object]] = [(e, e.id) for e in events if fired_at(e)]
    assert found_over(pattern, events, left) == expected_of(pattern, firings, left)


@settings(deadline=None)
@given(histories(), bounds, st.integers(1, 20), spared)
def test_a_count_of_values_in_firings_is_its_definition(
    events: list[Event], bound: tuple[int, int | None], minutes: int, left: Spared
) -> None:
    pattern = Distinct(("ip",), bound[0], minutes * MINUTE, _most(*bound))
    firings: list[tuple[Event, object]] = [(e, None if e.ip_partial else text(e.ip)) for e in events if fired_at(e)]
    assert found_over(pattern, events, left) == expected_of(pattern, firings, left)


@settings(deadline=None)
@given(histories(), bounds, st.integers(1, 20), spared)
def test_a_count_of_values_that_each_rule_names_otherwise_is_its_definition(
    events: list[Event], bound: tuple[int, int | None], minutes: int, left: Spared
) -> None:
    """Then an event at which both rules fire has two of them."""
    pattern = Distinct(("what",), bound[0], minutes * MINUTE, _most(*bound))
    sources = (Source("failed", ("account",), ("outcome",)), Source("german", ("account",), ("country",)))
    values = {"failed": lambda e: text(e.outcome), "german": lambda e: text(e.country)}
    firings: list[tuple[Event, object]] = [(e, values[name](e)) for e in events for name in fired_at(e)]
    assert found_over(pattern, events, left, sources) == expected_of(pattern, firings, left)


@settings(deadline=None)
@given(histories(), bounds, st.integers(1, 20), spared)
def test_temporal_is_its_definition(events: list[Event], bound: tuple[int, int | None], minutes: int, left: Spared) -> None:
    """Of an event at which both rules fire, both firings count."""
    pattern = Temporal(bound[0], minutes * MINUTE, _most(*bound))
    firings: list[tuple[Event, object]] = [(e, name) for e in events for name in fired_at(e)]
    assert found_over(pattern, events, left) == expected_of(pattern, firings, left)


@settings(deadline=None)
@given(
    histories(),
    st.integers(1, 2),
    st.lists(st.sampled_from(["taken", "failed", ANY, FAILED, SUCCEEDED]), min_size=2, max_size=3),
    st.integers(2, 30),
    st.booleans(),
    spared,
)
def test_a_sequence_over_rules_is_its_definition(
    events: list[Event], count: int, steps: list[str | Selection], minutes: int, shadow: bool, left: Spared
) -> None:
    """Rules that are not sent fire all the same; what waits for a sequence waits as for any rule; one event serves one step."""
    within = minutes * MINUTE
    guessing = Burst(2, 6 * MINUTE)
    taken = Sequence_(within, (Step(count, rule="guessing"), Step(1, SUCCEEDED)))
    after = Sequence_(within, tuple(Step(1, rule=one) if isinstance(one, str) else Step(1, one) for one in steps))
    rules = [
        rule(after, None, name="after"),
        rule(taken, None, name="taken", **left.settings),
        rule(guessing, name="guessing", mode="shadow" if shadow else "live"),
        *HEARD,
    ]
    guessed: set[int] = set()
    took: dict[int, tuple[int, ...]] = {}
    followed: list[tuple[int, tuple[int, ...]]] = []
    serve_taken = (lambda e: e.id in guessed, SUCCEEDED.test)
    fires = {"taken": lambda e: e.id in took, "failed": FAILED.test}
    serve_after = [fires[one] if isinstance(one, str) else one.test for one in steps]
    for mine in reference.by_key(events, lambda e: e.account).values():
        guessed |= {f[1] for f in reference.burst(guessing, [e for e in mine if e.outcome == "failure"])}
        took |= reference.sequence(taken, left.counted(mine), lambda e, step: serve_taken[step](e), left.wanted)
        followed += reference.sequence(after, mine, lambda e, step: serve_after[step](e))
    found = found_by(rules, events)
    assert evidence(found, "taken") == sorted(took.items())
    assert evidence(found, "after") == sorted(followed)


def evidence(found: list[Finding], name: str) -> list[tuple[int, tuple[int, ...]]]:
    return sorted((id_of(f.firing), tuple(id_of(ref) for ref in f.events)) for f in found if f.rule == name)


def test_a_rule_that_is_heard_only_is_told_of_neither_when_it_fires_nor_when_it_goes_on() -> None:
    heard = rule(Burst(2, 10 * MINUTE), name="heard", heard_only=True)
    over = rule(Burst(1, DAY), None, name="over", sources=(Source("heard", ("account",)),))
    assert [f.rule for f in found_by([heard, over], [event(n, n * MINUTE) for n in range(5)])] == ["over"]


def test_an_event_that_completed_a_sequence_begins_none_by_what_it_makes_fire() -> None:
    twice = rule(Sequence_(DAY, (Step(1, rule="failed"), Step(1, FAILED))), None, name="twice")
    found = found_by([twice, *HEARD], [event(n, n * MINUTE) for n in range(4)])
    assert evidence(found, "twice") == [(1, (0, 1)), (3, (2, 3))]


def test_a_rule_that_is_off_fires_for_nobody() -> None:
    guessing = rule(Burst(2, 6 * MINUTE), name="guessing", mode="off")
    taken = rule(Sequence_(DAY, (Step(1, rule="guessing"), Step(1, SUCCEEDED))), None, name="taken")
    events = [event(1, MINUTE), event(2, MINUTE), event(3, 2 * MINUTE, "success")]
    assert found_by([guessing, taken], events) == []


@pytest.mark.parametrize(
    "over",
    [
        rule(Burst(1, DAY), None, name="over", by=("who",), sources=SOURCES),
        rule(Distinct(("ip",), 3, DAY), None, name="over", by=("who",), sources=(Source("failed", ("account",), ("ip",)),)),
    ],
)
def test_a_key_that_is_hammered_holds_no_more_than_is_needed(over: Rule) -> None:
    engine = Engine([over, *HEARD], "test", UTC)
    engine.fold_all(event(n, n * MINUTE / 100, ip=f"10.0.{n // 256}.{n % 256}") for n in range(2_000))
    state = engine._settled.states[0]
    assert isinstance(state, CountedState)
    cell = state.table.peek("anna")
    assert cell is not None
    assert len(cell.things) <= 3
