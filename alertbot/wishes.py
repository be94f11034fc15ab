"""Station 7: wishes for rules. Whoever settles an incident as expected offers the rule's editor an `except` entry. Pure.

In come an incident and the event that made its rule fire; out goes the entry as YAML to paste. It holds what an outsider may
have typed: each value is quoted, so that it can be nothing but a value.
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from alertbot.event import Event
from alertbot.incidents import Incident
from alertbot.moments import from_us
from alertbot.silences import LOCATION

KEPT = timedelta(days=30)
"""An exception that is offered ends after so long; the editor changes that."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants a rule to leave something alone: who, when (the bot's clock, microseconds), why, and the entry for it."""

    incident: str
    portal: str
    rule: str
    at_us: int
    by: str
    why: str
    entry: str


def wish(incident: Incident, event: Event | None, tags: tuple[str, ...], *, by: str, why: str, at_us: int) -> Wish:
    """The wish that an incident's like is not told any more."""
    return Wish(
        incident=incident.id,
        portal=incident.portal,
        rule=incident.rule,
        at_us=at_us,
        by=by,
        why=why,
        entry=except_entry(incident, event, tags, why=why, by=by, until=(from_us(at_us) + KEPT).date()),
    )


def except_entry(incident: Incident, event: Event | None, tags: tuple[str, ...], *, why: str, by: str, until: date) -> str:
    """`except:` with one entry, for the rule file: the incident's key; an account narrowed to what is special about it."""
    match = dict(zip(incident.fields, incident.key, strict=True))
    match.pop("portal", None)
    who = ""
    if event is not None and event.account and (not match or "account" in match):
        who = (event.email or event.name or "") if event.known else ""
        match = {"account": event.account}
        if LOCATION in tags and event.country_code:
            match["countryCode"] = event.country_code
        elif event.ip and not event.ip_partial:
            match["ip"] = event.ip
    fields = ", ".join(f"{name}: {_quoted(value)}" for name, value in match.items())
    reason = f"{why} ({by})" if why else f"expected, says {by}"
    named = f"  # {_quoted(who)}" if who else ""
    return f"except:\n  - match: {{{fields}}}{named}\n    why: {_quoted(reason)}\n    until: {until}\n"


def _quoted(value: str) -> str:
    """YAML's double-quoted form: it can hold everything, and shows what cannot be seen."""
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = 0xFFFD if 0xD800 <= ord(char) <= 0xDFFF else ord(char)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
