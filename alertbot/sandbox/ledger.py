"""What the sandbox portal has recorded: one feed's rows, and which of them it shows at a moment.

In come rows with the moment at which they appear; out go pages as the portal cuts them: by date only, newest first, rows of
equal date in a new order at every request. A page is cut before anybody filters it.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from operator import attrgetter

import msgspec

from alertbot.event import Feed

_AT = attrgetter("at_us")
_BULK = 64


class Row(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row of the login history or the audit trail. `fields` are the further columns that are not null.

    The portal shows it from `appears_us` on, which may be later than its date.
    """

    id: int
    at_us: int
    appears_us: int
    action_id: int
    user_id: str
    feed: Feed = "login"
    fields: dict[str, str]


class Ledger:
    """The rows of one feed."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._coming: list[tuple[int, int, Row]] = []
        self._last_id = 0
        self._count = 0

    @property
    def last_id(self) -> int:
        """The highest id recorded, shown or not."""
        return self._last_id

    @property
    def coming(self) -> int:
        """How many rows are recorded that the portal does not show yet."""
        return len(self._coming)

    def coming_until(self, until_us: int) -> int:
        """How many of them will be shown by a moment."""
        return sum(appears_us <= until_us for appears_us, _, _ in self._coming)

    @property
    def last_appears_us(self) -> int | None:
        """When the last of them will be shown."""
        return max((appears_us for appears_us, _, _ in self._coming), default=None)

    def add(self, rows: Iterable[Row]) -> None:
        """Records rows; none is shown before its time."""
        for row in rows:
            self._count += 1
            self._last_id = max(self._last_id, row.id)
            heapq.heappush(self._coming, (row.appears_us, self._count, row))

    def shown(self, now_us: int) -> list[Row]:
        """All rows that the portal shows now, oldest first; the list must not be changed."""
        due: list[Row] = []
        while self._coming and self._coming[0][0] <= now_us:
            due.append(heapq.heappop(self._coming)[2])
        if len(due) > _BULK:
            self._rows.extend(due)
            self._rows.sort(key=_AT)
        else:
            for row in due:
                insort(self._rows, row, key=_AT)
        return self._rows

    def forget(self, before_us: int) -> None:
        """Deletes what is shown and older than that moment."""
        old = bisect_left(self._rows, before_us, key=_AT)
        if old:
            del self._rows[:old]

    def page(self, now_us: int, start: int, count: int, chance: random.Random) -> list[Row]:
        """The rows `start` to `start + count` of those shown now, newest first; rows of equal date in an order by `chance`."""
        rows = self.shown(now_us)
        end = len(rows) - start
        if end <= 0 or count <= 0:
            return []
        begin = max(0, end - count)
        first = bisect_left(rows, rows[begin].at_us, key=_AT)
        last = bisect_right(rows, rows[end - 1].at_us, key=_AT)
        candidates = rows[first:last]
        candidates.sort(key=lambda row: (-row.at_us, chance.random()))
        return candidates[last - end : last - begin]
