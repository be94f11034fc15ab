"""Where: countries by name, networks, cut addresses, and whatever an attacker writes into `ip`."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot import gazetteer
from alertbot.event import Event
from alertbot.places import HALF_ROUND_THE_EARTH_KM, Place, country_code, distance_km, locate, place_of


def _at(ip: str | None = None, country: str | None = None) -> Event:
    return locate(Event(portal="main", id=1, at_us=0, action_id=1029, ip=ip, country=country))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Germany", "DE"),
        ("United States", "US"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Hong Kong SAR", "HK"),
        ("Macao SAR", "MO"),
        ("The Netherlands", "NL"),
        ("Netherlands (Kingdom of the)", "NL"),
        ("Ivory Coast", "CI"),
        ("Côte d’Ivoire", "CI"),
        ("Kosovo", "XK"),
        ("Russian Federation", "RU"),
        ("Russia", "RU"),
        ("South Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("Congo (DRC)", "CD"),
        ("Congo (Kinshasa)", "CD"),
        ("Congo", "CG"),
        ("Czech Republic", "CZ"),
        ("Myanmar (Burma)", "MM"),
        ("St. Kitts & Nevis", "KN"),
        ("Bosnia & Herzegovina", "BA"),
        ("São Tomé & Príncipe", "ST"),
        ("Curaçao", "CW"),
        ("Viet Nam", "VN"),
        ("Bahamas, The", "BS"),
        ("U.S. Virgin Islands", "VI"),
        ("Guinea-Bissau", "GW"),
        ("Papua New Guinea", "PG"),
        ("NO", "NO"),
        ("  norway ", "NO"),
    ],
)
def test_a_country_is_known_by_its_spellings(name: str, code: str) -> None:
    """A country is known by the spellings that address tables use."""
    assert country_code(name) == code


@pytest.mark.parametrize("name", [None, "", " ", "-", "Atlantis", "ZZ", "no", "<b>Germany</b>", "Germany" * 100, "()", "\x00"])
def test_an_unknown_country_is_absent(name: str | None) -> None:
    """What is no country has no code."""
    assert country_code(name) is None


def test_each_spelling_stands_for_one_country() -> None:
    """No spelling in the table stands for two countries, and every code is there once."""
    from alertbot.gazetteer import plain

    lines = resources.files("alertbot").joinpath("countries.tsv").read_text(encoding="utf-8").splitlines()
    seen: dict[str, str] = {}
    for line in lines:
        code, names = line.split("\t")
        for name in names.split("|"):
            assert seen.setdefault(plain(name), code) == code, name
    assert len({line[:2] for line in lines}) == len(lines) == 250


def test_an_address_has_a_network() -> None:
    """An IPv4 address belongs to its /24."""
    event = _at(ip="203.0.113.7")
    assert (event.network, event.ip_partial) == ("203.0.113.0/24", False)


@pytest.mark.parametrize("ip", ["2001", "fe80", "2a02", "FD00"])
def test_a_cut_address_is_no_address(ip: str) -> None:
    """The first group of an IPv6 address is marked as cut and has no network."""
    event = _at(ip=ip)
    assert (event.network, event.ip_partial) == (None, True)


@pytest.mark.parametrize(
    "ip", [None, "", "office", "203.0.113.7.8", "203.0.113.0/24", "1.2.3", "١", "::1", "' OR 1=1", "01.2.3.4", "1.2.3.4\n"]
)
def test_what_is_no_address_has_no_network(ip: str | None) -> None:
    """Whatever an attacker writes for an address is kept as text and belongs to no network."""
    event = _at(ip=ip)
    assert (event.ip, event.network, event.ip_partial) == (ip, None, False)


def test_a_place_is_worked_out_anew() -> None:
    """What an event carried about its place before does not survive."""
    event = Event(portal="main", id=1, at_us=0, action_id=1029, network="9.9.9.0/24", country_code="US", ip_partial=True)
    located = locate(event)
    assert (located.network, located.country_code, located.ip_partial) == (None, None, False)


@given(st.text(), st.text())
def test_any_text_has_a_place_or_none(ip: str, country: str) -> None:
    """No text makes it fail."""
    locate(Event(portal="main", id=1, at_us=0, action_id=1029, ip=ip, country=country))


def _place(country: str, city: str | None = None) -> Place:
    event = locate(Event(portal="main", id=1, at_us=0, action_id=1029, country=country, city=city))
    place = place_of(event)
    assert place is not None
    return place


@pytest.mark.parametrize(
    ("country", "spellings"),
    [
        ("Germany", ["Munich", "München", "MUENCHEN", " munich ", "Munich (Altstadt-Lehel)"]),
        ("Ukraine", ["Kiev", "Kyiv"]),
        ("United States", ["New York", "New York City"]),
        ("Russia", ["St Petersburg", "St. Petersburg", "Saint Petersburg", "Sankt-Peterburg"]),
        ("Poland", ["Łódź", "Lodz"]),
        ("Germany", ["Frankfurt am Main", "Frankfurt", "Frankfurt am Main (Innenstadt I)"]),
        ("India", ["Bengaluru", "Bangalore"]),
    ],
)
def test_a_city_is_found_by_its_spellings(country: str, spellings: list[str]) -> None:
    """A city is found by the names that address tables use, whatever stands behind in brackets."""
    places = {_place(country, spelling) for spelling in spellings}
    assert len(places) == 1
    assert places.pop().point is not None


@pytest.mark.parametrize("city", [None, "", "Atlantis", "()", "St", "東京", "x" * 5000, "Munich" * 20, "\x00", "Paris|Lyon"])
def test_an_unknown_city_has_its_country_s_point(city: str | None) -> None:
    """Where the city is unknown, `geo` is the country's, and the place says that no more is known."""
    event = locate(Event(portal="main", id=1, at_us=0, action_id=1029, country="Germany", city=city))
    assert event.geo == gazetteer.country("DE")
    assert place_of(event) == Place(None, "DE")


def test_a_name_of_several_cities_is_the_largest_by_far_or_nobody_knows() -> None:
    """Portland is Oregon's; which Springfield is meant nobody can tell."""
    portland = _place("United States", "Portland").point
    assert portland is not None
    assert portland[1] < -120
    assert _place("United States", "Springfield").point is None


def test_a_city_in_no_country_has_no_place() -> None:
    """A city's name without a country says nothing."""
    event = locate(Event(portal="main", id=1, at_us=0, action_id=1029, city="Berlin"))
    assert (event.geo, place_of(event)) == (None, None)


@pytest.mark.parametrize("geo", [(91.0, 0.0), (0.0, 181.0), (float("nan"), 0.0), (float("inf"), 0.0), (1e308, 1e308)])
def test_a_point_off_the_earth_is_no_place(geo: tuple[float, float]) -> None:
    """Whatever a file says, only points on earth are places."""
    assert place_of(Event(portal="main", id=1, at_us=0, action_id=1029, geo=geo)) is None


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (("Germany", "Berlin"), ("Japan", "Tokyo"), 8917),
        (("United Kingdom", "London"), ("United States", "New York"), 5570),
        (("Australia", "Sydney"), ("New Zealand", "Auckland"), 2156),
        (("Germany", "Berlin"), ("Germany", "Munich"), 504),
    ],
)
def test_distances_are_great_circles(one: tuple[str, str], other: tuple[str, str], km: int) -> None:
    """Between cities the way of the crow counts, to within one part in a hundred of what atlases say."""
    assert distance_km(_place(*one), _place(*other)) == pytest.approx(km, rel=0.01)


def test_a_country_alone_is_as_near_as_it_can_be() -> None:
    """Where a city is missing, the least distance between the two countries' cities counts; in one country none at all."""
    assert distance_km(_place("Germany"), _place("Germany", "Munich")) == 0
    assert distance_km(_place("Germany"), _place("Germany")) == 0
    assert distance_km(_place("Germany", "Berlin"), _place("Poland")) < 10
    assert (
        7000
        < distance_km(_place("Germany", "Munich"), _place("Japan"))
        < distance_km(_place("Germany", "Munich"), _place("Japan", "Tokyo"))
    )
    assert distance_km(Place((1.0, 1.0), None), Place(None, "JP")) == 0


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ((0.0, 180.0), (0.0, -180.0), 0),
        ((0.0, 179.5), (0.0, -179.5), 111),
        ((-16.5, 179.9), (-16.5, -179.9), 21),
        ((90.0, 0.0), (90.0, 135.0), 0),
        ((-90.0, -180.0), (-90.0, 90.0), 0),
        ((90.0, 10.0), (-90.0, -70.0), 20_015),
        ((0.0, 0.0), (0.0, 180.0), 20_015),
        ((89.0, 0.0), (89.0, 180.0), 222),
    ],
)
def test_distances_go_over_the_poles_and_the_date_line(one: gazetteer.Point, other: gazetteer.Point, km: int) -> None:
    """The edges of the map are no edges of the earth, and lie on it."""
    there = [place_of(Event(portal="main", id=1, at_us=0, action_id=1029, geo=point)) for point in (one, other)]
    assert there == [Place(one, None), Place(other, None)]
    assert distance_km(Place(one, None), Place(other, None)) == pytest.approx(km, abs=1)


@pytest.mark.parametrize(("one", "other"), [("LU", "MT"), ("SG", "IS"), ("NZ", "FJ"), ("AD", "LI")])
def test_countries_are_as_near_as_their_nearest_cities(one: str, other: str) -> None:
    """The table of countries holds the least distance between their cities."""
    nearest = min(distance_km(Place(a, one), Place(b, other)) for a in gazetteer.cities(one) for b in gazetteer.cities(other))
    assert gazetteer.least_km(one, other) == gazetteer.least_km(other, one)
    assert nearest - 5 <= gazetteer.least_km(one, other) <= nearest


def test_a_country_s_point_is_none_of_its_cities() -> None:
    """Every country has a point, and no city lies on it, for that is how the two are told apart."""
    lines = resources.files("alertbot").joinpath("countries.tsv").read_text(encoding="utf-8").splitlines()
    for code in (line[:2] for line in lines):
        point = gazetteer.country(code)
        assert point is not None
        assert point not in gazetteer.cities(code)


points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
places = st.builds(Place, st.one_of(st.none(), points), st.sampled_from(["DE", "JP", "AQ", "ZZ", None]))


@given(places, places)
def test_distances_are_the_same_both_ways_and_no_longer_than_half_the_earth(one: Place, other: Place) -> None:
    """A distance is never negative, the same back, and none to where one is."""
    assert 0 <= distance_km(one, other) <= HALF_ROUND_THE_EARTH_KM
    assert distance_km(one, other) == pytest.approx(distance_km(other, one))
    assert distance_km(one, one) == 0


def test_the_gazetteer_is_there_at_once() -> None:
    """The first city of a fresh process is found in under 50 ms, and the file says whose data it is."""
    script = (
        "import time, alertbot.places; from alertbot import gazetteer; start = time.perf_counter();"
        "assert gazetteer.city('US', 'New York'); assert gazetteer.least_km('DE', 'JP'); print(time.perf_counter() - start)"
    )
    taken = min(float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout) for _ in range(3))
    assert taken < 0.05
    title = resources.files("alertbot").joinpath("gazetteer.bin").read_bytes().partition(b"\n")[0].decode()
    assert "GeoNames" in title
    assert "CC BY 4.0" in title
