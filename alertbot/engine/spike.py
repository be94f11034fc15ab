"""`spike`: the window holds `factor` times the usual, and at least `count`.

The usual is what a window's length held on average in the `usual` before the window: matches from its start, inclusive, to the
window's start, exclusive, divided by how many windows fit, not rounded. Until the key's first match is `usual` old it is
silent; a key without a match for longer than both together starts anew.

A cell is an array: the flag, the first match, how many matches are in the usual time, where that and the window begin and end;
then pairs: of the usual time a moment and how many matches it had, of the window each match's moment and reference. What leaves
the window is counted at its moment, so a key that is hammered for days costs no more than its seconds. The begins only move
forward, so a match costs a few comparisons however many there are.
"""

from __future__ import annotations

from array import array
from fractions import Fraction

from alertbot.engine.keys import CellKey
from alertbot.engine.state import Record, State, Switch, SwitchedState
from alertbot.engine.table import Table
from alertbot.event import Event, EventRef
from alertbot.moments import span_us
from alertbot.rules.model import Rule, Spike

_ON, _FIRST, _COUNTED, _USUAL, _USUAL_END, _WINDOW, _HEAD = 0, 1, 2, 3, 4, 5, 6
_COMPACT = 512


def _new() -> array[int]:
    return array("q", (0, 0, 0, _HEAD, _HEAD, _HEAD))


def _copy(cell: array[int]) -> array[int]:
    return cell[:]


class SpikeState(SwitchedState):
    """The matches of every key in the window and in the time that tells what is usual."""

    __slots__ = ("count", "factor", "usual_us", "within_us")

    def __init__(self, rule: Rule, record: Record, pattern: Spike) -> None:
        super().__init__(rule, record)
        self.within_us = span_us(pattern.within)
        self.usual_us = span_us(pattern.usual)
        self.factor = Fraction(str(pattern.factor))
        self.count = pattern.count
        self.table: Table[array[int]] = self.by_key(self.within_us + self.usual_us, _new, _copy)
        self.switch = Switch.of(self, self.within_us + self.usual_us)

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match."""
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        if len(cell) == _HEAD or cell[-2] < at_us - self.within_us - self.usual_us:
            cell[:] = _new()
            cell[_FIRST] = at_us
        cell.extend((at_us, event.ref))
        self._move(cell, at_us)
        if at_us - cell[_FIRST] >= self.usual_us and self._is_much((len(cell) - cell[_WINDOW]) // 2, cell[_COUNTED]):
            if cell[_ON] == 0:
                window = cell[cell[_WINDOW] :]
                refs = [EventRef(ref) for ref in window[1::2]]
                cell[_ON] = self.switch.turned_on(event, at_us, key, refs, window[0])
            elif cell[_ON] == 1:
                self.switch.still_on(at_us, key)
        else:
            cell[_ON] = 0

    def fork(self, record: Record) -> SpikeState:
        """The same state for another fold."""
        fork = object.__new__(SpikeState)
        State.__init__(fork, self.rule, record)
        fork.within_us, fork.usual_us, fork.factor, fork.count = self.within_us, self.usual_us, self.factor, self.count
        fork.table, fork.switch = self.table.fork(record.people), self.switch.fork(fork)
        return fork

    def _is_much(self, within: int, usual: int) -> bool:
        """within ≥ factor × usual ÷ (usual_us ÷ within_us), in whole numbers, for a rounded one would be a wrong one."""
        if within < self.count:
            return False
        factor = self.factor
        return within * self.usual_us * factor.denominator >= factor.numerator * usual * self.within_us

    def _move(self, cell: array[int], at_us: int) -> None:
        window, usual, end, counted = cell[_WINDOW], cell[_USUAL], cell[_USUAL_END], cell[_COUNTED]
        start_us = at_us - self.within_us
        while cell[window] < start_us:
            if end > usual and cell[end - 2] == cell[window]:
                cell[end - 1] += 1
            else:
                cell[end], cell[end + 1] = cell[window], 1
                end += 2
            counted += 1
            window += 2
        while usual < end and cell[usual] < start_us - self.usual_us:
            counted -= cell[usual + 1]
            usual += 2
        if (window - end) + (usual - _HEAD) > max(_COMPACT, len(cell) // 2):
            del cell[end:window]
            del cell[_HEAD:usual]
            end -= usual - _HEAD
            window, usual = end, _HEAD
        cell[_WINDOW], cell[_USUAL], cell[_USUAL_END], cell[_COUNTED] = window, usual, end, counted
