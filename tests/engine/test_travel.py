"""`travel` is its definition, and says what the documentation says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.event import Event, id_of
from alertbot.places import locate
from alertbot.rules.model import Exemption, Travel
from tests.engine import reference
from tests.engine.build import ANY, MINUTE, event, found_by, rule, selection
from tests.engine.histories import Spared, spared

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLANE = Travel(900.0, 500.0, None)
PLACES = [
    ("Germany", "Berlin"),
    ("Germany", "Munich"),
    ("Germany", None),
    ("Poland", "Warsaw"),
    ("Japan", "Tokyo"),
    ("Japan", None),
    ("Iceland", "Reykjavik"),
    ("Atlantis", "Atlantis"),
    (None, None),
]


moves = st.tuples(st.integers(0, 200), st.sampled_from(["anna", "ben"]), st.sampled_from(PLACES))


def login(number: int, after: timedelta, country: str | None, city: str | None = None, **more: object) -> Event:
    return locate(event(number, after, "success", country=country, city=city, **more))


def ways(pattern: Travel, events: list[Event], **more: object) -> list[tuple[int, int]]:
    found = found_by([rule(pattern, ANY, **more)], events)
    assert all(f.count == 2 and id_of(f.firing) == id_of(f.events[1]) for f in found)
    return sorted((id_of(f.events[0]), id_of(f.events[1])) for f in found)


@settings(deadline=None)
@given(
    st.lists(moves, max_size=5) | st.lists(moves, min_size=15, max_size=30),
    st.sampled_from([100.0, 900.0, 5000.0]),
    st.sampled_from([0.0, 400.0, 1500.0]),
    st.sampled_from([None, 60 * MINUTE, 300 * MINUTE]),
    spared,
)
def test_travel_is_its_definition(
    steps: list[tuple[int, str, tuple[str | None, str | None]]],
    faster: float,
    farther: float,
    familiar: timedelta | None,
    left: Spared,
) -> None:
    pattern = Travel(faster, farther, familiar)
    after, events = timedelta(), []
    for number, (minutes, account, (country, city)) in enumerate(steps):
        after += minutes * MINUTE
        events.append(login(number, after, country, city, account=account, ip=f"{1 + number % 3}.1.1.1"))
    keys = reference.by_key(left.counted(events), lambda e: e.account).values()
    expected = [way for matches in keys for way in reference.travel(pattern, matches, left.wanted)]
    assert ways(pattern, events, **left.settings) == sorted(expected)


def test_it_fires_where_nobody_can_have_come_from_and_shows_both_logins() -> None:
    events = [login(1, 0 * HOUR, "Germany", "Berlin"), login(2, HOUR, "Japan", "Tokyo")]
    (found,) = found_by([rule(PLANE, ANY)], events)
    assert [id_of(ref) for ref in found.events] == [1, 2]
    assert (found.first_us, found.at_us) == (events[0].at_us, events[1].at_us)


@pytest.mark.parametrize(("hours", "fires"), [(9, True), (9.8, True), (10, False), (24, False)])
def test_it_fires_above_the_speed_and_not_at_it(hours: float, fires: bool) -> None:
    # 8,916 km
    events = [login(1, 0 * HOUR, "Germany", "Berlin"), login(2, hours * HOUR, "Japan", "Tokyo")]
    assert bool(ways(PLANE, events)) is fires


def test_what_is_near_never_fires_however_fast() -> None:
    # 504 km and 502 km as the crow flies
    at_once = [login(1, 0 * HOUR, "Germany", "Berlin"), login(2, 0 * HOUR, "Germany", "Munich")]
    assert ways(Travel(900.0, 510.0, None), at_once) == []
    assert ways(Travel(900.0, 500.0, None), at_once) == [(1, 2)]


def test_no_time_between_is_infinitely_fast() -> None:
    events = [login(1, HOUR, "Germany", "Berlin"), login(2, HOUR, "Japan", "Tokyo")]
    assert ways(Travel(1e300, 500.0, None), events) == [(1, 2)]


def test_the_same_city_never_travels_however_it_is_spelled() -> None:
    events = [login(1, HOUR, "Germany", "Munich"), login(2, HOUR, "Germany", "München (Altstadt)")]
    assert ways(Travel(0.1, 0.0, None), events) == []


def test_a_missing_city_makes_no_false_alarm() -> None:
    bordering = [login(1, HOUR, "Germany", "Berlin"), login(2, HOUR, "Poland"), login(3, HOUR, "Germany")]
    assert ways(Travel(0.1, 100.0, None), bordering) == []
    far = [login(1, HOUR, "Germany"), login(2, 2 * HOUR, "Japan")]
    assert ways(PLANE, far) == [(1, 2)]


def test_a_match_without_a_place_is_skipped() -> None:
    events = [login(1, 0 * HOUR, "Germany", "Berlin"), login(2, MINUTE, None), login(3, HOUR, "Japan", "Tokyo")]
    assert ways(PLANE, events) == [(1, 3)]


def test_each_key_travels_by_itself() -> None:
    events = [login(1, 0 * HOUR, "Germany", "Berlin", account="anna"), login(2, 0 * HOUR, "Japan", "Tokyo", account="ben")]
    assert ways(PLANE, events) == []


def test_a_familiar_place_does_not_fire_and_each_use_renews_it() -> None:
    month = Travel(900.0, 500.0, 30 * DAY)
    home, tunnel = ("Germany", "Berlin"), ("Japan", "Tokyo")
    events = [
        login(1, 0 * DAY, *home),
        login(2, 0 * DAY + HOUR, *tunnel),  # unknown yet: fires
        login(3, 0 * DAY + 2 * HOUR, *home),  # used an hour ago
        login(4, 20 * DAY, *tunnel),
        login(5, 20 * DAY + HOUR, *home),
        login(6, 50 * DAY, *tunnel),  # thirty days since, inclusive
        login(7, 50 * DAY + HOUR, *home),  # thirty days since, inclusive
        login(8, 85 * DAY, *home),
        login(9, 85 * DAY + HOUR, *tunnel),  # forgotten
    ]
    assert ways(month, events) == [(1, 2), (8, 9)]
    assert ways(PLANE, events) == [(1, 2), (2, 3), (4, 5), (6, 7), (8, 9)]


def test_an_exempt_network_is_no_place_that_anybody_was_at() -> None:
    exits = (Exemption(selection(network="198.51.100.0/24"), "our VPN", None),)
    events = [
        login(1, 0 * HOUR, "Germany", "Berlin"),
        login(2, HOUR, "Japan", "Tokyo", ip="198.51.100.7"),
        login(3, 2 * HOUR, "Germany", "Berlin"),
    ]
    assert ways(PLANE, events, exemptions=exits) == []
    assert ways(PLANE, events) == [(1, 2), (2, 3)]


def test_a_point_that_a_file_gives_is_taken_as_exact() -> None:
    events = [event(1, 0 * HOUR, geo=(52.52, 13.41)), event(2, HOUR, geo=(35.69, 139.69)), event(3, HOUR, geo=(999.0, 0.0))]
    assert ways(PLANE, events) == [(1, 2)]
