"""Late events: judge anew what they touch, and nothing else.

A late event matters to the keys that it brings to the rules of which it matches a condition. So a second fork of what is
settled folds the matches of these keys alone, and its cells take the place of theirs in the fold that is ahead. All else stays
as it is, for no key knows of another.

That does not hold where rules wait for others' firings, for silences, and where made-up keys fill a table: then one key decides
what becomes of another, and the caller folds all of the tail anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alertbot.engine.fold import Fold
from alertbot.engine.keys import CellKey, Keyer, cell_key
from alertbot.event import Event
from alertbot.finding import Finding

MOST_LATE = 100
"""Of more events than that the keys are so many that all is folded anew as quickly."""


@dataclass(frozen=True, slots=True)
class Anew:
    """What was judged anew: the keys of each rule, and all that was found of them, what is settled included."""

    keys: Mapping[str, set[CellKey]]
    found: Mapping[str, Finding]

    def judged(self, found: Finding) -> bool:
        """Whether a finding is of a key that was judged anew."""
        return _is_of(self.keys, found)


def judge_anew(settled: Fold, ahead: Fold, late: Sequence[Event], tail: Sequence[Event]) -> Anew | None:
    """Make `ahead` what it were if it had folded the late events in their place. `tail`: all events after those that are
    settled, the late ones among them.

    None where that cannot be done for some keys alone: then `ahead` is of no use any more.
    """
    plan = ahead.plan
    if len(late) > MOST_LATE:
        return None
    keys: dict[int, set[CellKey]] = {}
    related: dict[Keyer, set[CellKey]] = {}
    for event in late:
        for place in plan.taken_by(event):
            if place not in plan.independent:
                return None
            of_rule = keys.setdefault(place, set())
            key_of = plan.keyer(plan.rules[place])
            key = None if key_of is None else key_of(event)
            if key_of is not None and key is not None:
                of_rule.add(key)
                related.setdefault(key_of, set()).add(key)
    refs = {event.ref for event in late}
    ways = tuple(related.items())
    second = settled.fork()
    second.wake(set(range(len(plan.rules))) - keys.keys())
    second.fold(event for event in tail if event.ref in refs or any(key_of(event) in those for key_of, those in ways))
    grafted: set[int] = set()  # rules that share a window share its table
    for place, those in keys.items():
        for table, other in zip(ahead.states[place].tables, second.states[place].tables, strict=True):
            if id(table) not in grafted and not table.graft(other, those):
                return None
            grafted.add(id(table))
    ahead.record.people.own.update(second.record.people.own)
    judged = {plan.rules[place].name: those for place, those in keys.items()}
    found = {**settled.record.touched, **second.record.touched}
    return Anew(judged, {name: one for name, one in found.items() if one.firing in refs or _is_of(judged, one)})


def _is_of(keys: Mapping[str, set[CellKey]], found: Finding) -> bool:
    return cell_key(found.key) in keys.get(found.rule, ())
