"""Small rules and events for the engine's tests, without files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alertbot.event import Event
from alertbot.moments import to_us
from alertbot.rules.model import Pattern, Rule, Selection

START = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def selection(**wanted: str) -> Selection:
    """An event that has all of these values."""
    return Selection(
        test=lambda event: all(getattr(event, name) == value for name, value in wanted.items()),
        fingerprint=repr(sorted(wanted.items())),
        equals=tuple((name, frozenset({value.lower()})) for name, value in wanted.items() if name in ("outcome", "event")),
    )


FAILED = selection(outcome="failure")
SUCCEEDED = selection(outcome="success")
ANY = Selection(test=lambda event: True, fingerprint="any")


def rule(pattern: Pattern, condition: Selection | None = FAILED, name: str = "rule", **more: object) -> Rule:
    """A rule that looks at logins, by account unless told otherwise."""
    settings = {"by": ("account",), "quiet": timedelta(hours=1), **more}
    return Rule(
        name=name,
        title=name,
        path=f"{name}.yml",
        line=1,
        version="1",
        level="medium",
        mode="live",
        feeds=frozenset({"login"}),
        condition=condition,
        pattern=pattern,
        **settings,  # type: ignore[arg-type]
    )


def event(number: int, after: timedelta, outcome: str = "failure", **more: object) -> Event:
    """A login some time after START."""
    settings = {"account": "anna", "login": "anna", "ip": "203.0.113.7", **more}
    return Event(
        portal="test",
        id=number,
        at_us=to_us(START + after),
        action_id=1002 if outcome == "failure" else 1029,
        outcome=outcome,
        **settings,  # type: ignore[arg-type]
    )
