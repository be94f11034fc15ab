"""Whose cells a table keeps when made-up keys fill it: those of people in the directory.

A key belongs to a person if it holds the account of one, and beside it only what has few values for each person: an address
beside it could be made up again without end.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from alertbot.rules.fields import FEW_VALUES

Kept = TypeVar("Kept")

MOST_VALUES = 1_000
"""So many values of one person outlive a flood, those seen last."""

_OF_A_PERSON = FEW_VALUES | {"name", "email", "groups"}


class People:
    """The accounts that events so far knew from the directory; a fork adds its own to those that it began with."""

    __slots__ = ("before", "own")

    def __init__(self, before: tuple[set[str | None], ...] = ()) -> None:
        self.own: set[str | None] = set()
        self.before = before

    def fork(self) -> People:
        """The same people, for another fold."""
        return People((self.own, *self.before))

    def keys(self) -> set[str]:
        """All of them, as keys spell them."""
        return {account.lower() for accounts in (self.own, *self.before) for account in accounts if account}


class Keep:
    """Tells which cells outlive their table. `by` are a rule's key fields; `inside`: a key is the first part of a place."""

    __slots__ = ("by", "inside", "people")

    def __init__(self, people: People, by: tuple[str, ...], *, inside: bool = False) -> None:
        self.people = people
        self.by = by
        self.inside = inside

    def choose(self, cells: dict[Hashable, tuple[Kept, bool]]) -> dict[Hashable, tuple[Kept, bool]]:
        """Those of the cells that belong to people; of what stands inside a key the latest `MOST_VALUES`."""
        if "account" not in self.by or not _OF_A_PERSON.issuperset(set(self.by) - {"account"}):
            return {}
        people = self.people.keys()
        kept = {place: cell for place, cell in cells.items() if self._account(place) in people}
        return _latest_of_each(kept) if self.inside and len(kept) > MOST_VALUES else kept

    def fork(self, people: People) -> Keep:
        """The same for another fold."""
        return Keep(people, self.by, inside=self.inside)

    def _account(self, place: Hashable) -> Hashable:
        key = place[0] if self.inside and isinstance(place, tuple) else place
        return key[self.by.index("account")] if isinstance(key, tuple) else key


def _latest_of_each(cells: dict[Hashable, tuple[Kept, bool]]) -> dict[Hashable, tuple[Kept, bool]]:
    by_key: dict[Hashable, list[Hashable]] = {}
    for place in cells:
        by_key.setdefault(place[0] if isinstance(place, tuple) else place, []).append(place)
    kept: dict[Hashable, tuple[Kept, bool]] = {}
    for places in by_key.values():
        if len(places) > MOST_VALUES:
            places.sort(key=lambda place: (cells[place][0], repr(place)))
        kept.update((place, cells[place]) for place in places[-MOST_VALUES:])
    return kept
