"""Each pattern finds what its plainest definition finds, on random histories that crowd the edges of its windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.distinct import DistinctState
from alertbot.engine.sequence import SequenceState
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, Each, FirstSeen, Pattern, Selection, Sequence_, Source, Spike, Step, Temporal
from tests.engine import reference
from tests.engine.build import ANY, FAILED, MINUTE, SUCCEEDED, UTC, event, firing_ids, found_by, rule, selection
from tests.engine.histories import Spared, histories, spared, text

DAY = timedelta(days=1)
BY = st.sampled_from([("account",), ("account",), ("ip",), ("account", "country"), ("known", "ip")])


def as_reference(findings: list[Finding]) -> list[tuple[object, ...]]:
    return sorted((id_of(f.firing), tuple(id_of(ref) for ref in f.events), f.last_us, f.count) for f in findings)


def keys(events: list[Event], by: tuple[str, ...]) -> list[list[Event]]:
    """The events of each key, those without one left out."""

    def key(event: Event) -> str | None:
        return together(event, by)

    return list(reference.by_key(events, key).values())


def together(event: Event, fields: tuple[str, ...]) -> str | None:
    """The values of several fields as one text, None where one is absent."""
    values = [text(None if name == "ip" and event.ip_partial else getattr(event, name)) for name in fields]
    values = [text(str(event.known)) if name == "known" else value for name, value in zip(fields, values, strict=True)]
    return None if None in values else "\x1f".join(map(str, values))


@settings(deadline=None)
@given(histories(), st.integers(2, 5), st.integers(1, 12), BY, spared)
def test_burst_is_its_definition(events: list[Event], count: int, minutes: int, by: tuple[str, ...], left: Spared) -> None:
    pattern = Burst(count, minutes * MINUTE)
    failures = [e for e in left.counted(events) if e.outcome == "failure"]
    expected = [found[1:] for matches in keys(failures, by) for found in reference.burst(pattern, matches, left.wanted)]
    assert as_reference(found_by([rule(pattern, by=by, **left.settings)], events)) == sorted(expected)


@settings(deadline=None)
@given(histories(), st.integers(2, 4), st.integers(1, 20), st.sampled_from([("ip",), ("country", "ip")]), spared)
def test_distinct_is_its_definition(events: list[Event], count: int, minutes: int, of: tuple[str, ...], left: Spared) -> None:
    pattern = Distinct(of, count, minutes * MINUTE)
    expected = [
        found[1:]
        for matches in keys(left.counted(events), ("account",))
        for found in reference.distinct(pattern, matches, lambda e: together(e, of), left.wanted)
    ]
    assert as_reference(found_by([rule(pattern, ANY, **left.settings)], events)) == sorted(expected)


SERVES: tuple[Selection, ...] = (FAILED, SUCCEEDED, ANY, selection(ip="2.2.2.2"))
STEPS = st.lists(st.tuples(st.sampled_from(SERVES), st.integers(1, 2)), min_size=1, max_size=3)


@settings(deadline=None)
@given(histories(), STEPS, st.integers(1, 20), spared)
def test_sequence_is_its_definition(
    events: list[Event], steps: list[tuple[Selection, int]], minutes: int, left: Spared
) -> None:
    pattern = Sequence_(minutes * MINUTE, tuple(Step(count, selection) for selection, count in steps))
    expected = [
        found
        for matches in keys(left.counted(events), ("account",))
        for found in reference.sequence(pattern, matches, lambda e, step: steps[step][0].test(e), left.wanted)
    ]
    found = found_by([rule(pattern, None, **left.settings)], events)
    assert sorted((id_of(f.firing), tuple(id_of(ref) for ref in f.events)) for f in found) == sorted(expected)
    assert all(f.count == len(f.events) and f.at_us == f.last_us for f in found)


A, B, C = (selection(outcome=outcome) for outcome in "abc")


@st.composite
def long_waits(draw: st.DrawFn) -> list[Event]:
    """Many of the same one or two things, with all of them before and after."""
    repeated = draw(st.sampled_from(["ab", "bc", "ac", "a", "b"]))
    before = st.lists(st.sampled_from("abc"), max_size=4)
    after = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)
    outcomes = draw(before) + draw(st.lists(st.sampled_from(repeated), min_size=16, max_size=26)) + draw(after)
    return [event(n, n * MINUTE, outcome) for n, outcome in enumerate(outcomes)]


@settings(max_examples=50, deadline=None)
@given(
    long_waits(),
    st.permutations([A, B, C]),
    st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (3, 1)]),
    st.sampled_from([20, 60]),
)
def test_a_sequence_that_is_long_in_coming_is_its_definition(
    events: list[Event], order: list[Selection], counts: tuple[int, ...], minutes: int
) -> None:
    """Whatever of the many matches in its window it lets go of."""
    pattern = Sequence_(minutes * MINUTE, tuple(map(Step, counts, order)))
    expected = reference.sequence(pattern, events, lambda e, step: order[step].test(e))
    found = found_by([rule(pattern, None)], events)
    assert [(id_of(f.firing), tuple(id_of(ref) for ref in f.events)) for f in found] == expected


@pytest.mark.parametrize(
    ("counts", "outcomes", "evidence"),
    [
        ((1, 1, 1), "a" + 40 * "b" + "c", [0, 40, 41]),
        ((2, 1, 1), "a" + 40 * "c" + "abc", [0, 41, 42, 43]),
        ((2, 1, 1), "aab" + 20 * "ab" + 40 * "b" + "c", [39, 41, 82, 83]),
        ((1, 2, 1), "ab" + 40 * "a" + "bc", [0, 1, 42, 43]),
    ],
)
def test_the_first_steps_are_kept_however_long_the_last_is_in_coming(
    counts: tuple[int, ...], outcomes: str, evidence: list[int]
) -> None:
    pattern = Sequence_(DAY, tuple(map(Step, counts, (A, B, C))))
    (found,) = found_by([rule(pattern, None)], [event(n, n * MINUTE, outcome) for n, outcome in enumerate(outcomes)])
    assert [id_of(ref) for ref in found.events] == evidence


def test_a_key_that_is_hammered_without_completing_the_steps_stays_small() -> None:
    pattern = Sequence_(DAY, (Step(2, A), Step(1, B), Step(1, C)))
    engine = Engine([rule(pattern, None)], "test", UTC)
    engine.fold_all(event(n, n * MINUTE / 60, "bc"[n % 2] if n else "a") for n in range(5_000))
    state = engine._settled.states[0]
    assert isinstance(state, SequenceState)
    cell = state.table.peek("anna")
    assert cell is not None
    assert len(cell) < 100


def test_what_serves_only_later_steps_is_not_remembered() -> None:
    engine = Engine([rule(Sequence_(DAY, (Step(2, FAILED), Step(1, SUCCEEDED))), None)], "test", UTC)
    engine.fold_all([event(0, 0 * MINUTE), *(event(n, n * MINUTE, "success", account=f"user {n}") for n in range(1, 100))])
    state = engine._settled.states[0]
    assert isinstance(state, SequenceState)
    assert len(state.table) == 1


EACH = st.sampled_from([
    (("country",),),
    (("country", "ip"),),
    (("country",), ("ip",)),
    (("country",), ("ip", "outcome"), ("outcome",)),
])  # fmt: skip


@settings(deadline=None)
@given(histories(), st.integers(0, 15), st.integers(1, 30), EACH, spared)
def test_first_seen_is_its_definition(
    events: list[Event], learn: int, memory: int, each: tuple[tuple[str, ...], ...], left: Spared
) -> None:
    pattern = FirstSeen(each, memory * MINUTE, learn * MINUTE)
    expected = [
        fired
        for matches in keys(events, ("account",))
        for fired in reference.first_seen(pattern, matches, lambda e: [together(e, group) for group in each], left.fires)
    ]
    assert firing_ids(found_by([rule(pattern, ANY, **left.settings)], events)) == sorted(expected)


@pytest.mark.parametrize("step", [MINUTE, 11 * MINUTE])
def test_a_key_with_one_value_at_a_time_is_small(step: timedelta) -> None:
    engine = Engine([rule(Distinct(("ip",), 2, 10 * MINUTE))], "test", UTC)
    engine.fold_all(event(n, n * step, ip=f"1.1.1.{n}" if step > 10 * MINUTE else "1.1.1.1") for n in range(9))
    state = engine._settled.states[0]
    assert isinstance(state, DistinctState)
    assert isinstance(state.table.peek("anna"), tuple)


def test_windows_include_both_ends() -> None:
    pattern = Burst(2, 10 * MINUTE)
    at_the_edge = [event(1, 0 * MINUTE), event(2, 10 * MINUTE)]
    past_it = [event(1, 0 * MINUTE), event(2, 10 * MINUTE + timedelta(microseconds=1))]
    assert len(found_by([rule(pattern)], at_the_edge)) == 1
    assert found_by([rule(pattern)], past_it) == []


def test_a_match_without_its_key_does_not_count_except_where_each_event_is_judged_alone() -> None:
    nobody = [event(n, n * MINUTE, account=None) for n in range(5)]
    assert found_by([rule(Burst(2, 10 * MINUTE))], nobody) == []
    alone = found_by([rule(Each(), by=("account", "ip"))], nobody)
    assert [(f.fields, f.key) for f in alone] == [(("ip",), ("203.0.113.7",))] * 5


def test_only_looks_at_the_firing_event_and_not_at_what_was_counted() -> None:
    admins = Selection(test=lambda e: e.role == "admin", fingerprint="admin")
    guarded = rule(Burst(2, 10 * MINUTE), only=admins, by=("ip",))
    assert found_by([guarded], [event(1, MINUTE), event(2, MINUTE, role="admin")])
    assert not found_by([guarded], [event(1, MINUTE, role="admin"), event(2, MINUTE)])


@pytest.mark.parametrize(
    "pattern",
    [Burst(2, 2 * MINUTE), Distinct(("ip",), 2, 2 * MINUTE), Spike(2 * MINUTE, 1.5, 20 * MINUTE, 2), Temporal(1, 2 * MINUTE)],
    ids=lambda pattern: type(pattern).__name__,
)
def test_what_only_did_not_want_extends_no_finding_of_before(pattern: Pattern) -> None:
    def storm(start: int, role: str) -> list[Event]:
        return [event(start + n, (start + n) * MINUTE, role=role, ip=f"1.1.1.{n % 2}") for n in range(4)]

    heard = rule(Each(), name="heard", heard_only=True)
    guarded = rule(pattern, name="guarded", only=selection(role="admin"))
    if isinstance(pattern, Temporal):
        guarded = replace(guarded, condition=None, sources=(Source("heard", ("account",)),))
    (found,) = found_by([heard, guarded], [event(0, 0 * MINUTE), *storm(20, "admin"), *storm(30, "user")])
    assert found.last_us == event(0, 23 * MINUTE).at_us


def test_a_sequence_may_wait_for_the_firings_of_other_rules() -> None:
    guessing = rule(Burst(3, 10 * MINUTE), name="guessing")
    then = Sequence_(30 * MINUTE, (Step(1, rule="guessing"), Step(1, SUCCEEDED)))
    events = [event(n, n * MINUTE) for n in range(3)] + [event(9, 12 * MINUTE, "success")]
    both = found_by([rule(then, None, name="taken"), guessing], events)
    assert [(f.rule, id_of(f.firing)) for f in both] == [("guessing", 2), ("taken", 9)]
    assert [id_of(ref) for ref in both[1].events] == [2, 9]
