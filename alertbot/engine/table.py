"""A table of cells by key that can be forked in no time, forgets what its window has passed, and stays small.

A pattern writes `cell = table[key]` and changes the cell in place; the table makes a new one, finds the old one, or copies it
from the table that it was forked from. Nothing is ever swept: time is cut into spans of the pattern's horizon, the table of a
span is followed by an empty one, and only the last two are looked at, so a cell goes between one and two horizons after its
last touch. A pattern must treat a cell that its window has passed as if it were new.

Whoever makes up keys does not fill the memory: a generation that holds `half` keys is followed at once, without waiting for its
span to end. Then cells go before their time, in the order of events alone, the keys of people in the directory excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator
from typing import Generic, TypeVar
from weakref import ref

from alertbot.engine.keep import Keep, People

Cell = TypeVar("Cell")

MOST_KEYS = 200_000
_AT_ONCE = -(1 << 63)


class Generation(dict[Hashable, Cell]):
    """The cells touched in one span of time; what is missing is looked up behind it.

    `mine` are the tables behind it whose cells it may take, `shared` those whose cells it must copy. The first `together`
    (one or none) of the shared belong to the same span: its keys are this generation's too. `counted`: how many that makes,
    of `most` that fill it.
    """

    __slots__ = ("copied", "counted", "make", "mine", "most", "shared", "table", "together")

    def __init__(self, table: Table[Cell], make: Callable[[], Cell], copied: Callable[[Cell], Cell] | None) -> None:
        super().__init__()
        self.table = ref(table)
        self.make = make
        self.copied = copied
        self.mine: tuple[dict[Hashable, Cell], ...] = ()
        self.shared: tuple[dict[Hashable, Cell], ...] = ()
        self.together = 0
        self.counted = 0
        self.most = table.half

    def __missing__(self, key: Hashable) -> Cell:
        # Every key that a fork touches comes by here once: so no step is taken for the sake of a name.
        if self.together:
            cell = self.shared[0].get(key)
            if cell is not None:
                copied = self.copied
                if copied is not None:
                    cell = self[key] = copied(cell)
                return cell
        for layer in self.mine:
            cell = layer.get(key)
            if cell is not None:
                break
        else:
            for layer in self.shared:
                cell = layer.get(key)
                if cell is not None:
                    cell = self.own(cell)
                    break
            else:
                cell = self.make()
        if not (self.together and key in self.shared[0]):
            self.counted += 1
            if self.counted >= self.most:
                self._is_full()
        self[key] = cell
        return cell

    def own(self, cell: Cell) -> Cell:
        """A cell to be changed that is the same as one that others go on looking at."""
        return cell if self.copied is None else self.copied(cell)

    def holds(self, key: Hashable) -> bool:
        """Whether a key was touched in this span."""
        return key in self or (self.together > 0 and key in self.shared[0])

    def _is_full(self) -> None:
        table = self.table()
        if table is not None:
            table.turn_us = _AT_ONCE


class Table(Generic[Cell]):
    """The two generations that count. `cells` is the one to read and write; it is exchanged by `turn`.

    `copied`: None where cells are never changed in place. `half`: so many keys fill a generation. `keep` says which cells
    outlive that; `dropped` counts those that did not, `early` the generations that were followed before their time.
    """

    __slots__ = ("__weakref__", "_filled", "_span", "cells", "dropped", "early", "half", "horizon_us", "keep", "turn_us")

    def __init__(
        self,
        horizon_us: int,
        make: Callable[[], Cell],
        copied: Callable[[Cell], Cell] | None,
        *,
        most_keys: int = MOST_KEYS,
        keep: Keep | None = None,
    ) -> None:
        self.horizon_us = max(horizon_us, 1)
        self.half = max(most_keys // 2, 1)
        self.keep = keep
        self.dropped = 0
        self.early = 0
        self.turn_us = _AT_ONCE
        self.cells: Generation[Cell] = Generation(self, make, copied)
        self._span: int | None = None
        self._filled = False

    def turn(self, at_us: int) -> None:
        """Start the generation that `at_us` needs; call it when `at_us >= turn_us`."""
        span = at_us // self.horizon_us
        if self._span is not None:
            early = span == self._span
            if early or span == self._span + 1:
                self._follow(early=early)
            else:
                self._start_empty()
        self._span = span
        self.turn_us = (span + 1) * self.horizon_us

    def peek(self, key: Hashable) -> Cell | None:
        """The cell, if there is one; a fork's caller must not change it."""
        cells = self.cells
        cell = cells.get(key)
        if cell is None:
            for layer in cells.mine:
                cell = layer.get(key)
                if cell is not None:
                    return cell
            for layer in cells.shared:
                cell = layer.get(key)
                if cell is not None:
                    return cell
        return cell

    def fork(self, people: People) -> Table[Cell]:
        """A table with the same content, of a fold that knows these people; what is done to it does not touch this one.

        This table may go on as long as it only changes cells that the fork has touched first. A fork is not forked again.
        """
        cells = self.cells
        keep = None if self.keep is None else self.keep.fork(people)
        fork: Table[Cell] = Table(self.horizon_us, cells.make, cells.copied, most_keys=2 * self.half, keep=keep)
        fork.turn_us, fork._span, fork._filled, fork.dropped = self.turn_us, self._span, self._filled, self.dropped
        fork.early = self.early
        fork.cells.shared = (cells, *cells.mine, *cells.shared)
        fork.cells.together, fork.cells.counted = 1, cells.counted
        return fork

    def graft(self, other: Table[Cell], keys: Container[Hashable]) -> bool:
        """Take what another fork of the same table holds of some keys, and let go of what this one held of them.

        False where that is not all, for a table that is filled forgets keys for the sake of others: then neither is of use any
        more.
        """
        spans = [span for span in (self._span, other._span) if span is not None]
        for table in (self, other):
            if spans and table._span != max(spans):
                table.turn(max(spans) * self.horizon_us)
        if self.early != other.early or self._filled or other._filled:
            return False
        cells, own = self.cells, (self.cells, *self.cells.mine)
        theirs = (other.cells, *other.cells.mine)
        inside = self.keep is not None and self.keep.inside
        places = {place for layer in (*own, *theirs) for place in layer if (place[0] if inside else place) in keys}  # type: ignore[index]
        for place in places:
            cell = other.peek(place)
            if cell is not None and not any(place in layer for layer in theirs):
                cell = cells.own(cell)
            before, now = cells.holds(place), other.cells.holds(place)
            for layer in own:
                layer.pop(place, None)
            if cell is not None and now:
                cells[place] = cell
            elif cell is not None and cells.mine:
                cells.mine[0][place] = cell
            elif cell is not None or self.peek(place) is not None:
                return False
            cells.counted += now - before
        return cells.counted < cells.most

    def __len__(self) -> int:
        return sum(len(layer) for layer in self._layers())

    def _layers(self) -> Iterator[dict[Hashable, Cell]]:
        yield self.cells
        yield from self.cells.mine
        yield from self.cells.shared

    def _follow(self, *, early: bool) -> None:
        last = self.cells
        self.cells = Generation(self, last.make, last.copied)
        kept = self._kept(last) if early or self._filled else {}
        self.cells.mine = (last, kept) if kept else (last,)
        self.cells.shared = last.shared[: last.together]
        self._filled = early
        self.early += early
        last.mine, last.shared, last.together = (), (), 0

    def _kept(self, last: Generation[Cell]) -> dict[Hashable, Cell]:
        """What is older than the last generation and must outlive it all the same."""
        newer = (last, *last.shared[: last.together])
        older: dict[Hashable, tuple[Cell, bool]] = {}
        for layers, shared in ((last.shared[last.together :], True), (last.mine, False)):
            for layer in reversed(layers):
                older.update((key, (cell, shared)) for key, cell in layer.items())
        for layer in newer:
            for key in layer.keys() & older.keys():
                del older[key]
        kept = {} if self.keep is None else self.keep.choose(older)
        self.dropped += len(older) - len(kept)
        return {key: last.own(cell) if shared else cell for key, (cell, shared) in kept.items()}

    def _start_empty(self) -> None:
        self.cells = Generation(self, self.cells.make, self.cells.copied)
        self._filled = False
