"""One pass down the portal's history: which page to ask for next, and down to where nothing can be missing. No I/O.

The portal sorts by date alone, cuts pages by position, and gives rows of one second in any order, another one each time. What
is certain in spite of that: a single answer is one moment's truth, and rows that arrive later only push others down, never up.
So each page begins where the last second of the page before began: every second is then wholly inside one answer.

A second that holds more rows than a page (a crowd) never is. It is read again and again until as many different ids are known
of it as it took places in that pass: new rows that arrive meanwhile make it seem larger than it is, never smaller. Where they
never cease to arrive, it is enough that many passes found nothing new and that the places of two passes allow for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from alertbot.portal.ranges import Range

PAGE = 100
TRIES = 60
STILL = 15
SECOND_US = 1_000_000
_HOUR_S = 3_600

Row = tuple[int, int]
"""An id and a date in microseconds."""


class Seen:
    """Rows that are known, by id, and how many there are of each second."""

    __slots__ = ("_at", "_in_second")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._at: dict[int, int] = {}
        self._in_second: Counter[int] = Counter()
        for row_id, at_us in rows:
            self.add(row_id, at_us)

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._at

    def __len__(self) -> int:
        return len(self._at)

    def add(self, row_id: int, at_us: int) -> None:
        """Know a row; knowing it already changes nothing."""
        if row_id not in self._at:
            self._at[row_id] = at_us
            self._in_second[at_us // SECOND_US] += 1

    def in_second(self, second: int) -> int:
        """How many rows of a second are known."""
        return self._in_second[second]

    def forget(self, ranges: Sequence[Range]) -> None:
        """Forget the rows dated in any of the ranges."""
        kept = [(row_id, at_us) for row_id, at_us in self._at.items() if not any(at_us in part for part in ranges)]
        if len(kept) < len(self._at):
            self.__init__(kept)  # type: ignore[misc]


class _Crowd:
    """A second that holds more rows than a page."""

    __slots__ = ("_end", "_known", "_still", "dated", "entered", "first", "second", "tries")

    def __init__(self, second: int, first: int) -> None:
        self.second = second
        self.dated = {second}
        self.first = first
        self.entered = True
        self.tries = 1
        self._known = self._still = self._end = 0

    def is_whole(self, known: int, end: int) -> bool:
        """Whether all of it is known, now that a pass has ended at a position."""
        least = self._end - self.first
        self._still = self._still + 1 if known == self._known else 0
        self._known, self._end = known, end
        return known >= end - self.first or (self._still >= STILL and known >= least)

    def holds(self, row: Row) -> bool:
        """Whether a row is of this second."""
        return _same(row[1] // SECOND_US, self.second)


class Walk:
    """A pass, newest rows first, from a position on. Ask for `next_index`, give the rows to `take`, until `finished`.

    Until then everything dated at or after `reached_us` has been read, as it stood when its page was asked for; the seconds in
    `unsettled` excepted, of which rows may be missing. A `patient` pass repeats crowds, another one reads them once.
    """

    def __init__(self, start_index: int = 0, *, patient: bool = True) -> None:
        self.next_index = start_index
        self.patient = patient
        self.finished = False
        self.reached_us: int | None = None
        self.unsettled: list[int] = []
        self._crowd: _Crowd | None = None
        self._last_second: int | None = None

    @property
    def crowded(self) -> bool:
        """Whether it is inside of a crowd."""
        return self._crowd is not None

    def take(self, rows: Sequence[Row], count: int, known: Callable[[int], int]) -> None:
        """The rows at `next_index`, of which the portal gave `count`, some perhaps unreadable.

        `known` says how many rows of a second are known, these included.
        """
        index = self.next_index
        crowd = self._crowd
        if crowd is not None and not self._leaves(crowd, index, rows, count, known):
            return
        self._crowd = None
        if count < PAGE:
            self.finished = True
        elif not rows:
            self.next_index = index + count
        else:
            self._advance(index, rows, count)

    def _advance(self, index: int, rows: Sequence[Row], count: int) -> None:
        """Go on where the last second of the page began; a second that ends neither on this page nor on the next is a crowd."""
        second = rows[-1][1] // SECOND_US
        tail = len(rows) - 1
        while tail > 0 and _same(rows[tail - 1][1] // SECOND_US, second):
            tail -= 1
        if tail > 0:
            self.reached_us = rows[tail - 1][1] // SECOND_US * SECOND_US
        if tail == 0 or (self._last_second is not None and _same(self._last_second, second)):
            self._crowd = _Crowd(second, index + tail)
            self.next_index = index + count
        else:
            self.next_index = index + tail
        self._last_second = second

    def _leaves(self, crowd: _Crowd, index: int, rows: Sequence[Row], count: int, known: Callable[[int], int]) -> bool:
        """Whether the pass goes on behind the crowd with these rows; else `next_index` is set."""
        start = 0
        while start < len(rows) and rows[start][1] // SECOND_US > crowd.second and not crowd.holds(rows[start]):
            start += 1
        end = start
        while end < len(rows) and crowd.holds(rows[end]):
            end += 1
        crowd.dated.update(at_us // SECOND_US for _, at_us in rows[start:end])
        if not crowd.entered:
            crowd.first, crowd.entered = index + start, end > start
        if count == PAGE and end == len(rows):  # it goes on, or was pushed down by a whole page of new rows
            self.next_index = index + count
            return False
        if crowd.is_whole(sum(map(known, crowd.dated)), index + end):
            return True
        if not self.patient or crowd.tries >= TRIES:
            self.unsettled.append(crowd.second)
            return True
        crowd.tries += 1
        crowd.entered = False
        self.next_index = crowd.first
        return False


def _same(second: int, other: int) -> bool:
    """Whether two seconds are one; the portal's conversion may put rows of one second an hour apart."""
    return second == other or (abs(second - other) == _HOUR_S)


@dataclass(slots=True)
class Way:
    """A walk with its purpose: where it ends, and what it has met so far.

    It goes down to `floor_us`; after every `chunk` pages what it found is offered. `is_catch_up`: so much is missing that what
    was read is kept even if the rest fails. `until_us`: it fills a hole, and what is newer is stored already. `is_deep`: it
    looks for what came late, and rests now and then. `done`: it is at its end.
    """

    walk: Walk
    floor_us: int
    chunk: int
    is_catch_up: bool = False
    is_deep: bool = False
    until_us: int | None = None
    pages: int = 0
    top_us: int = 0
    rested_at: int = 0
    stopped_early: bool = False
    done: bool = False
