"""Station 3, where: an event's country, city and address → country code, network, and whether the address is one at all.

In comes an event as the portal wrote it, out goes the same event with what its place means. Pure. Nothing in `ip`, `country`
and `city` can be trusted, for whoever logs in can choose the address; so anything may stand there, and what makes no sense is
absent.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from ipaddress import AddressValueError, IPv4Address

import msgspec

from alertbot.event import Event

_FIRST_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}\Z")
_NOT_A_LETTER = re.compile(r"[^a-z]+")
_SHORT_WORDS = {"the", "and", "of"}
_LONGEST_NAME = 100


def locate(event: Event) -> Event:
    """The event with `country_code`, `network` and `ip_partial`; whatever it carried there before is worked out anew.

    >>> locate(Event(portal="p", id=1, at_us=0, action_id=1029, ip="203.0.113.7", country="Germany")).network
    '203.0.113.0/24'
    """
    code = country_code(event.country)
    network, partial = _network(event.ip)
    if (code, network, partial) == (event.country_code, event.network, event.ip_partial):
        return event
    return msgspec.structs.replace(event, country_code=code, network=network, ip_partial=partial)


def country_code(name: str | None) -> str | None:
    """ISO 3166 alpha-2 of a country's English name, in any of its usual spellings; absent where nobody knows.

    >>> country_code("Türkiye"), country_code("The Netherlands"), country_code("Hong Kong SAR")
    ('TR', 'NL', 'HK')
    """
    if not name or len(name) > _LONGEST_NAME:
        return None
    return _code_of(name)


@lru_cache(maxsize=4096)
def _code_of(name: str) -> str | None:
    codes = _codes()
    text = name.strip()
    if len(text) == 2 and text.isascii() and text.isupper() and text in codes.values():
        return text
    return codes.get(_plain(text)) or codes.get(_plain(text.partition("(")[0]))


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


def _plain(name: str) -> str:
    """A name without accents, case, punctuation and small words, so that its spellings meet."""
    letters = unicodedata.normalize("NFKD", name.replace("ı", "i").replace("&", " and "))
    ascii_only = "".join(c for c in letters if not unicodedata.combining(c)).casefold().replace("'", "").replace("’", "")
    words = _NOT_A_LETTER.sub(" ", ascii_only).split()
    return " ".join("saint" if word == "st" else word for word in words if word not in _SHORT_WORDS)


@cache
def _codes() -> dict[str, str]:
    """Every spelling in `countries.tsv` → code."""
    table = resources.files("alertbot").joinpath("countries.tsv").read_text(encoding="utf-8")
    codes: dict[str, str] = {}
    for line in table.splitlines():
        code, _, names = line.partition("\t")
        codes |= {_plain(name): code for name in names.split("|")}
    return codes
