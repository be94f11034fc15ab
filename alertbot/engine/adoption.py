"""Findings that go on although the fold does not begin with them.

Retention takes old events away, and a quick start shows rules no more of them than they remember. Such a fold finds that an
endless attack began with the first events it sees: a finding of another id. It is the stored one all the same, if that was open
for the same rule, version and key when the new one fires: it keeps its id and evidence, and what the store counted beyond what
the fold can see goes on being counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from alertbot.engine.keys import CellKey, cell_key
from alertbot.finding import Finding


@dataclass(frozen=True, slots=True)
class _Adopted:
    """`unseen`: so many of its matches the fold cannot see. What fires after `until_us` is a finding of its own. `kept`: all of
    its events are stored, so where it ends is what the fold says."""

    stored: Finding
    unseen: int
    until_us: int
    kept: bool


class Adoption:
    """The stored findings that a fold's findings stand for."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str, CellKey], _Adopted] = {}
        self._ids: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._ids

    def take(self, stored: Finding, found: Iterable[Finding], *, kept: bool) -> bool:
        """Adopt a stored finding if one of those found up to its last match is the same; whether it is. `kept`: its events are
        still stored, the fold just does not begin with them."""
        same = [f for f in found if _same_key(f) == _same_key(stored) and stored.at_us <= f.at_us <= stored.last_us]
        if not same:
            return False
        latest = max(same, key=lambda f: f.at_us)
        self._by_key[_same_key(stored)] = _Adopted(
            stored, max(0, stored.count - latest.count), latest.at_us if kept else stored.last_us, kept
        )
        self._ids.add(stored.id)
        return True

    def told(self, found: Iterable[Finding]) -> dict[str, Finding]:
        """What a fold found, as it is to be stored, by id."""
        if not self._by_key:
            return {f.id: f for f in found}
        told: dict[str, Finding] = {}
        for one in sorted(found, key=lambda f: f.at_us):
            known = self._by_key.get(_same_key(one))
            if known is not None and known.stored.at_us <= one.at_us <= known.until_us:
                one = _gone_on(known, one)
            told[one.id] = one
        return told


def _gone_on(known: _Adopted, found: Finding) -> Finding:
    stored, count = known.stored, known.unseen + found.count
    if known.kept:  # it may be shorter than it was: a late event at which the condition was false ends it there
        return msgspec.structs.replace(stored, last_us=found.last_us, count=count)
    return msgspec.structs.replace(stored, last_us=max(stored.last_us, found.last_us), count=max(stored.count, count))


def _same_key(found: Finding) -> tuple[str, str, CellKey]:
    return (found.rule, found.version, cell_key(found.key))
