"""Fixed `hours` are their definition, and say what the documentation says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine.hours import covers, wall_clock
from alertbot.moments import from_us, to_us
from alertbot.rules.hours import parse_window
from alertbot.rules.model import Calendar, Hours, Window
from tests.engine import reference
from tests.engine.build import ANY, at, event, firing_ids, found_by, rule

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/Havana"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), ZoneInfo("UTC")]

minutes = st.sampled_from([0, 1, 60, 119, 120, 121, 150, 180, 359, 360, 720, 1320, 1380, 1439])
windows = st.builds(
    Window, st.frozensets(st.integers(0, 6), min_size=1), minutes, st.one_of(minutes.filter(bool), st.just(1440))
).filter(lambda window: window.start_minute != window.end_minute)
# Days around changes of the clock, holidays and the turn of the year.
days = st.sampled_from(
    ["2026-03-28", "2026-03-29", "2026-10-25", "2026-12-24", "2026-12-26", "2026-12-31", "2011-12-29", "2026-04-05"]
)


def _calendar(*texts: str, zone: ZoneInfo | None = None, **more: object) -> Calendar:
    return Calendar("office", zone, tuple(parse_window(text) for text in texts), **more)  # type: ignore[arg-type]


@settings(deadline=None)
@given(
    st.lists(windows, min_size=1, max_size=3),
    st.sampled_from(ZONES),
    days,
    st.integers(0, 48 * 60),
    st.integers(0, 59_999_999),
    st.frozensets(days.map(date.fromisoformat), max_size=2),
    st.frozensets(days.map(date.fromisoformat), max_size=1),
)
def test_hours_are_their_definition(
    hours: list[Window], zone: ZoneInfo, day: str, minute: int, us: int, closed: frozenset[date], worked: frozenset[date]
) -> None:
    calendar = Calendar("office", zone, tuple(hours), "DE", worked, closed)
    holidays = {date(2026, 12, 25), date(2026, 12, 26), date(2026, 4, 3), date(2026, 4, 6), date(2027, 1, 1)}
    wall = from_us(to_us(datetime.fromisoformat(day).replace(tzinfo=UTC)) + minute * 60_000_000 + us, zone)
    assert covers(calendar, wall) == reference.in_hours(calendar, wall, holidays)


def _fires(calendar: Calendar, moment: str, zone: ZoneInfo = BERLIN) -> bool:
    return bool(found_by([rule(Hours(calendar), ANY)], [event(1, at(moment))], zone))


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-01-15T06:59:59+01:00", False),
        ("2026-01-15T07:00:00+01:00", True),
        ("2026-01-15T19:59:59.999999+01:00", True),
        ("2026-01-15T20:00:00+01:00", False),
        ("2026-01-17T12:00:00+01:00", False),
    ],
)
def test_a_window_starts_at_its_first_second_and_ends_before_its_last(moment: str, inside: bool) -> None:
    assert _fires(_calendar("Mon-Fri 07:00-20:00"), moment) is not inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-01-16T22:00+01:00", True),
        ("2026-01-17T05:59+01:00", True),
        ("2026-01-17T06:00+01:00", False),
        ("2026-01-17T22:00+01:00", False),
        ("2026-01-19T05:00+01:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_that_it_starts_on(moment: str, inside: bool) -> None:
    assert _fires(_calendar("Mon-Fri 22:00-06:00"), moment) is not inside


@pytest.mark.parametrize("moment", ["2026-01-15T00:00+01:00", "2026-01-15T23:59:59+01:00"])
def test_a_window_to_24_00_holds_the_whole_day(moment: str) -> None:
    assert not _fires(_calendar("00:00-24:00"), moment)


def test_an_hour_that_summer_time_repeats_is_in_both_times() -> None:
    night = _calendar("02:00-02:30")
    assert not _fires(night, "2026-10-25T02:15+02:00")
    assert not _fires(night, "2026-10-25T02:15+01:00")
    assert _fires(night, "2026-10-25T02:45+02:00")


def test_an_hour_that_summer_time_skips_is_in_no_window() -> None:
    night = _calendar("02:00-03:00")
    assert _fires(night, "2026-03-29T01:59+01:00")
    assert _fires(night, "2026-03-29T03:00+02:00")


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-12-23T10:00+01:00", True),
        ("2026-12-24T10:00+01:00", False),  # closed
        ("2026-12-25T10:00+01:00", False),  # a holiday
        ("2026-03-09T10:00+01:00", True),  # a holiday in Berlin alone falls on a Sunday; this is the Monday after
        ("2027-03-08T10:00+01:00", False),  # the same holiday a year on, a Monday
        ("2026-05-01T10:00+02:00", True),  # a holiday that is worked on
    ],
)
def test_holidays_and_closed_days_have_no_hours(moment: str, inside: bool) -> None:
    office = _calendar(
        "Mon-Fri 07:00-20:00",
        zone=BERLIN,
        holidays="DE/BE",
        not_holidays=frozenset({date(2026, 5, 1)}),
        closed=frozenset({date(2026, 12, 24)}),
    )
    assert _fires(office, moment, ZoneInfo("Asia/Tokyo")) is not inside


def test_the_seconds_count_of_a_zone_that_was_off_by_some() -> None:
    # Until 1972 the clocks of Monrovia were 44 minutes and 30 seconds behind: both events lie in one minute of UTC.
    morning, monrovia = _calendar("09:00-10:00"), ZoneInfo("Africa/Monrovia")
    events = [event(1, at("1971-06-01T09:44:29Z")), event(2, at("1971-06-01T09:44:30Z"))]
    assert firing_ids(found_by([rule(Hours(morning), ANY)], events, monrovia)) == [1]


@pytest.mark.parametrize(
    ("zone", "window", "moment", "inside"),
    [
        # Begins in the hour that is skipped: it is open from the first second that the clock shows.
        ("Europe/Berlin", "02:30-04:00", "2026-03-29T00:59:59Z", False),
        ("Europe/Berlin", "02:30-04:00", "2026-03-29T01:00:00Z", True),
        # Ends in it.
        ("Europe/Berlin", "01:00-02:30", "2026-03-29T00:59:59Z", True),
        ("Europe/Berlin", "01:00-02:30", "2026-03-29T01:00:00Z", False),
        # Ends in the hour that is repeated: closed in between, open again.
        ("Europe/Berlin", "01:00-02:30", "2026-10-25T00:29:59Z", True),
        ("Europe/Berlin", "01:00-02:30", "2026-10-25T00:30:00Z", False),
        ("Europe/Berlin", "01:00-02:30", "2026-10-25T01:00:00Z", True),
        ("Europe/Berlin", "01:00-02:30", "2026-10-25T01:30:00Z", False),
        # The southern half, and half an hour of summer time.
        ("Australia/Lord_Howe", "02:00-02:30", "2026-10-03T15:30:00Z", False),
        ("Australia/Lord_Howe", "02:30-03:00", "2026-10-03T15:30:00Z", True),
        ("Australia/Lord_Howe", "01:30-02:00", "2026-04-04T14:45:00Z", True),
        ("Australia/Lord_Howe", "01:30-02:00", "2026-04-04T15:15:00Z", True),
        ("Australia/Lord_Howe", "01:30-02:00", "2026-04-04T15:30:00Z", False),
        # Half hours and quarters all year.
        ("Asia/Kolkata", "09:00-10:00", "2026-01-15T03:30:00Z", True),
        ("Asia/Kathmandu", "09:00-10:00", "2026-01-15T03:14:59Z", False),
        ("Asia/Kathmandu", "09:00-10:00", "2026-01-15T03:15:00Z", True),
        # In Samoa no Friday came after Thursday, 29 December 2011; Friday's night goes on by the clock all the same.
        ("Pacific/Apia", "Thu 22:00-24:00", "2011-12-30T09:59:59Z", True),
        ("Pacific/Apia", "Fri 00:00-24:00", "2011-12-30T10:00:00Z", False),
        ("Pacific/Apia", "Sat 00:00-24:00", "2011-12-30T10:00:00Z", True),
        ("Pacific/Apia", "Thu 22:00-06:00", "2011-12-30T10:00:00Z", False),
        ("Pacific/Apia", "Fri 22:00-06:00", "2011-12-30T15:00:00Z", True),
    ],
)
def test_the_clock_on_the_wall_decides_when_it_is_set(zone: str, window: str, moment: str, inside: bool) -> None:
    assert _fires(_calendar(window), moment, ZoneInfo(zone)) is not inside


def test_the_night_that_starts_on_a_closed_day_has_no_hours_and_the_night_before_it_has() -> None:
    night = _calendar("22:00-06:00", zone=BERLIN, closed=frozenset({date(2026, 12, 24)}))
    assert not _fires(night, "2026-12-24T03:00+01:00")
    assert _fires(night, "2026-12-25T03:00+01:00")


def test_the_zone_is_the_calendar_s_else_the_rule_s_else_the_portal_s() -> None:
    morning = event(1, at("2026-01-15T07:30Z"))
    office, tokyo = _calendar("08:00-12:00"), ZoneInfo("Asia/Tokyo")
    assert found_by([rule(Hours(office), ANY)], [morning], BERLIN) == []
    assert firing_ids(found_by([rule(Hours(office), ANY)], [morning], tokyo)) == [1]
    assert found_by([rule(Hours(office), ANY, zone=BERLIN)], [morning], tokyo) == []
    assert found_by([rule(Hours(_calendar("08:00-12:00", zone=BERLIN)), ANY, zone=tokyo)], [morning], tokyo) == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T23:59"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_date_at_the_end_of_time_is_taken_as_it_is(moment: str, zone: str) -> None:
    night = _calendar("22:00-06:00", holidays="DE/BE")
    found_by([rule(Hours(night), ANY)], [event(1, at(moment))], ZoneInfo(zone))
    assert wall_clock(to_us(datetime.min.replace(tzinfo=UTC)), ZoneInfo(zone)) is not None


def test_the_first_day_of_all_needs_no_day_before_it() -> None:
    assert covers(_calendar("22:00-06:00"), datetime(1, 1, 1, 3, 0, tzinfo=UTC))
