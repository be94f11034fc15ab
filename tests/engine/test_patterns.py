"""Each pattern finds what its plainest definition finds, on random histories that crowd the edges of its windows."""

from __future__ import annotations

from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, FirstSeen, Rule, Selection, Sequence_, Step
from tests.engine import reference
from tests.engine.build import ANY, FAILED, MINUTE, SUCCEEDED, event, rule

moves = st.tuples(
    st.integers(0, 6),
    st.sampled_from(["anna", "Anna", "ben", None]),
    st.sampled_from(["failure", "failure", "success"]),
    st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3", ""]),
    st.sampled_from(["Germany", "germany", "France", "Japan"]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events some minutes apart, often in the same second."""
    after = timedelta()
    events = []
    for number, (minutes, account, outcome, ip, country) in enumerate(draw(st.lists(moves, max_size=40))):
        after += minutes * MINUTE
        events.append(event(number, after, outcome, account=account, ip=ip, country=country))
    return events


def found_by(rules: list[Rule], events: list[Event]) -> list[Finding]:
    return Engine(rules, "test", UTC).fold_all(events)


def as_reference(findings: list[Finding]) -> list[reference.Found]:
    return sorted((f.key[0], id_of(f.firing), tuple(id_of(ref) for ref in f.events), f.last_us, f.count) for f in findings)


def account(event: Event) -> str | None:
    return event.account


@settings(deadline=None)
@given(histories(), st.integers(2, 5), st.integers(1, 12))
def test_burst_is_its_definition(events: list[Event], count: int, minutes: int) -> None:
    pattern = Burst(count, minutes * MINUTE)
    failures = [e for e in events if e.outcome == "failure"]
    expected = [f for matches in reference.by_key(failures, account).values() for f in reference.burst(pattern, matches)]
    assert as_reference(found_by([rule(pattern)], events)) == sorted(expected)


@settings(deadline=None)
@given(histories(), st.integers(2, 4), st.integers(1, 20))
def test_distinct_is_its_definition(events: list[Event], count: int, minutes: int) -> None:
    pattern = Distinct(("ip",), count, minutes * MINUTE)
    expected = [
        f
        for matches in reference.by_key(events, account).values()
        for f in reference.distinct(pattern, matches, lambda e: e.ip)
    ]
    assert as_reference(found_by([rule(pattern, ANY)], events)) == sorted(expected)


SERVES: tuple[Selection, ...] = (FAILED, SUCCEEDED, ANY)


@settings(deadline=None)
@given(histories(), st.lists(st.tuples(st.sampled_from(SERVES), st.integers(1, 2)), min_size=1, max_size=3), st.integers(1, 20))
def test_sequence_is_its_definition(events: list[Event], steps: list[tuple[Selection, int]], minutes: int) -> None:
    pattern = Sequence_(minutes * MINUTE, tuple(Step(count, selection) for selection, count in steps))
    expected = [
        f
        for matches in reference.by_key(events, account).values()
        for f in reference.sequence(pattern, matches, lambda e, step: steps[step][0].test(e))
    ]
    found = [(id_of(f.firing), f.count) for f in found_by([rule(pattern, None)], events)]
    assert sorted(found) == sorted(expected)


@settings(deadline=None)
@given(
    histories(),
    st.integers(0, 15),
    st.integers(1, 30),
    st.sampled_from([(("country",),), (("country", "ip"),), (("country",), ("ip",))]),
)
def test_first_seen_is_its_definition(events: list[Event], learn: int, memory: int, each: tuple[tuple[str, ...], ...]) -> None:
    pattern = FirstSeen(each, memory * MINUTE, learn * MINUTE)

    def values(event: Event) -> list[str | None]:
        return [
            None if any(not getattr(event, field) for field in group) else "\x1f".join(getattr(event, field) for field in group)
            for group in each
        ]

    expected = [
        f for matches in reference.by_key(events, account).values() for f in reference.first_seen(pattern, matches, values)
    ]
    assert sorted(id_of(f.firing) for f in found_by([rule(pattern, ANY)], events)) == sorted(expected)


def test_windows_include_both_ends() -> None:
    pattern = Burst(2, 10 * MINUTE)
    at_the_edge = [event(1, 0 * MINUTE), event(2, 10 * MINUTE)]
    past_it = [event(1, 0 * MINUTE), event(2, 10 * MINUTE + timedelta(microseconds=1))]
    assert len(found_by([rule(pattern)], at_the_edge)) == 1
    assert found_by([rule(pattern)], past_it) == []


def test_a_match_without_its_key_does_not_count_except_where_each_event_is_judged_alone() -> None:
    from alertbot.rules.model import Each

    nobody = [event(n, n * MINUTE, account=None) for n in range(5)]
    assert found_by([rule(Burst(2, 10 * MINUTE))], nobody) == []
    alone = found_by([rule(Each(), by=("account", "ip"))], nobody)
    assert [(f.fields, f.key) for f in alone] == [(("ip",), ("203.0.113.7",))] * 5


def test_only_looks_at_the_firing_event_and_not_at_what_was_counted() -> None:
    admins = Selection(test=lambda e: e.role == "admin", fingerprint="admin")
    guarded = rule(Burst(2, 10 * MINUTE), only=admins, by=("ip",))
    assert found_by([guarded], [event(1, MINUTE), event(2, MINUTE, role="admin")])
    assert not found_by([guarded], [event(1, MINUTE, role="admin"), event(2, MINUTE)])


def test_a_sequence_may_wait_for_the_firings_of_other_rules() -> None:
    guessing = rule(Burst(3, 10 * MINUTE), name="guessing")
    then = Sequence_(30 * MINUTE, (Step(1, rule="guessing"), Step(1, SUCCEEDED)))
    events = [event(n, n * MINUTE) for n in range(3)] + [event(9, 12 * MINUTE, "success")]
    both = found_by([rule(then, None, name="taken"), guessing], events)
    assert [(f.rule, id_of(f.firing)) for f in both] == [("guessing", 2), ("taken", 9)]
    assert [id_of(ref) for ref in both[1].events] == [2, 9]
