"""`travel`: a match that cannot have been reached from its key's last place in the time between.

The two must be farther apart than `farther_than`, and the way faster than `faster_than`; no time between is infinitely fast. A
match without a place is skipped. With `familiar`, a place that the key used within that time before does not fire. Where only
the country is known, the place is the country, as near to others as it can be.
"""

from __future__ import annotations

from typing import Any

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.places import HALF_ROUND_THE_EARTH_KM, Place, distance_km, place_of
from alertbot.rules.model import Rule, Travel

_HOUR_US = 3_600_000_000
_NEVER = -(1 << 62)
_FOREVER = 1 << 62

Last = tuple[int, EventRef, Place, tuple[float, float] | None]
"""When and where a key was last, the event that says so, and how it said where."""

_NOWHERE: Last = (_NEVER, EventRef(0), Place(None, None), None)


def _nowhere() -> Last:
    return _NOWHERE


def _never() -> int:
    return _NEVER


def longest_way_us(pattern: Travel) -> int:
    """After so long no place on earth is too far: a last place that is older does not matter."""
    return int(min(HALF_ROUND_THE_EARTH_KM / pattern.faster_than_kmh * _HOUR_US, _FOREVER)) + 1


class TravelState(State):
    """Where each key was last, and which places it used when."""

    __slots__ = ("familiar_us", "kmh", "last", "least_km", "used")

    def __init__(self, rule: Rule, record: Record, pattern: Travel) -> None:
        super().__init__(rule, record)
        self.kmh = pattern.faster_than_kmh
        self.least_km = pattern.farther_than_km
        self.familiar_us = None if pattern.familiar is None else span_us(pattern.familiar)
        self.last: Table[Last] = self.by_key(longest_way_us(pattern), _nowhere, None)
        self.used: Table[int] = self.by_place(self.familiar_us or 1, _never, None)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match; one without a place is skipped."""
        geo = event.geo
        if geo is None:
            return
        table = self.last
        if at_us >= table.turn_us:
            table.turn(at_us)
        last = table.cells[key]
        place = last[2] if geo == last[3] and event.country_code == last[2].country_code else place_of(event)
        if place is None:
            return
        table.cells[key] = (at_us, event.ref, place, geo)
        familiar = self.familiar_us is not None and self._is_familiar(at_us, key, place, self.familiar_us)
        if last[2] is not place and last[2] != place and not familiar and self._too_fast(last, at_us, place):
            self.fire(event, at_us, (last[1], event.ref), last[0])

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.last, self.used)

    def fork(self, record: Record) -> TravelState:
        """The same state for another fold."""
        fork = object.__new__(TravelState)
        State.__init__(fork, self.rule, record)
        fork.kmh, fork.least_km, fork.familiar_us = self.kmh, self.least_km, self.familiar_us
        fork.last, fork.used = self.last.fork(record.people), self.used.fork(record.people)
        return fork

    def _is_familiar(self, at_us: int, key: CellKey, place: Place, familiar_us: int) -> bool:
        used = self.used
        if at_us >= used.turn_us:
            used.turn(at_us)
        before = used.cells[key, place]
        used.cells[key, place] = at_us
        return before >= at_us - familiar_us

    def _too_fast(self, last: Last, at_us: int, place: Place) -> bool:
        between_us = at_us - last[0]
        if self.kmh * between_us >= HALF_ROUND_THE_EARTH_KM * _HOUR_US:
            return False
        km = distance_km(last[2], place)
        return km > self.least_km and km * _HOUR_US > self.kmh * between_us
