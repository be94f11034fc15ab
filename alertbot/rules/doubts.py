"""What is odd about a rule without being wrong: that it can never fire, or that who logs in can choose to keep it quiet.

In come a rule and the conditions that it looks at events with; out go warnings, each with the way to its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from alertbot.places import HALF_ROUND_THE_EARTH_KM
from alertbot.rules.condition import NEVER, And, Condition, Is, Not, Present, all_of, leaves, negate
from alertbot.rules.kinds import AUDIT_ONLY, LOGIN_ONLY, VALUES, kinds_of, may_hold
from alertbot.rules.model import (
    LEARNED_DAYS,
    LEVELS,
    Absence,
    Burst,
    Distinct,
    Dormant,
    FirstSeen,
    Hours,
    LearnedHours,
    Rule,
    Sequence_,
    Spike,
    Travel,
)
from alertbot.rules.sigma import Way

Warn = Callable[..., None]

CHOSEN = frozenset({"ip", "network", "country", "countryCode", "city", "geo"})
"""Fields that who logs in can choose: the portal believes the address that it is told."""

_DAY = 24 * 60
_WEEK = 7 * _DAY


def doubt(rule: Rule, looks: Sequence[Condition], only: Condition | None, exemptions: Sequence[Condition], warn: Warn) -> None:
    """Warn of what is odd about a rule that looks at events with these conditions."""
    firing = _firing(rule, looks)
    reached = [one if only is None else all_of([one, only]) for one in firing]
    if not all(_can_match(condition, rule) for condition in looks):
        step = "its condition" if len(looks) == 1 else "the condition of one of its steps"
        warn((), f"can never fire: no event meets {step}")
    elif only is not None and firing and not any(_can_match(one, rule) for one in reached):
        warn(("only",), "can never fire: no event that its condition selects meets this")
    else:
        for way, sentence in [*_silent_pattern(rule, looks), *_idle(rule, looks, reached, exemptions)]:
            warn(way, sentence)
    _quiet_by_choice(looks, exemptions, warn)


def _firing(rule: Rule, looks: Sequence[Condition]) -> Sequence[Condition]:
    """The conditions of which an event that makes the rule fire meets one: in a sequence, that of its last step; none where
    another rule's firing is the last."""
    if not isinstance(rule.pattern, Sequence_):
        return looks
    return looks[-1:] if rule.pattern.steps[-1].selection is not None else ()


def _idle(
    rule: Rule,
    looks: Sequence[Condition],
    reached: Sequence[Condition],
    exemptions: Sequence[Condition],
) -> Iterator[tuple[Way, str]]:
    """Exceptions that except nothing or everything, and levels that are never raised. A rule that waits for others is not
    judged: its events are theirs too."""
    for number, raising in enumerate(rule.raises):
        if LEVELS.index(raising.to) <= LEVELS.index(rule.level):
            yield ("raise", number, "to"), f"raises nothing: the rule's level is {rule.level} already"
    if not looks or rule.needs:
        return
    for number, (exemption, condition) in enumerate(zip(rule.exemptions, exemptions, strict=True)):
        if not any(_can_match(all_of([one, condition]), rule) for one in looks):
            yield ("except", number, "match"), "excepts nothing: no event that the rule's condition selects meets this"
        elif exemption.until is None and not all(
            _can_match(all_of([one, negate(condition)]), rule) for one in {*looks, *reached}
        ):
            yield ("except", number, "match"), "can never fire: every event that could make the rule fire is excepted"
    for number, raising in enumerate(rule.raises):
        lifted = raising.match.condition
        if lifted is not None and not any(_can_match(all_of([one, lifted]), rule) for one in reached):
            yield ("raise", number, "match"), "raises nothing: no event that could make the rule fire meets this"


def _can_match(condition: Condition, rule: Rule) -> bool:
    if condition == NEVER:
        return False
    return any(may_hold(condition, kind) for feed in rule.feeds for kind in kinds_of(feed))


def _silent_pattern(rule: Rule, looks: Sequence[Condition]) -> Iterator[tuple[Way, str]]:
    """Why the pattern of a rule can never fire, though there are events for it."""
    keys = [source.by for source in rule.sources] or [rule.by]
    missing = [next((field for field in key if _always_absent(field, rule)), None) for key in keys]
    if None not in missing:
        way: Way = ("correlation", "group-by") if rule.sources else ("by",)
        yield way, f"can never fire: events of this feed have no {missing[0]}"
    pattern = rule.pattern
    if "id" in rule.by and isinstance(pattern, Burst | Distinct | Sequence_ | LearnedHours | Travel | Spike):
        yield ("by",), "can never fire: each event has its own id, so no two of them have one key"
    elif isinstance(pattern, Distinct) and not rule.sources:
        yield from _too_few_values(pattern, rule, looks)
    elif isinstance(pattern, Hours) and _whole_week(pattern):
        yield ("hours",), "can never fire: these hours are the whole week"
    elif isinstance(pattern, LearnedHours) and pattern.learn < timedelta(days=LEARNED_DAYS):
        yield ("hours", "learn"), f"can never fire: it is silent until there were matches on {LEARNED_DAYS} of these days"
    elif isinstance(pattern, FirstSeen) and pattern.learn and any(set(fields) <= set(rule.by) for fields in pattern.each):
        yield ("first_seen",), "can never fire: what is looked for is in the key, so it is never new for it"
    elif isinstance(pattern, Dormant) and pattern.after >= pattern.memory and rule.by != ("account",):
        yield ("dormant",), "can never fire: what is silent for longer than `memory` is forgotten"
    elif isinstance(pattern, Absence) and pattern.hours is not None and not pattern.hours.hours:
        yield ("absence",), "can never fire: no hours count"
    elif isinstance(pattern, Travel) and pattern.farther_than_km >= HALF_ROUND_THE_EARTH_KM:
        yield ("travel", "farther_than"), "can never fire: no two places on earth are so far apart"
    elif isinstance(pattern, Travel) and "geo" in rule.by:
        yield ("by",), "can never fire: a key with `geo` in it is at one place"


def _too_few_values(pattern: Distinct, rule: Rule, looks: Sequence[Condition]) -> Iterator[tuple[Way, str]]:
    absent = [field for field in pattern.of if _always_absent(field, rule)]
    if absent:
        yield ("distinct", "of"), f"can never fire: events of this feed have no {absent[0]}"
        return
    free = [field for field in pattern.of if field not in rule.by and field != "portal"]
    if not free:
        are = f"{' and '.join(pattern.of)} {'is' if len(pattern.of) == 1 else 'are'}"
        yield ("distinct", "of"), f"can never fire: {are} in the key, so each key has one"
        return
    sizes = [_most_values(field, looks) for field in free]
    most = math.prod(size for size in sizes if size is not None)
    if None not in sizes and most < pattern.count:
        yield ("distinct", "count"), f"can never fire: the condition leaves {most} values of {' and '.join(free)}"


def _most_values(field: str, looks: Sequence[Condition]) -> int | None:
    """How many values a field may have at most in what the conditions select; None where nothing bounds them."""
    given = [part for look in looks for part in (look.parts if isinstance(look, And) else (look,))]
    sizes = [len(part.values) for part in given if isinstance(part, Is) and part.field == field and not part.cased]
    return min([*sizes, *([len(VALUES[field])] if field in VALUES else [])], default=None)


def _always_absent(field: str, rule: Rule) -> bool:
    absent = {"login": AUDIT_ONLY, "audit": LOGIN_ONLY}
    return all(field in absent[feed] for feed in rule.feeds)


def _whole_week(pattern: Hours) -> bool:
    if pattern.outside.holidays or pattern.outside.closed:
        return False
    covered: set[int] = set()
    for window in pattern.outside.hours:
        length = (window.end_minute - window.start_minute - 1) % _DAY + 1
        for day in window.days:
            start = day * _DAY + window.start_minute
            covered.update(minute % _WEEK for minute in range(start, start + length))
    return len(covered) == _WEEK


def _quiet_by_choice(looks: Sequence[Condition], exemptions: Sequence[Condition], warn: Warn) -> None:
    """Warn where a rule is quiet for whoever comes from some place: that can be chosen."""
    found: list[tuple[Way, frozenset[str]]] = [
        (("except", number, "match"), _chosen_by(condition)) for number, condition in enumerate(exemptions)
    ]
    parts = [part for look in looks for part in (look.parts if isinstance(look, And) else (look,))]
    found += [(("detection",), _chosen_by(part.part)) for part in parts if isinstance(part, Not)]
    for way, fields in found:
        if fields:
            named = " and ".join(sorted(fields))
            warn(way, f"only {named} keeps this quiet, and who logs in can choose it; test something else beside it")
            return


def _chosen_by(condition: Condition) -> frozenset[str]:
    """The fields that decide a condition, if who logs in can choose all of them."""
    fields = {leaf.field for leaf in leaves(condition) if leaf.field != "date"}
    if fields and fields <= CHOSEN and not isinstance(condition, Present):
        return frozenset(field for field in fields if field is not None)
    return frozenset()
