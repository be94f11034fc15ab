"""Small rules and events for the engine's tests, without files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType

from alertbot.engine import Engine
from alertbot.engine.absence import Gaps
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.moments import parse_moment, to_us
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
    settings = {
        "by": ("account",),
        "quiet": timedelta(hours=1),
        "feeds": frozenset({"login"}),
        "version": "1",
        "mode": "live",
        **more,
    }
    return Rule(
        name=name,
        title=name,
        path=f"{name}.yml",
        line=1,
        level="medium",
        condition=condition,
        pattern=pattern,
        **settings,  # type: ignore[arg-type]
    )


def event(number: int, after: timedelta, outcome: str = "failure", **more: object) -> Event:
    """A login some time after START."""
    settings = {"account": "anna", "login": "anna", "ip": "203.0.113.7", **more}
    return Event(
        portal=str(settings.pop("portal", "test")),
        id=number,
        at_us=to_us(START + after),
        action_id=1002 if outcome == "failure" else 1029,
        outcome=outcome,
        **settings,  # type: ignore[arg-type]
    )


def found_by(
    rules: Sequence[Rule], events: Iterable[Event], zone: tzinfo = UTC, gaps: Gaps = MappingProxyType({})
) -> list[Finding]:
    """The findings of one pass."""
    return Engine(rules, "test", zone, gaps=gaps).fold_all(events)


def firing_ids(findings: Iterable[Finding]) -> list[int]:
    """The ids of the events that fired, in order."""
    return sorted(id_of(found.firing) for found in findings)


def at(text: str) -> timedelta:
    """How long after START a moment is; in UTC unless it says otherwise."""
    return parse_moment(text, UTC) - START
