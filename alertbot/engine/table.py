"""A table of cells by key that can be forked in no time and forgets what its window has passed.

A pattern writes `cell = table[key]` and changes the cell in place; the table makes a new one, finds the old one, or copies it
from the table that it was forked from. Nothing is ever swept: time is cut into spans of the pattern's horizon, the table of a
span is followed by an empty one, and only the last two are looked at, so a cell goes between one and two horizons after its
last touch. A pattern must treat a cell that its window has passed as if it were new.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Cell = TypeVar("Cell")


class Generation(dict[Hashable, Cell]):
    """The cells touched in one span of time; what is missing is looked up behind it."""

    __slots__ = ("copied", "make", "mine", "shared")

    def __init__(self, make: Callable[[], Cell], copied: Callable[[Cell], Cell]) -> None:
        super().__init__()
        self.make = make
        self.copied = copied
        self.mine: tuple[dict[Hashable, Cell], ...] = ()
        self.shared: tuple[dict[Hashable, Cell], ...] = ()

    def __missing__(self, key: Hashable) -> Cell:
        cell = self._behind(key)
        if cell is None:
            cell = self.make()
        self[key] = cell
        return cell

    def _behind(self, key: Hashable) -> Cell | None:
        for layer in self.mine:
            cell = layer.get(key)
            if cell is not None:
                return cell
        for layer in self.shared:
            cell = layer.get(key)
            if cell is not None:
                return self.copied(cell)
        return None


class Table(Generic[Cell]):
    """The two generations that count. `cells` is the one to read and write; it is exchanged by `turn`."""

    __slots__ = ("cells", "horizon_us", "turn_us")

    def __init__(self, horizon_us: int, make: Callable[[], Cell], copied: Callable[[Cell], Cell]) -> None:
        self.horizon_us = max(horizon_us, 1)
        self.turn_us: int | None = None
        self.cells: Generation[Cell] = Generation(make, copied)

    def turn(self, at_us: int) -> None:
        """Start the span that holds `at_us`; call it when `at_us >= turn_us`, or when that is None."""
        span = at_us // self.horizon_us
        follows = self.turn_us is not None and self.turn_us // self.horizon_us == span
        if self.turn_us is None or not follows:
            self._start_empty(keep=self.turn_us is None)
        else:
            self._follow()
        self.turn_us = (span + 1) * self.horizon_us

    def peek(self, key: Hashable) -> Cell | None:
        """The cell, if there is one; a fork's caller must not change it."""
        cells = self.cells
        cell = cells.get(key)
        if cell is not None:
            return cell
        for layer in (*cells.mine, *cells.shared):
            cell = layer.get(key)
            if cell is not None:
                return cell
        return None

    def fork(self) -> Table[Cell]:
        """A table with the same content; what is done to it does not touch this one.

        This table may go on as long as it only changes cells that the fork has touched first.
        """
        fork: Table[Cell] = Table(self.horizon_us, self.cells.make, self.cells.copied)
        fork.turn_us = self.turn_us
        fork.cells.shared = (self.cells, *self.cells.mine, *self.cells.shared)
        return fork

    def __len__(self) -> int:
        return len(self.cells) + sum(len(layer) for layer in (*self.cells.mine, *self.cells.shared))

    def _follow(self) -> None:
        last = self.cells
        self.cells = Generation(last.make, last.copied)
        self.cells.mine = (last,)
        self.cells.shared = last.shared[:1] if last.shared and not last.mine else ()
        last.mine = ()
        last.shared = ()

    def _start_empty(self, *, keep: bool) -> None:
        if not keep:
            self.cells = Generation(self.cells.make, self.cells.copied)
