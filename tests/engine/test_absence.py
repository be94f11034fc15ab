"""`absence` is its definition, and says what the documentation says."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.absence import working_time_after
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.moments import span_us, to_us
from alertbot.rules.hours import parse_window
from alertbot.rules.model import Absence, Calendar, Rule
from tests.engine import reference
from tests.engine.build import ANY, FAILED, MINUTE, START, SUCCEEDED, UTC, at, event, found_by, rule
from tests.engine.histories import Spared, spared

HOUR = timedelta(hours=1)
QUIET = Absence(HOUR, None)
BERLIN = ZoneInfo("Europe/Berlin")
PORTAL = {"by": ("portal",)}


def us(after: timedelta) -> int:
    return to_us(START + after)


def silences(findings: list[Finding]) -> list[tuple[int, int]]:
    return sorted((id_of(f.firing), f.at_us) for f in findings)


def office(*hours: str, zone: ZoneInfo = BERLIN, closed: frozenset[date] = frozenset()) -> Calendar:
    return Calendar("office", zone, tuple(parse_window(text) for text in hours), closed=closed)


moves = st.tuples(st.integers(0, 25), st.sampled_from(["anna", "ben"]))


@st.composite
def gaps(draw: st.DrawFn) -> list[tuple[timedelta, timedelta]]:
    edges = sorted(draw(st.sets(st.integers(0, 200), max_size=6)))
    return [(a * MINUTE, b * MINUTE) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@settings(deadline=None)
@given(
    st.lists(moves, max_size=5) | st.lists(moves, min_size=12, max_size=25),
    st.integers(1, 20),
    gaps(),
    st.integers(0, 30),
    spared,
)
def test_absence_is_its_definition(
    steps: list[tuple[int, str]], within: int, unread: list[tuple[timedelta, timedelta]], more: int, left: Spared
) -> None:
    pattern = Absence(within * MINUTE, None)
    after, events = timedelta(), []
    for number, (minutes, account) in enumerate(steps):
        after += minutes * MINUTE
        country = ("Germany", "Japan")[number % 2]
        events.append(event(number, after, account=account, ip=f"{1 + number % 3}.1.1.1", country=country))
    until = us(after + more * MINUTE)
    not_read = [(us(start), us(end)) for start, end in unread]
    engine = Engine([rule(pattern, **left.settings)], "test", UTC, gaps={"login": not_read})
    engine.advance_to(until)
    keys = reference.by_key(left.counted(events), lambda e: e.account).values()
    wanted = {e.id for e in events if left.wanted(e)}
    silent = [s for matches in keys for s in reference.absence(pattern, matches, UTC, until, not_read)]
    expected = [(last, at_us) for last, at_us in silent if last in wanted]
    assert silences(engine.fold_all(events)) == sorted(expected)


HOURS = st.sampled_from([
    office("Mon-Fri 09:00-17:00"),
    office("22:00-06:00"),
    office("01:30-02:30", "02:00-03:30"),
    office("00:00-24:00"),
    office("Sun 02:00-03:00", "Mon 00:00-24:00"),
    office("Sat,Sun 20:00-02:15", zone=ZoneInfo("Australia/Lord_Howe")),
])  # fmt: skip


@settings(deadline=None)
@given(
    HOURS,
    st.sampled_from(["2026-03-28T18:00", "2026-10-24T20:00", "2026-04-04T03:00", "2026-01-16T10:00"]),
    st.lists(st.integers(0, 500), min_size=1, max_size=6),
    st.integers(1, 600),
)
def test_absence_in_hours_is_its_definition(calendar: Calendar, start: str, steps: list[int], within: int) -> None:
    pattern = Absence(within * MINUTE, calendar)
    after, events = at(start), []
    for number, minutes in enumerate(steps):
        after += minutes * MINUTE
        events.append(event(number, after))
    until = us(after + timedelta(days=2))
    engine = Engine([rule(pattern)], "test", UTC)
    engine.advance_to(until)
    assert silences(engine.fold_all(events)) == reference.absence(pattern, events, UTC, until)


def test_it_fires_at_the_last_match_and_within_and_shows_that_match() -> None:
    (found,) = found_by([rule(QUIET, **PORTAL)], [event(1, 0 * HOUR), event(2, 5 * HOUR, "success")])
    assert (found.at_us, found.first_us, found.count) == (us(HOUR), us(0 * HOUR), 1)
    assert (found.key, [id_of(ref) for ref in found.events]) == (("test",), [1])


def test_a_match_at_the_very_end_ends_the_silence() -> None:
    assert silences(found_by([rule(QUIET)], [event(1, 0 * HOUR), event(2, HOUR)])) == []
    late = [event(1, 0 * HOUR), event(2, HOUR + timedelta(microseconds=1))]
    assert silences(found_by([rule(QUIET)], late)) == [(1, us(HOUR))]


def test_it_fires_once_for_a_silence() -> None:
    others = [event(n, n * HOUR, "success") for n in range(2, 9)]
    assert silences(found_by([rule(QUIET)], [event(1, 0 * HOUR), *others])) == [(1, us(HOUR))]
    again = [event(1, 0 * HOUR), *others, event(20, 9 * HOUR), event(21, 20 * HOUR, "success")]
    assert silences(found_by([rule(QUIET)], again)) == [(1, us(HOUR)), (20, us(10 * HOUR))]


def test_the_clock_of_a_backtest_ends_at_its_last_event_inclusive() -> None:
    assert silences(found_by([rule(QUIET)], [event(1, 0 * HOUR), event(2, HOUR, "success")])) == [(1, us(HOUR))]
    early = [event(1, 0 * HOUR), event(2, HOUR - timedelta(microseconds=1), "success")]
    assert found_by([rule(QUIET)], early) == []


def test_a_silence_never_spans_what_was_not_read() -> None:
    events = [event(1, 0 * HOUR), event(2, 3 * HOUR, "success")]
    gap = (us(30 * MINUTE), us(90 * MINUTE))
    assert silences(found_by([rule(QUIET)], events, gaps={"login": [gap]})) == [(1, us(150 * MINUTE))]
    assert found_by([rule(QUIET)], events, gaps={"login": [gap, (us(140 * MINUTE), us(145 * MINUTE))]}) == []


def test_what_was_not_read_of_one_feed_cuts_no_silence_of_the_other() -> None:
    events = [event(1, 0 * HOUR), event(2, 3 * HOUR, "success")]
    gaps = {"audit": [(us(30 * MINUTE), us(90 * MINUTE))], "login": [(us(50 * MINUTE), us(55 * MINUTE))]}
    both = rule(QUIET, feeds=frozenset({"login", "audit"}))
    assert silences(found_by([rule(QUIET)], events, gaps=gaps)) == [(1, us(115 * MINUTE))]
    assert silences(found_by([both], events, gaps=gaps)) == [(1, us(150 * MINUTE))]


def test_what_was_not_read_of_two_feeds_is_one_gap_where_it_meets() -> None:
    gaps = {"audit": [(us(30 * MINUTE), us(60 * MINUTE))], "login": [(us(50 * MINUTE), us(90 * MINUTE))]}
    both = rule(QUIET, feeds=frozenset({"login", "audit"}))
    assert silences(found_by([both], [event(1, 0 * HOUR), event(2, 4 * HOUR, "success")], gaps=gaps)) == [(1, us(150 * MINUTE))]


def test_a_key_that_goes_on_hides_no_silence_of_another() -> None:
    events = [event(1, 0 * HOUR, account="anna"), event(2, 10 * MINUTE, account="ben"), event(3, 50 * MINUTE, account="anna")]
    over = event(4, 80 * MINUTE, "success")
    assert silences(found_by([rule(QUIET)], [*events, over])) == [(2, us(70 * MINUTE))]


def test_the_portal_s_zone_serves_where_the_hours_name_none() -> None:
    pattern = Absence(2 * HOUR, Calendar("office", None, (parse_window("Mon-Fri 09:00-17:00"),)))
    friday, monday = event(1, at("2026-01-16T16:00+01:00")), at("2026-01-19T10:00+01:00")
    assert silences(found_by([rule(pattern)], [friday, event(2, monday, "success")], BERLIN)) == [(1, us(monday))]
    assert silences(found_by([rule(pattern, zone=BERLIN)], [friday, event(2, monday, "success")])) == [(1, us(monday))]


def test_only_its_hours_count() -> None:
    pattern = Absence(2 * HOUR, office("Mon-Fri 09:00-17:00"))
    friday = event(1, at("2026-01-16T16:00+01:00"))
    monday = at("2026-01-19T10:00+01:00")
    assert silences(found_by([rule(pattern)], [friday, event(2, monday, "success")])) == [(1, us(monday))]
    assert found_by([rule(pattern)], [friday, event(2, monday - MINUTE, "success")]) == []


def test_a_closed_day_has_no_hours() -> None:
    pattern = Absence(2 * HOUR, office("Mon-Fri 09:00-17:00", closed=frozenset({date(2026, 1, 19)})))
    friday, tuesday = event(1, at("2026-01-16T16:00+01:00")), at("2026-01-20T10:00+01:00")
    assert silences(found_by([rule(pattern)], [friday, event(2, tuesday, "success")])) == [(1, us(tuesday))]


def test_hours_that_never_come_let_it_wait_for_ever() -> None:
    never = Calendar("never", BERLIN, ())
    assert working_time_after(us(0 * HOUR), span_us(HOUR), never, BERLIN) > us(timedelta(days=365 * 200))
    at_the_end = office("Mon 09:00-10:00")
    assert working_time_after(us(at("9999-12-30T00:00")), span_us(HOUR), at_the_end, BERLIN) > us(at("9999-12-31T00:00"))


def test_the_last_event_s_only_decides() -> None:
    guarded = rule(QUIET, ANY, only=SUCCEEDED)
    assert found_by([guarded], [event(1, 0 * HOUR), event(2, 9 * HOUR, "success")]) == []
    assert len(found_by([guarded], [event(1, 0 * HOUR, "success"), event(2, 9 * HOUR)])) == 1


class TestWithAClock:
    """Live, silences fire by the portal's clock, and late events undo what they must."""

    @pytest.fixture
    def engine(self) -> Engine:
        return Engine([rule(QUIET)], "test", UTC)

    def test_a_silence_fires_when_the_clock_comes_to_it(self, engine: Engine) -> None:
        engine.propose([event(1, 0 * HOUR)])
        engine.accept()
        engine.advance_to(us(HOUR) - 1)
        assert engine.propose([]).changed == ()
        engine.accept()
        engine.advance_to(us(HOUR))
        assert silences(list(engine.propose([]).changed)) == [(1, us(HOUR))]
        engine.accept()
        engine.advance_to(us(9 * HOUR))
        assert engine.propose([event(2, 8 * HOUR, "success")]).changed == ()

    def test_a_silence_of_one_feed_does_not_go_by_the_clock_of_the_other(self) -> None:
        """The audit trail is shown later than logins, or cannot be read for a while: that is no silence."""
        engine = Engine([rule(QUIET, ANY, feeds=frozenset({"audit"}))], "test", UTC)
        engine.propose([event(1, 0 * HOUR, feed="audit")])
        engine.accept()
        engine.advance_to(us(3 * HOUR), "login")
        assert engine.propose([event(2, 3 * HOUR)]).changed == ()
        engine.accept()
        engine.advance_to(us(2 * HOUR), "audit")
        assert silences(list(engine.propose([event(3, 90 * MINUTE, feed="audit")]).changed)) == [(1, us(HOUR))]

    def test_a_match_that_comes_late_undoes_it(self, engine: Engine) -> None:
        engine.advance_to(us(2 * HOUR))
        (found,) = engine.propose([event(1, 0 * HOUR)]).changed
        engine.accept()
        difference = engine.propose([event(2, 30 * MINUTE)])
        assert difference.gone == (found.id,)
        assert silences(list(difference.changed)) == [(2, us(90 * MINUTE))]

    def test_a_commit_that_fails_sets_the_clock_back(self, engine: Engine) -> None:
        engine.propose([event(1, 0 * HOUR)])
        engine.accept()
        engine.advance_to(us(2 * HOUR))
        engine.propose([event(2, 30 * MINUTE), event(3, 70 * MINUTE)])
        engine.drop()
        assert engine.propose([]).changed == ()

    def test_a_restart_takes_its_clock_from_the_silences_that_are_stored(self, engine: Engine) -> None:
        engine.advance_to(us(2 * HOUR))
        stored = engine.propose([event(1, 0 * HOUR)]).changed
        again = Engine([rule(QUIET)], "test", UTC)
        again.load([event(1, 0 * HOUR)])
        difference = again.resume([], stored)
        assert (difference.changed, difference.gone) == ((), ())

    def test_a_gap_that_becomes_known_with_the_events_after_it_counts(self, engine: Engine) -> None:
        engine.propose([event(1, 0 * HOUR)])
        engine.accept()
        engine.know_gaps({"login": [(us(30 * MINUTE), us(5 * HOUR))]})
        engine.advance_to(us(5 * HOUR + 30 * MINUTE))
        assert engine.propose([event(2, 5 * HOUR + 10 * MINUTE, "success")]).changed == ()
        engine.accept()
        engine.advance_to(us(6 * HOUR))
        assert silences(list(engine.propose([]).changed)) == [(1, us(6 * HOUR))]


def test_a_gap_that_was_read_after_all_makes_a_silence_due_earlier() -> None:
    engine = Engine([rule(QUIET)], "test", UTC, gaps={"login": [(us(30 * MINUTE), us(90 * MINUTE))]})
    settled = engine._settled
    settled.fold([event(1, 0 * HOUR), event(2, 70 * MINUTE, "success")])  # due at 2:30
    engine.know_gaps({})
    settled.fold([event(3, 100 * MINUTE, "success")])
    assert silences(list(settled.record.touched.values())) == [(1, us(HOUR))]


def test_made_up_keys_fill_no_memory_and_hide_nobody() -> None:
    rules: list[Rule] = [rule(QUIET)]
    anna = event(0, 0 * HOUR, account="anna", known=True)
    flood: list[Event] = [event(n, n * MINUTE / 100, account=f"made up {n}") for n in range(1, 500)]
    engine = Engine(rules, "test", UTC, most_keys=50)
    engine.advance_to(us(5 * HOUR))
    found = engine.fold_all([anna, *flood])
    assert (0, us(HOUR)) in silences(found)
    assert len(found) <= 51
    assert engine.dropped == {"rule": 500 - len(found)}


def test_an_exempt_match_does_not_end_a_silence() -> None:
    from alertbot.rules.model import Exemption

    exempt = rule(QUIET, ANY, exemptions=(Exemption(FAILED, "monitoring", None),))
    events = [event(1, 0 * HOUR, "success"), event(2, 30 * MINUTE, "failure"), event(3, 3 * HOUR, "success")]
    assert silences(found_by([exempt], events)) == [(1, us(HOUR))]
