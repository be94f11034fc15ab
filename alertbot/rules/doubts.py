"""What is odd about a rule without being wrong: that it can never fire, or that who logs in can choose to keep it quiet.

An event is thought of in kinds: each action of the login feed, one that no table knows, and the audit trail. Of each kind some
fields are known or absent; a condition that is false for every kind, whatever the other fields hold, can never match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from alertbot.actions import ACTIONS, BY_NAME
from alertbot.rules.condition import (
    NEVER,
    And,
    Condition,
    InNetworks,
    Is,
    Like,
    Not,
    Or,
    Present,
    Refers,
    all_of,
    leaves,
)
from alertbot.rules.fields import closest, kind_of
from alertbot.rules.match import text_test
from alertbot.rules.model import Absence, Distinct, Dormant, Hours, Rule
from alertbot.rules.sigma import Way

Warn = Callable[..., None]
Kind = Mapping[str, str | None]
"""What is known of an event: a field → its text in lower case, None where it is absent."""

CHOSEN = frozenset({"ip", "network", "country", "countryCode", "city", "geo"})
"""Fields that who logs in can choose: the portal believes the address that it is told."""

AUDIT_ONLY = frozenset({"actionType", "product", "location", "target", "entries", "context"})
LOGIN_ONLY = frozenset({"outcome", "method", "reason"})
_VALUES: Mapping[str, frozenset[str]] = {
    "feed": frozenset({"login", "audit"}),
    "outcome": frozenset({"success", "failure", "session"}),
    "method": frozenset(action.method for action in ACTIONS.values() if action.method),
    "reason": frozenset(action.reason for action in ACTIONS.values() if action.reason),
    "role": frozenset({"owner", "admin", "room_admin", "user", "guest"}),
    "known": frozenset({"true", "false"}),
    "tfa": frozenset({"true", "false"}),
    "ipPartial": frozenset({"true", "false"}),
}
"""Fields that hold one of few values, and these."""

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
    return any(_holds(condition, kind) is not False for feed in rule.feeds for kind in _kinds(feed))


def _kinds(feed: str) -> Iterator[Kind]:
    """What events of a feed can be like, as far as it is known."""
    if feed == "audit":
        yield {"feed": "audit", **dict.fromkeys(LOGIN_ONLY)}
        return
    absent = dict.fromkeys(AUDIT_ONLY)
    for action in ACTIONS.values():
        known = {"event": action.event, "outcome": action.outcome, "method": action.method, "reason": action.reason}
        texts = {field: text.lower() if text else None for field, text in known.items()}
        yield {"feed": "login", "actionId": str(action.id), **texts, **absent}
    yield {"feed": "login", "event": None, **dict.fromkeys(LOGIN_ONLY), **absent}


def _holds(condition: Condition, kind: Kind) -> bool | None:
    """Whether the condition holds for an event of this kind; None: the rest of the event decides."""
    match condition:
        case And(parts):
            answers = [_holds(part, kind) for part in parts]
            if False in answers or _contradictory(
                [part for part, answer in zip(parts, answers, strict=True) if answer is None]
            ):
                return False
            return None if None in answers else True
        case Or(parts):
            answers = [_holds(part, kind) for part in parts]
            return True if True in answers else None if None in answers else False
        case Not(part):
            answer = _holds(part, kind)
            return None if answer is None else not answer
        case leaf:
            return _leaf_holds(leaf, kind)


def _leaf_holds(leaf: Any, kind: Kind) -> bool | None:
    field = leaf.field
    if field is None or isinstance(leaf, Refers) or getattr(leaf, "part", None):
        return None
    if isinstance(leaf, Is) and field in _VALUES and not {value.lower() for value in leaf.values} & _VALUES[field]:
        return False
    if field not in kind:
        return None
    text = kind[field]
    if text is None:
        return False
    if isinstance(leaf, Present):
        return True
    return text_test(leaf)(text) if _ignores_case(leaf) else None


def _ignores_case(leaf: Condition) -> TypeGuard[Is | Like | InNetworks]:
    return isinstance(leaf, InNetworks) or (isinstance(leaf, Is | Like) and not leaf.cased)


def _contradictory(parts: Sequence[Condition]) -> bool:
    """Whether parts that all must hold leave no value for a field."""
    if any(Not(part) in parts for part in parts):
        return True
    fields = {part.field for part in parts if isinstance(part, Is) and kind_of(part.field) != "several"}
    return any(_no_value_left(field, parts) for field in fields)


def _no_value_left(field: str, parts: Sequence[Condition]) -> bool:
    """Whether none of the values that a field must have passes the other tests of it."""
    if Not(Present(field)) in parts:
        return True
    mine = [part for part in parts if isinstance(part, Is | Like | InNetworks) and part.field == field]
    refused = [part.part for part in parts if isinstance(part, Not)]
    allowed = [{value.lower() for value in part.values} for part in mine if isinstance(part, Is)]
    values = set.intersection(*allowed)
    for part in mine:
        if _ignores_case(part):
            values = {value for value in values if text_test(part)(value)}
    for other in refused:
        if _ignores_case(other) and other.field == field:
            values = {value for value in values if not text_test(other)(value)}
    return not values


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
    if field in _VALUES and text not in _VALUES[field]:
        return _no_such(f"{field} is never {value!r}", closest(text, _VALUES[field]))
    if rule.feeds == {"login"}:
        if field == "event" and text and text not in BY_NAME:
            names = {name: str(action.event) for name, action in BY_NAME.items()}
            near = closest(text, names)
            return _no_such(f"no login event is called {value!r}", names[near] if near else None)
        if field == "actionId" and not (text.isdigit() and int(text[:20]) in ACTIONS):
            return _no_such(f"no login action has the number {value!r}", None)
    if field in ("country", "countryCode") and text:
        from alertbot.places import country_code

        if field == "country" and country_code(value) is None:
            return _no_such(f"no country is called {value!r}", None)
        if field == "countryCode" and (len(text) != 2 or country_code(text.upper()) != text.upper()):
            meant = country_code(value)
            return _no_such(f"countryCode is never {value!r}: it is a code of two letters", meant)
    return None


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
