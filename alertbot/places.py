"""Station 3, where: an event's country, city and address → country code, coordinates, network, and whether the address is one.

In comes an event as the portal wrote it, out goes the same event with what its place means; and how far places are from each
other. Pure. Nothing in `ip`, `country` and `city` can be trusted, for whoever logs in can choose the address; so anything may
stand there, and what makes no sense is absent.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources
from ipaddress import AddressValueError, IPv4Address
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

import msgspec

from alertbot import gazetteer
from alertbot.event import Event
from alertbot.gazetteer import Point, plain

EARTH_KM = 6371.0088
HALF_ROUND_THE_EARTH_KM = 20_037.0
"""Nothing on earth is farther apart."""

_FIRST_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}\Z")
_LONGEST_NAME = 100


class Place(NamedTuple):
    """Where an event was: a point, and its country, where that is known. `point` is None where only the country is known."""

    point: Point | None
    country_code: str | None


def locate(event: Event) -> Event:
    """The event with `country_code`, `geo`, `network` and `ip_partial`; whatever it carried there before is worked out anew.

    >>> located = locate(Event(portal="p", id=1, at_us=0, action_id=1029, ip="203.0.113.7", country="Germany", city="Munich"))
    >>> located.network, located.geo
    ('203.0.113.0/24', (48.14, 11.58))
    """
    code = country_code(event.country)
    geo = None if code is None else _geo(code, event.city)
    network, partial = _network(event.ip)
    if (code, geo, network, partial) == (event.country_code, event.geo, event.network, event.ip_partial):
        return event
    return msgspec.structs.replace(event, country_code=code, geo=geo, network=network, ip_partial=partial)


def country_code(name: str | None) -> str | None:
    """ISO 3166 alpha-2 of a country's English name, in any of its usual spellings; absent where nobody knows.

    >>> country_code("Türkiye"), country_code("The Netherlands"), country_code("Hong Kong SAR")
    ('TR', 'NL', 'HK')
    """
    if not name or len(name) > _LONGEST_NAME:
        return None
    return _code_of(name)


def country_names() -> list[str]:
    """The countries' English names, in any of their usual spellings."""
    return [name for _, names in _countries() for name in names]


def place_of(event: Event) -> Place | None:
    """Where an event was, by its `geo`; None where that is absent or no point on earth."""
    geo = event.geo
    return None if geo is None else _place(geo, event.country_code)


def distance_km(one: Place, other: Place) -> float:
    """How far two places are apart at least: where only a country is known, somebody may have been anywhere in it.

    >>> round(distance_km(Place((52.52, 13.41), "DE"), Place((35.69, 139.69), "JP")))
    8916
    >>> distance_km(Place(None, "DE"), Place((52.52, 13.41), "DE"))
    0.0
    """
    if one.point is not None and other.point is not None:
        return _great_circle_km(one.point, other.point)
    if one.country_code is None or other.country_code is None:
        return 0.0
    return float(gazetteer.least_km(one.country_code, other.country_code))


@lru_cache(maxsize=4096)
def _code_of(name: str) -> str | None:
    codes = _codes()
    text = name.strip()
    if len(text) == 2 and text.isascii() and text.isupper() and text in codes.values():
        return text
    return codes.get(plain(text)) or codes.get(plain(text.partition("(")[0]))


@lru_cache(maxsize=16_384)
def _geo(code: str, city: str | None) -> Point | None:
    """The city's point, where the city is known, else the country's. Address tables put a district behind: `Berlin (Mitte)`."""
    if city and len(city) <= _LONGEST_NAME:
        point = gazetteer.city(code, city) or gazetteer.city(code, city.partition("(")[0])
        if point is not None:
            return point
    return gazetteer.country(code)


@lru_cache(maxsize=65_536)
def _place(geo: tuple[float, float], code: str | None) -> Place | None:
    """A country's own point is none of its cities': so stored and exported events need no mark of what their point means."""
    lat, lon = geo
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    return Place(None if code is not None and gazetteer.country(code) == geo else geo, code)


def _great_circle_km(one: Point, other: Point) -> float:
    if one == other:
        return 0.0
    lat, other_lat = radians(one[0]), radians(other[0])
    half_way = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin(radians(other[1] - one[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half_way)))


@lru_cache(maxsize=16_384)
def _network(ip: str | None) -> tuple[str | None, bool]:
    """The /24 of an address, and whether the text is what the portal leaves of an IPv6 address: its first group."""
    if not ip:
        return None, False
    try:
        address = IPv4Address(ip)
    except AddressValueError:
        return None, _FIRST_GROUP.match(ip) is not None
    return f"{IPv4Address(int(address) & 0xFFFFFF00)}/24", False


@cache
def _codes() -> dict[str, str]:
    """Every spelling in `countries.tsv` → code."""
    codes: dict[str, str] = {}
    for code, names in _countries():
        codes |= {plain(name): code for name in names}
    return codes


def _countries() -> list[tuple[str, list[str]]]:
    """The rows of `countries.tsv`: code and names."""
    table = resources.files("alertbot").joinpath("countries.tsv").read_text(encoding="utf-8")
    rows = [line.partition("\t") for line in table.splitlines()]
    return [(code, names.split("|")) for code, _, names in rows]
