"""What goes into the store and comes out of it, where no station has a type of its own for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from alertbot.event import Event, Feed
from alertbot.finding import Finding
from alertbot.incidents import Incident, LogEntry
from alertbot.outbox import OutboxEntry, State
from alertbot.rules.model import Level

RULES_BROKEN = "rules.broken"
"""The note that says what is wrong with the rule files while the last good rules are at work."""

DROPPED = "dropped."
"""With a portal's name behind it the note that says which rules had to let keys go before their time, and how many."""

Covered = tuple[int, int]
"""A range of history, start and end in microseconds, inclusive: every event in it is stored."""


class PortalState(msgspec.Struct, frozen=True, kw_only=True):
    """How far one portal is. Moments are the portal's time, except `last_poll_us` and `catching_up_since_us`, the bot's own.

    `watching_since_us`: what is up to there is history. `rebuild_from_us`: events from there on came late and are to be put
    in order. `evaluated_to_us`: what is stored up to there was folded. `kept_from_us`: older events were deleted, findings
    before it are final. `catching_up_since_us`: since when what is missing of the past is being read. `plan`: `audit`, or
    `none` where only the newest rows are shown. `skew_us`: how far the portal's clock is ahead of the bot's.
    """

    name: str
    owner: int = 1
    fence: int = 1
    watching_since_us: int | None = None
    rebuild_from_us: int | None = None
    evaluated_to_us: int | None = None
    kept_from_us: int | None = None
    last_poll_us: int | None = None
    plan: str | None = None
    catching_up_since_us: int | None = None
    skew_us: int | None = None


class StoredFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with what became of it: whether it is history, its incident, and why it is gone if nothing supports it now."""

    finding: Finding
    history: bool = False
    incident: str | None = None
    gone: str | None = None


class RuleVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Since when (the portal's time) a version of a rule is in force, with its title and level as they were last."""

    portal: str
    rule: str
    version: str
    since_us: int
    title: str
    level: Level


class StoredPerson(msgspec.Struct, frozen=True):
    """One of a portal's directory, as the portal reader encoded it."""

    id: str
    body: bytes


class PollCommit(msgspec.Struct, frozen=True, kw_only=True):
    """All that one poll, deadline or press of a button brings: it is stored whole or not at all.

    `state` is the portal's row as it shall be; its owner and fence must be those of the row. `coverage` replaces the ranges
    of the feeds that it names. `people`, where given, replaces the directory. Everything else is added, or put in the place
    of what has the same id; events and outbox entries that are there already stay as they are, but for updates, which are
    joined with what waits. `read` holds the revisions of the incidents that it was decided by. `summed` names entries that
    another one tells of now; `notes` replace those of the same name.
    """

    state: PortalState
    events: Sequence[Event] = ()
    coverage: Mapping[Feed, Sequence[Covered]] = {}
    findings: Sequence[StoredFinding] = ()
    gone: Mapping[str, str] = {}
    read: Mapping[str, int] = {}
    incidents: Sequence[Incident] = ()
    log: Sequence[LogEntry] = ()
    outbox: Sequence[OutboxEntry] = ()
    summed: Sequence[str] = ()
    notes: Mapping[str, str] = {}
    rule_versions: Sequence[RuleVersion] = ()
    people: Sequence[StoredPerson] | None = None


class FindingCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many findings of a rule there are, those of the past and those that are news apart; what is gone is not counted."""

    portal: str
    rule: str
    title: str
    level: Level
    history: bool
    count: int


class IncidentCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many incidents stand where."""

    portal: str
    level: Level
    phase: str
    work: str
    count: int


class EventCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a portal there are, and from when to when."""

    portal: str
    count: int
    first_us: int
    last_us: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The store in numbers."""

    events: tuple[EventCount, ...]
    findings: tuple[FindingCount, ...]
    incidents: tuple[IncidentCount, ...]
    outbox: Mapping[State, int]


def encode(thing: Any) -> bytes:
    """A body as JSON. Lone surrogates, which no JSON holds, become the sign for a broken character."""
    try:
        return _encoder.encode(thing)
    except UnicodeEncodeError:
        return _encoder.encode(_whole(msgspec.to_builtins(thing)))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(part) for part in value]
    return value


_encoder = msgspec.json.Encoder()
