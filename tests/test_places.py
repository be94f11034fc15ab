"""Where: countries by name, networks, cut addresses, and whatever an attacker writes into `ip`."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot.event import Event
from alertbot.places import country_code, locate


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
    from alertbot.places import _plain

    lines = resources.files("alertbot").joinpath("countries.tsv").read_text(encoding="utf-8").splitlines()
    seen: dict[str, str] = {}
    for line in lines:
        code, names = line.split("\t")
        for name in names.split("|"):
            assert seen.setdefault(_plain(name), code) == code, name
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
