"""`sequence`: the steps in order within the window.

Other matches may lie between, one event serves one step, and on completion all of the key is used up. Whether a match completes
the steps is found by going back from it and giving each step the latest matches that it can take: that leaves the steps
before it the most room, so if any assignment exists, this one does (and its matches are the evidence).

A cell is an array: the reference of the event that completed last, how many matches it may hold before it is looked through,
then time, reference and steps (a bit each) of the matches in the window. Looked through, it keeps what going back from a later
match could still come to, and lets go of the rest: so a key that is hammered stays small, in whatever order.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import islice
from typing import Any

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Rule, Sequence_

_HEAD = 2
_MATCH = 3
_FEW = 16


def _new() -> array[int]:
    return array("q", (-1, _FEW))


def _copy(cell: array[int]) -> array[int]:
    return cell[:]


class SequenceState(State):
    """The matches of every key within the window, with the steps that each may serve."""

    __slots__ = ("counts", "last_bit", "table", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Sequence_) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.counts = tuple(step.count for step in pattern.steps)
        self.last_bit = 1 << (len(self.counts) - 1)
        self.table: Table[array[int]] = self.by_key(self.within_us, _new, _copy)

    def stepper(self, bits: int) -> Callable[[Event, int, CellKey], None]:
        """The step function for matches that may serve the steps in `bits`; it may be called for several at one event."""

        def step(event: Event, at_us: int, key: CellKey) -> None:
            self.match(event, at_us, key, bits)

        def later_step(event: Event, at_us: int, key: CellKey) -> None:
            if self.table.peek(key) is not None:  # only the first step begins
                self.match(event, at_us, key, bits)

        return step if bits & 1 else later_step

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match of every step."""
        self.match(event, at_us, key, 2 * self.last_bit - 1)

    def match(self, event: Event, at_us: int, key: CellKey, bits: int) -> None:
        """Fold one match that may serve the steps in `bits`."""
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        ref = event.ref
        if cell[0] == ref:
            return
        if cell[-2] == ref:
            cell[-1] |= bits
        else:
            self._append(cell, at_us, ref, bits)
        if bits & self.last_bit:
            served = self._served(cell, len(cell), len(self.counts) - 1)
            if served:
                self.fire(event, at_us, [EventRef(cell[i + 1]) for i in served], cell[served[0]])
                cell[:] = array("q", (ref, _FEW))

    @property
    def tables(self) -> tuple[Table[Any], ...]:
        """All that it remembers of its keys."""
        return (self.table,)

    def fork(self, record: Record) -> SequenceState:
        """The same state for another fold."""
        fork = object.__new__(SequenceState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.counts, fork.last_bit = self.within_us, self.counts, self.last_bit
        fork.table = self.table.fork(record.people)
        return fork

    def _append(self, cell: array[int], at_us: int, ref: int, bits: int) -> None:
        start = at_us - self.within_us
        past = _HEAD
        while past < len(cell) and cell[past] < start:
            past += _MATCH
        del cell[_HEAD:past]
        if len(cell) >= _HEAD + _MATCH * cell[1]:
            # Only now its last match is final: another selection of its event might have added a step to it.
            self._look_through(cell)
        cell.extend((at_us, ref, bits))

    def _look_through(self, cell: array[int]) -> None:
        """Keep the matches that a later one could need: the latest of each step, and those that serve the steps before them."""
        needed: set[int] = set()
        for step, count in enumerate(self.counts):
            latest = (i for i in range(len(cell) - _MATCH, _HEAD - 1, -_MATCH) if cell[i + 2] >> step & 1)
            for i in islice(latest, count):
                before = self._served(cell, i, step - 1)
                if before is None:
                    break
                needed.update(before, (i,))
        kept = array("q", (cell[0], max(_FEW, 2 * len(needed))))
        for i in sorted(needed):
            kept += cell[i : i + _MATCH]
        cell[:] = kept

    def _served(self, cell: array[int], end: int, step: int) -> list[int] | None:
        """Where the latest matches before a place stand that serve the steps up to `step`, oldest first; None: not all are."""
        served: list[int] = []
        i = end
        for serving in range(step, -1, -1):
            missing = self.counts[serving]
            while missing:
                i -= _MATCH
                if i < _HEAD:
                    return None
                if cell[i + 2] >> serving & 1:
                    served.append(i)
                    missing -= 1
        return served[::-1]
