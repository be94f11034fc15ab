"""How far back an event can matter to a rule.

A start knows what was found until yesterday, for that is stored. To judge what comes, a rule needs no more of the past than it
remembers: a night rule nothing, a burst its window, only what learns for long needs long. In comes a rule, out goes that span.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import timedelta

from alertbot.engine.learned_hours import kept_for
from alertbot.engine.travel import longest_way_us
from alertbot.moments import span_us
from alertbot.rules.model import Burst, Distinct, Dormant, Each, FirstSeen, Hours, LearnedHours, Rule, Travel


def horizons(rules: Sequence[Rule], independent: Container[int], together: Iterable[Sequence[int]]) -> Mapping[int, int]:
    """The place of each rule whose horizon is known → that, in microseconds; rules that share a window have the longest.

    A rule that waits for others, or that others wait for, is not among them: how far back the chain of firings goes, nobody
    knows. Nor is what can depend on matches without end: in a sequence, what was used up.
    """
    found: dict[int, int] = {}
    for place, rule in enumerate(rules):
        horizon = _horizon(rule) if place in independent else None
        if horizon is not None:
            found[place] = span_us(horizon) if isinstance(horizon, timedelta) else horizon
    for places in together:
        if all(place in found for place in places):
            longest = max(found[place] for place in places)
            found |= dict.fromkeys(places, longest)
        else:
            found = {place: horizon for place, horizon in found.items() if place not in places}
    return found


def _horizon(rule: Rule) -> timedelta | int | None:
    match rule.pattern:
        case Each() | Hours():
            return 0
        case Burst() | Distinct() as counted:
            # A window before the one at whose end something is true. Then the finding that is stored goes on, unless it is not
            # there because `only` did not want the event at which it began: that event is not seen again.
            return 2 * counted.within if counted.count > 1 and counted.at_most is None and rule.only is None else None
        case FirstSeen(memory=memory, learn=learn):
            return memory + learn
        case LearnedHours(learn=learn):
            return kept_for(learn)
        case Dormant(memory=memory):
            return memory
        case Travel(familiar=familiar) as travel:
            return max(longest_way_us(travel), span_us(familiar or timedelta()))
        case _:
            return None
