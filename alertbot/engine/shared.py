"""One window for rules that look at the same matches of the same keys: `burst` and `distinct` with other counts and spans.

The window holds what the rule with the highest count and the longest span needs. Whether any of the rules can be true is asked
once: where the fewest matches do not lie within the longest span, none is. So the rules beyond the first cost next to nothing
until something happens. A cell's flags are two bits for each rule (see `Switch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from alertbot.engine.burst import BurstState
from alertbot.engine.distinct import DistinctState, Seen
from alertbot.engine.keys import CellKey
from alertbot.engine.state import State
from alertbot.event import Event, EventRef
from alertbot.rules.model import Burst, Distinct, Rule

MOST_SHARING = 31
"""So many rules share a cell's flags, a whole number of 64 bits."""


def sharing(rules: Sequence[Rule]) -> list[tuple[int, ...]]:
    """The places of rules that can share a window, two or more at a time."""
    alike: dict[object, list[int]] = {}
    for place, rule in enumerate(rules):
        what = _window(rule)
        if what is not None:
            alike.setdefault(what, []).append(place)
    groups = [
        places[start : start + MOST_SHARING] for places in alike.values() for start in range(0, len(places), MOST_SHARING)
    ]
    return [tuple(places) for places in groups if len(places) > 1]


def _window(rule: Rule) -> object | None:
    """What must be equal for two rules to look at the same matches; None where a rule's window is its own."""
    pattern = rule.pattern
    if rule.condition is None or rule.sources or rule.exemptions or not isinstance(pattern, Burst | Distinct):
        return None
    if pattern.at_most is not None or pattern.count < 2:
        return None
    of = pattern.of if isinstance(pattern, Distinct) else None
    return (of, rule.by, rule.feeds, rule.condition.fingerprint)


def join(members: Sequence[State]) -> None:
    """Give new states one table, which remembers as long as any of them needs."""
    bursts = [state for state in members if isinstance(state, BurstState)]
    for burst in bursts:
        burst.table = max(bursts, key=_within).table
    distincts = [state for state in members if isinstance(state, DistinctState)]
    for distinct in distincts:
        distinct.table = max(distincts, key=_within).table


def _within(state: BurstState | DistinctState) -> int:
    return state.within_us


class SharedBurst:
    """Bursts over one window: `members` in the order of their counts."""

    __slots__ = ("fewest", "full", "longest_us", "members", "table")

    def __init__(self, states: Iterable[BurstState]) -> None:
        members = sorted(states, key=lambda state: state.full)
        self.members = [(state, state.full - 1, state.within_us, 2 * number) for number, state in enumerate(members)]
        self.fewest = members[0].full - 1
        self.full = members[-1].full
        self.longest_us = max(state.within_us for state in members)
        self.table = members[0].table
        for state in members:
            state.table = self.table

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match for all of them."""
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        if len(cell) == self.full:
            del cell[1:3]
        cell.append(at_us)
        cell.append(event.ref)
        held = len(cell) - 1
        if cell[0] == 0 and (held < self.fewest or cell[-self.fewest] < at_us - self.longest_us):
            return
        for state, needed, within_us, shift in self.members:
            flag = cell[0] >> shift & 3
            if held >= needed and cell[-needed] >= at_us - within_us:
                if flag == 0:
                    refs = [EventRef(ref) for ref in cell[1 - needed :: 2]]
                    cell[0] |= state.switch.turned_on(event, at_us, key, refs, cell[-needed]) << shift
                elif flag == 1:
                    state.switch.still_on(at_us, key)
            elif flag:
                cell[0] &= ~(3 << shift)


class SharedDistinct:
    """Counts of different values over one window: `members` in the order of their counts."""

    __slots__ = ("fewest", "longest_us", "members", "most", "table", "value_of")

    def __init__(self, states: Iterable[DistinctState]) -> None:
        members = sorted(states, key=lambda state: state.count)
        self.members = [(state, state.count, state.within_us, 2 * number) for number, state in enumerate(members)]
        self.fewest, self.most = members[0].count, members[-1].count
        self.longest_us = max(state.within_us for state in members)
        self.value_of = members[0].value_of
        self.table = members[0].table
        for state in members:
            state.table = self.table

    def step(self, event: Event, at_us: int, key: CellKey) -> None:
        """Fold one match for all of them."""
        value = self.value_of(event)
        if value is None:
            return
        table = self.table
        if at_us >= table.turn_us:
            table.turn(at_us)
        cell = table.cells[key]
        if isinstance(cell, tuple):
            if cell[0] is None or cell[0] == value or cell[1] < at_us - self.longest_us:
                table.cells[key] = (value, at_us, event.ref)
                return
            table.cells[key] = cell = Seen(cell)
        cell.see(value, at_us, event.ref, self.most)
        values = cell.values
        if cell.on or (
            len(values) >= self.fewest
            and next(islice(reversed(values.values()), self.fewest - 1, None))[0] >= at_us - self.longest_us
        ):
            self._judge(cell, event, at_us, key)

    def _judge(self, cell: Seen, event: Event, at_us: int, key: CellKey) -> None:
        latest = list(cell.values.values())
        for state, count, within_us, shift in self.members:
            flag = cell.on >> shift & 3
            if len(latest) >= count and latest[-count][0] >= at_us - within_us:
                if flag == 0:
                    refs = [ref for _, ref in latest[-count:]]
                    cell.on |= state.switch.turned_on(event, at_us, key, refs, latest[-count][0]) << shift
                elif flag == 1:
                    state.switch.still_on(at_us, key)
            elif flag:
                cell.on &= ~(3 << shift)
