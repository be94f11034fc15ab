"""The places of the world: a country's cities by name, a point for each country, and how near countries come to each other.

`gazetteer.bin` beside this file holds them; `tools/build_gazetteer.py` makes it from GeoNames (https://www.geonames.org, CC BY
4.0). Nothing is parsed before it is asked for: a table of countries at the front says where the block of each country's cities
lies, and a block is unpacked when its country is first seen.

The file: a line that says what it is and whose; the number of countries and the length of the distances; for each country its
code, its point in hundredths of a degree, and where its block lies; the distances, packed: whole kilometres for each pair of
countries; the blocks, packed: the number of cities, their points, then a line for each city: its names, plain, between bars.
"""

from __future__ import annotations

import struct
import sys
import unicodedata
import zlib
from array import array
from functools import cache
from importlib import resources

Point = tuple[float, float]
"""Latitude and longitude in degrees, to two decimals."""

COUNTS = struct.Struct("<HI")
COUNTRY = struct.Struct("<2shhII")
CITIES = struct.Struct("<H")

_SHORT_WORDS = {"the", "and", "of"}
_LETTERS = str.maketrans(
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ə": "a"}
)
_NO_LETTERS = str.maketrans(dict.fromkeys("'’‘`ʻʼʹ", ""))


def plain(name: str) -> str:
    """A name without accents, case, punctuation, digits and small words, so that its spellings meet.

    >>> plain("St. Petersburg"), plain("SAINT-PETERSBURG"), plain("Łódź")
    ('saint petersburg', 'saint petersburg', 'lodz')
    """
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS).replace("&", " and "))
    spelled = letters.translate(_NO_LETTERS)
    bare = "".join(c for c in spelled if not unicodedata.combining(c))
    words = "".join(c if "a" <= c <= "z" else " " for c in bare).split()
    return " ".join("saint" if word == "st" else word for word in words if word not in _SHORT_WORDS)


def city(code: str, name: str) -> Point | None:
    """Where a city of a country lies, by any usual spelling of its name in Latin letters; None where nobody knows.

    A name that several cities of a country share stands for the one that is much larger than the others, else for none.
    """
    names, points = _cities(code)
    number = names.get(plain(name))
    return None if number is None else points[number]


def country(code: str) -> Point | None:
    """The point that stands for a whole country: no city lies on it."""
    entry = _countries().get(code)
    return None if entry is None else entry[1]


def cities(code: str) -> list[Point]:
    """The points of all known cities of a country."""
    return _cities(code)[1]


def least_km(code: str, other: str) -> int:
    """The least distance between a city of the one country and a city of the other, rounded down; 0 where nobody knows."""
    countries = _countries()
    if code == other or code not in countries or other not in countries:
        return 0
    low, high = sorted((countries[code][0], countries[other][0]))
    return _distances()[high * (high - 1) // 2 + low]


@cache
def _file() -> bytes:
    return resources.files("alertbot").joinpath("gazetteer.bin").read_bytes()


@cache
def _countries() -> dict[str, tuple[int, Point, int, int]]:
    """Code → number, point, start and length of the block."""
    data = _file()
    start = data.index(b"\n") + 1
    count, _ = COUNTS.unpack_from(data, start)
    start += COUNTS.size
    table = COUNTRY.iter_unpack(data[start : start + count * COUNTRY.size])
    return {
        code.decode("ascii"): (number, (lat / 100, lon / 100), block, length)
        for number, (code, lat, lon, block, length) in enumerate(table)
    }


@cache
def _distances() -> array[int]:
    """Kilometres for each pair of countries, the higher number's row at n(n-1)/2."""
    data = _file()
    start = data.index(b"\n") + 1
    count, length = COUNTS.unpack_from(data, start)
    start += COUNTS.size + count * COUNTRY.size
    return _numbers("H", zlib.decompress(data[start : start + length]))


@cache
def _cities(code: str) -> tuple[dict[str, int], list[Point]]:
    entry = _countries().get(code)
    if entry is None:
        return {}, []
    _, _, start, length = entry
    block = zlib.decompress(_file()[start : start + length])
    (count,) = CITIES.unpack_from(block)
    end = CITIES.size + 4 * count
    degrees = _numbers("h", block[CITIES.size : end])
    points = [(degrees[i] / 100, degrees[i + 1] / 100) for i in range(0, 2 * count, 2)]
    names: dict[str, int] = {}
    for number, line in enumerate(block[end:].decode("ascii").split("\n")):
        for name in line.split("|"):
            names[name] = number
    return names, points


def _numbers(kind: str, packed: bytes) -> array[int]:
    numbers = array(kind, packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
