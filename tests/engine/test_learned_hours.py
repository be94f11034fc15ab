"""`hours` with `learn` is its definition, and says what the documentation says."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.learned_hours import LearnedHoursState
from alertbot.event import Event
from alertbot.rules.model import Exemption, LearnedHours
from tests.engine import reference
from tests.engine.build import ANY, FAILED, UTC, at, event, firing_ids, found_by, rule
from tests.engine.histories import Spared, spared

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MONTH = LearnedHours(30 * DAY, ZoneInfo("UTC"))
HAVANA = ZoneInfo("America/Havana")


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=10, max_size=60),
    st.integers(8, 16),
    st.sampled_from([ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), HAVANA, ZoneInfo("Australia/Lord_Howe")]),
    st.sampled_from(["2026-01-15T10:00", "2026-03-20T10:00", "2026-10-20T10:00"]),
    spared,
)
def test_learned_hours_are_their_definition(steps: list[int], days: int, zone: ZoneInfo, start: str, left: Spared) -> None:
    pattern = LearnedHours(days * DAY, zone)
    after, events = at(start), []
    for number, hours in enumerate(steps):
        after += hours * HOUR
        events.append(event(number, after, ip=f"{1 + number % 3}.1.1.1", country=("Germany", "Japan")[number % 2]))
    expected = reference.learned_hours(pattern, events, zone, left.fires)
    assert firing_ids(found_by([rule(pattern, **left.settings)], events)) == expected


def _days(count: int, hour: int = 9, start: str = "2026-01-01T00:00") -> list[Event]:
    return [event(n, at(start) + n * DAY + hour * HOUR) for n in range(count)]


def test_it_is_silent_until_the_key_has_matches_on_ten_days() -> None:
    assert found_by([rule(MONTH)], [*_days(9), event(100, at("2026-01-10T03:00"))]) == []
    assert firing_ids(found_by([rule(MONTH)], [*_days(10), event(100, at("2026-01-11T03:00"))])) == [100]


@pytest.mark.parametrize(("hour", "fires"), [(7, True), (8, False), (9, False), (10, False), (11, True)])
def test_an_hour_is_usual_if_it_or_a_neighbour_had_matches_on_three_days(hour: int, fires: bool) -> None:
    assert firing_ids(found_by([rule(MONTH)], [*_days(10), event(100, at("2026-01-11T00:30") + hour * HOUR)])) == [100] * fires


def test_midnight_is_beside_the_last_hour_of_the_day() -> None:
    assert found_by([rule(MONTH)], [*_days(12, hour=23), event(100, at("2026-01-13T00:30"))]) == []


def test_two_days_make_no_hour_usual() -> None:
    seldom = [event(100 + n, at(f"2026-01-1{n}T03:00")) for n in range(1, 5)]
    assert firing_ids(found_by([rule(MONTH)], [*_days(10), *seldom])) == [101, 102, 103]


def test_only_the_last_days_count() -> None:
    nights = _days(5, hour=3)
    days = [event(50 + n, at("2026-01-06T09:00") + n * DAY) for n in range(26)]
    usual = event(100, at("2026-02-01T03:00"))
    forgotten = event(100, at("2026-02-02T03:00"))
    # On the 1st the nights of the 3rd, 4th and 5th are among the last thirty days, on the 2nd only two of them.
    assert 100 not in firing_ids(found_by([rule(MONTH)], [*nights, *days, usual]))
    assert 100 in firing_ids(found_by([rule(MONTH)], [*nights, *days, forgotten]))


def test_hours_go_by_the_wall_clock_of_the_zone_also_after_summer_time_began() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    winter = [event(n, at(f"2026-03-{10 + n}T08:30+01:00")) for n in range(12)]
    same_hour = event(100, at("2026-04-01T08:30+02:00"))
    two_before = event(101, at("2026-04-02T06:30+02:00"))
    assert firing_ids(found_by([rule(LearnedHours(30 * DAY, berlin))], [*winter, same_hour, two_before])) == [101]


def test_the_portal_s_zone_serves_where_the_rule_names_none() -> None:
    somewhere = rule(LearnedHours(30 * DAY, None))
    # 9:15 and 10:45 UTC are hours beside each other, and 14:45 and 16:15 are not.
    history = [event(n, at("2026-01-01T09:15") + n * DAY) for n in range(10)] + [event(100, at("2026-01-11T10:45"))]
    assert firing_ids(found_by([somewhere], history, ZoneInfo("Asia/Kolkata"))) == [100]
    assert found_by([somewhere], history, UTC) == []


def test_a_clock_that_goes_back_over_midnight_brings_yesterday_again() -> None:
    # In 2010 the clock of St. John's went back from 00:01 on the 7th to 23:01 on the 6th.
    johns = ZoneInfo("America/St_Johns")
    days = [event(n, at("2010-10-20T12:00") + n * DAY) for n in range(17)]
    turn = [event(50, at("2010-11-07T00:00:30-02:30")), event(51, at("2010-11-06T23:30-03:30"))]
    later = [event(60 + n, at("2010-11-08T03:00") + n * DAY) for n in range(14)]
    pattern = LearnedHours(12 * DAY, johns)
    events = [*days, *turn, *later]
    assert firing_ids(found_by([rule(pattern)], events)) == reference.learned_hours(pattern, events, johns)
    state = _state(Engine([rule(pattern)], "test", UTC), [*days, *turn])
    cell = state.table.peek("anna")
    assert cell is not None
    assert [date.fromordinal(day).day for day in cell[-6::2]] == [5, 6, 7]
    assert [mask.bit_length() - 1 for mask in cell[-5::2]] == [9, 23, 0]


def _state(engine: Engine, events: list[Event]) -> LearnedHoursState:
    engine.fold_all(events)
    state = engine._settled.states[0]
    assert isinstance(state, LearnedHoursState)
    return state


def test_an_exempt_event_teaches_without_firing() -> None:
    exempt = rule(MONTH, ANY, exemptions=(Exemption(FAILED, "the night's job", None),))
    nights = [event(100 + n, at(f"2026-01-1{n}T03:00"), "failure") for n in range(1, 4)]
    days = [event(n, at("2026-01-01T09:00") + n * DAY, "success") for n in range(10)]
    assert found_by([exempt], [*days, *nights, event(200, at("2026-01-14T03:30"), "success")]) == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_date_at_the_end_of_time_is_taken_as_it_is(moment: str, zone: str) -> None:
    assert found_by([rule(LearnedHours(30 * DAY, ZoneInfo(zone)))], [event(1, at(moment))]) == []
