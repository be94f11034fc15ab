"""What tests about people need: an incident, the event behind it, a rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alertbot.event import Event
from alertbot.incidents import About, Incident
from alertbot.responses import Actor
from alertbot.rules.model import Each, Rule
from tests.engine.build import rule

NOW_US = 1_768_442_400_000_000
MINUTE_US = 60_000_000
ANNA, BEN = Actor("anna", "U024BE7LH"), Actor("ben", "U024BE7LJ")


def incident(**changes: Any) -> Incident:
    """An incident that was told a minute ago."""
    fields: dict[str, Any] = {
        "id": "0123456789abcdef0123",
        "portal": "main",
        "rule": "guessing",
        "version": "1",
        "title": "Password guessing",
        "level": "high",
        "fields": ("account",),
        "key": ("u-anna",),
        "findings": {"0123456789abcdef0123": 5},
        "first_us": NOW_US - 2 * MINUTE_US,
        "at_us": NOW_US - MINUTE_US,
        "last_us": NOW_US - MINUTE_US,
        "over_at_us": NOW_US + 60 * MINUTE_US,
        "about": About(account="u-anna", person="anna@example.com", known=True, role="admin", ip="203.0.113.7"),
        "message": "opening1",
        "told_us": NOW_US - MINUTE_US,
        "escalate_at_us": NOW_US + MINUTE_US,
        "revision": 1,
    }
    return Incident(**{**fields, **changes})


def event(**changes: Any) -> Event:
    """The event that made its rule fire."""
    fields: dict[str, Any] = {
        "portal": "main",
        "id": 7,
        "at_us": NOW_US - MINUTE_US,
        "action_id": 1002,
        "outcome": "failure",
        "login": "anna@example.com",
        "account": "u-anna",
        "known": True,
        "email": "anna@example.com",
        "ip": "203.0.113.7",
        "country": "Germany",
        "country_code": "DE",
    }
    return Event(**{**fields, **changes})


def a_rule(**changes: Any) -> Rule:
    """The rule behind it."""
    return rule(Each(), name="guessing", quiet=timedelta(hours=1), **changes)
