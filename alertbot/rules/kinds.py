"""Kinds of events, and what a condition makes of them when the rest of an event is unknown.

A kind says of some fields what they hold, or that they are absent: each action of the two feeds is one, with an action that no
table knows. A condition holds for a kind, does not, or (None) the other fields decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alertbot.actions import ACTIONS, AUDIT_ACTIONS
from alertbot.rules.condition import And, Compare, Condition, Is, Like, Not, Or, Present, Refers
from alertbot.rules.contradiction import contradictory, ignores_case
from alertbot.rules.texts import compared, text_test

Kind = Mapping[str, tuple[str, ...]]
"""What is known of an event: a field → its texts in lower case, none where it is absent."""

AUDIT_ONLY = frozenset({"actionType", "product", "location", "target", "entries", "context"})
LOGIN_ONLY = frozenset({"outcome", "method", "reason"})
ALWAYS = frozenset({"portal", "id", "date", "feed", "actionId", "known", "ipPartial", "hourDoubtful"})
"""Fields that every event has."""
VALUES: Mapping[str, frozenset[str]] = {
    "feed": frozenset({"login", "audit"}),
    "outcome": frozenset({"success", "failure", "session"}),
    "method": frozenset(action.method for action in ACTIONS.values() if action.method),
    "reason": frozenset(action.reason for action in ACTIONS.values() if action.reason),
    "role": frozenset({"owner", "admin", "room_admin", "user", "guest"}),
    "status": frozenset({"active", "terminated", "pending"}),
    "known": frozenset({"true", "false"}),
    "tfa": frozenset({"true", "false"}),
    "ipPartial": frozenset({"true", "false"}),
    "hourDoubtful": frozenset({"true", "false"}),
}
"""Fields that hold one of few values, and these."""


def kinds_of(feed: str) -> Iterator[Kind]:
    """What events of a feed can be like, as far as it is known."""
    absent: Kind = dict.fromkeys(LOGIN_ONLY if feed == "audit" else AUDIT_ONLY, ())
    for action in (AUDIT_ACTIONS if feed == "audit" else ACTIONS).values():
        known = {"event": action.event, "outcome": action.outcome, "method": action.method, "reason": action.reason}
        texts = {field: (text.lower(),) if text else () for field, text in known.items()}
        yield {"feed": (feed,), "actionId": (str(action.id),), **texts, **absent}
    yield {"feed": (feed,), "event": (), **dict.fromkeys(LOGIN_ONLY, ()), **absent}


def may_hold(condition: Condition, kind: Kind) -> bool:
    """Whether an event of this kind may meet the condition."""
    return _holds(condition, kind) is not False


def _holds(condition: Condition, kind: Kind) -> bool | None:
    """Whether the condition holds for an event of this kind; None: the rest of the event decides."""
    match condition:
        case And(parts):
            answers = [_holds(part, kind) for part in parts]
            if False in answers or contradictory([part for part, answer in zip(parts, answers, strict=True) if answer is None]):
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
    if field in VALUES and isinstance(leaf, Is | Like) and _meets_none(leaf, VALUES[field]):
        return False
    if isinstance(leaf, Present) and field in ALWAYS:
        return True
    if field not in kind:
        return None
    texts = kind[field]
    if not texts:
        return False
    if isinstance(leaf, Present):
        return True
    if isinstance(leaf, Compare):
        return any(map(compared(leaf.operator, leaf.number), texts))
    return any(map(text_test(leaf), texts)) if ignores_case(leaf) else None


def _meets_none(leaf: Is | Like, values: frozenset[str]) -> bool:
    """Whether none of a field's few values meets a test."""
    if isinstance(leaf, Is):
        return values.isdisjoint(value.lower() for value in leaf.values)
    return not leaf.cased and not any(map(text_test(leaf), values))
