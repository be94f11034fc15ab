"""What is odd about a rule without being wrong: that it can never fire, or that who logs in can choose to keep it quiet.

In come a rule and the conditions that it looks at events with; out go warnings, each with the way to its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from alertbot.actions import ACTIONS, AUDIT_ACTIONS, Action
from alertbot.rules.condition import NEVER, And, Condition, Is, Not, Present, all_of, leaves
from alertbot.rules.fields import closest
from alertbot.rules.kinds import AUDIT_ONLY, LOGIN_ONLY, VALUES, kinds_of, may_hold
from alertbot.rules.model import Absence, Distinct, Dormant, FirstSeen, Hours, LearnedHours, Rule
from alertbot.rules.sigma import Way

Warn = Callable[..., None]

CHOSEN = frozenset({"ip", "network", "country", "countryCode", "city", "geo"})
"""Fields that who logs in can choose: the portal believes the address that it is told."""

_LEARNED_DAYS = timedelta(days=10)
_DAY = 24 * 60
_WEEK = 7 * _DAY


def doubt(rule: Rule, looks: Sequence[Condition], only: Condition | None, exemptions: Sequence[Condition], warn: Warn) -> None:
    """Warn of what is odd about a rule that looks at events with these conditions."""
    for condition in [*looks, *([only] if only is not None else []), *exemptions]:
        for sentence in sorted(set(_unknown_values(condition, rule))):
            warn((), sentence)
    impossible = [_can_match(condition, rule) is False for condition in looks]
    if any(impossible):
        warn(
            (),
            "can never fire: no event meets " + ("its condition" if len(looks) == 1 else "the condition of one of its steps"),
        )
    elif only is not None and looks and not any(_can_match(all_of([one, only]), rule) for one in looks):
        warn(("only",), "can never fire: no event that its condition selects meets this")
    else:
        for way, sentence in _silent_pattern(rule, looks):
            warn(way, sentence)
    _quiet_by_choice(looks, exemptions, warn)


def _can_match(condition: Condition, rule: Rule) -> bool:
    if condition == NEVER:
        return False
    return any(may_hold(condition, kind) for feed in rule.feeds for kind in kinds_of(feed))


def _unknown_values(condition: Condition, rule: Rule) -> Iterator[str]:
    """Sentences about values that no event ever has."""
    for leaf in leaves(condition):
        if isinstance(leaf, Is):
            for value in sorted(leaf.values):
                sentence = _unknown_value(leaf.field, value, rule)
                if sentence is not None:
                    yield sentence


def _unknown_value(field: str, value: str, rule: Rule) -> str | None:
    text = value.lower()
    if field in VALUES and text not in VALUES[field]:
        return _no_such(f"{field} is never {value!r}", closest(text, VALUES[field]))
    if field == "event" and text:
        known = _actions_of(rule)
        names = {str(action.event).lower(): str(action.event) for action in known.values()}
        if text not in names:
            near = closest(text, names)
            return _no_such(f"no {_feeds_of(rule)} event is called {value!r}", names[near] if near else None)
    if field == "actionId" and not (text.isdigit() and int(text[:20]) in _actions_of(rule)):
        return _no_such(f"no {_feeds_of(rule)} action has the number {value!r}", None)
    if field in ("country", "countryCode") and text:
        from alertbot.places import country_code

        if field == "country" and country_code(value) is None:
            return _no_such(f"no country is called {value!r}", None)
        if field == "countryCode" and (len(text) != 2 or country_code(text.upper()) != text.upper()):
            meant = country_code(value)
            return _no_such(f"countryCode is never {value!r}: it is a code of two letters", meant)
    return None


def _actions_of(rule: Rule) -> Mapping[int, Action]:
    return {**(ACTIONS if "login" in rule.feeds else {}), **(AUDIT_ACTIONS if "audit" in rule.feeds else {})}


def _feeds_of(rule: Rule) -> str:
    return " or ".join(sorted(rule.feeds, reverse=True))


def _no_such(sentence: str, meant: str | None) -> str:
    return sentence + (f"; did you mean {meant!r}?" if meant else "")


def _silent_pattern(rule: Rule, looks: Sequence[Condition]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Why the pattern of a rule can never fire, though there are events for it."""
    missing = [field for field in rule.by if _always_absent(field, rule)]
    if missing and not rule.sources:
        yield ("by",), f"can never fire: events of this feed have no {missing[0]}"
    pattern = rule.pattern
    if isinstance(pattern, Distinct) and not rule.sources:
        if len(pattern.of) == 1:
            yield from _too_few_values(pattern, rule, looks)
    elif isinstance(pattern, Hours) and _whole_week(pattern):
        yield ("hours",), "can never fire: these hours are the whole week"
    elif isinstance(pattern, LearnedHours) and pattern.learn < _LEARNED_DAYS:
        yield ("hours", "learn"), "can never fire: it is silent until there were matches on 10 of these days"
    elif isinstance(pattern, FirstSeen) and pattern.learn and any(set(fields) <= set(rule.by) for fields in pattern.each):
        yield ("first_seen",), "can never fire: what is looked for is in the key, so it is never new for it"
    elif isinstance(pattern, Dormant) and pattern.after >= pattern.memory and rule.by != ("account",):
        yield ("dormant",), "can never fire: what is silent for longer than `memory` is forgotten"
    elif isinstance(pattern, Absence) and pattern.hours is not None and not pattern.hours.hours:
        yield ("absence",), "can never fire: no hours count"


def _too_few_values(pattern: Distinct, rule: Rule, looks: Sequence[Condition]) -> Iterator[tuple[tuple[str, ...], str]]:
    (field,) = pattern.of
    if _always_absent(field, rule):
        yield ("distinct", "of"), f"can never fire: events of this feed have no {field}"
    elif field in rule.by:
        yield ("distinct", "of"), f"can never fire: {field} is in the key, so each key has one"
    else:
        given = [part for look in looks for part in (look.parts if isinstance(look, And) else (look,))]
        sizes = [len(part.values) for part in given if isinstance(part, Is) and part.field == field and not part.cased]
        if sizes and min(sizes) < pattern.count:
            yield ("distinct", "count"), f"can never fire: the condition leaves {min(sizes)} values of {field}"


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
