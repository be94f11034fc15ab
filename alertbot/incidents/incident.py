"""An incident, the steps it takes, and what a decision about incidents holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import msgspec

from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.handling import Before, Resolution, Sessions, Silenced
from alertbot.rules.model import Level

Phase = Literal["going_on", "over"]
Work = Literal["new", "acknowledged", "resolved"]
BOT = "alertbot"
_PERSONAL = frozenset(("account", "email", "name", "login", "user", "userId"))


class About(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who and where, as the event had it that made the first finding fire. Text may be what an outsider typed."""

    account: str | None = None
    person: str | None = None
    known: bool = False
    role: str | None = None
    ip: str | None = None
    place: str | None = None
    success: bool = False

    @classmethod
    def of(cls, event: Event | None) -> About | None:
        """Taken from an event."""
        if event is None:
            return None
        place = " ".join(part for part in (event.city, event.country_code or event.country) if part)
        return cls(
            account=event.account,
            person=event.email or event.name or event.login or event.account,
            known=event.known,
            role=event.role,
            ip=None if event.ip_partial else event.ip,
            place=place or None,
            success=event.outcome == "success",
        )


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What on-call is told of. Moments are microseconds since 1970, UTC, in the portal's time.

    `phase` comes from events, `work` from people; they do not change each other. `key` holds the values of `fields`.
    `findings` counts the matches of each of its findings; `follows` is the incident of the same rule and key before it.
    """

    id: str
    portal: str
    rule: str
    version: str
    title: str
    level: Level
    fields: tuple[str, ...]
    key: tuple[str, ...]
    findings: dict[str, int]
    first_us: int
    at_us: int
    last_us: int
    over_at_us: int
    phase: Phase = "going_on"
    work: Work = "new"
    withdrawn: bool = False
    follows: str | None = None
    followed_by: str | None = None
    """The incident of the same rule and key that opened after this one."""
    about: About | None = None
    shared: dict[str, str] = {}
    """Values of the first firing event by which incidents of other rules, keyed by `group`, may hold this one back."""
    held_by: str | None = None
    """The incident that people are told of in place of this one."""
    holds: tuple[str, ...] = ()
    merged_into: str | None = None
    # what people did: who, when, with what word
    by: str | None = None
    by_at_us: int | None = None
    word: str | None = None
    by_id: str | None = None
    """The Slack user that it was; None for somebody at a shell."""
    resolution: Resolution | None = None
    before: Before | None = None
    """Who held it before it was resolved."""
    turn: int = 0
    """How many steps people took: a button that undoes one knows whether it was the last."""
    sessions: Sessions | None = None
    silenced: Silenced | None = None
    quiet_until_us: int | None = None
    """When the quiet hours end that hold back its message, by the bot's clock; a summary tells of it then."""
    told_us: int | None = None
    """When it was told first, by the bot's clock."""
    escalate_at_us: int | None = None
    """When others are told of it, by the bot's clock, if nobody has looked by then."""
    copies: dict[str, str] = {}
    """The outbox entries whose messages are copies of `message` in other channels, and these channels."""
    # where it is told
    message: str | None = None
    """The outbox entry whose message shows it and is kept up to date."""
    earlier: str | None = None
    """The outbox entry whose message told of it, or of the incident before it, and that this one links back to."""
    again: str | None = None
    """Why its message was posted anew: `rise`, `return`."""
    familiar: bool | None = None
    """Whether its account had been at this place or address before; None where that is not known."""
    beside: str | None = None
    """An incident of the same account or address and a higher level, that was open when this one was told."""
    posts: int = 0
    """How many messages of its own it has had in the channel."""
    summary: str | None = None
    """The outbox entry of the summary that tells of it in place of a message of its own."""
    summed_as: str | None = None
    """What kind of summary: `storm`, `old_news`, `late`, `quiet_hours`."""
    revision: int = 0
    """How often it has changed: what names its updates."""

    @property
    def count(self) -> int:
        """The matches of all of its findings."""
        return sum(self.findings.values())

    @property
    def is_personal(self) -> bool:
        """Whether it is about one person: what keys it names one."""
        return not _PERSONAL.isdisjoint(self.fields)

    @property
    def subject(self) -> str:
        """Whom or what it is about, in a word: the person, else what keys it, an address for instance. It may be empty."""
        if self.is_personal and self.about is not None and self.about.person:
            return self.about.person
        return " ".join(value for value in self.key if value and value != self.portal)

    @property
    def told_in_summary(self) -> bool:
        """Whether people are told of it in a summary alone."""
        return self.summary is not None and self.message is None and self.stands_for_itself

    @property
    def stands_for_itself(self) -> bool:
        """Whether people are told of it, rather than of another one in its place."""
        return self.held_by is None and self.merged_into is None


class Reason(StrEnum):
    """Why an incident changed. The names are stable: they stand in logs, in the store and in reports."""

    OPENED = "opened"
    OPENED_AGAIN = "opened_again"
    EXTENDED = "extended"
    JOINED = "joined"
    GROUPED = "grouped"
    COUNTED = "counted"
    RAISED = "raised"
    RETURNED = "returned"
    HELD_BACK = "held_back"
    TAKEN_OVER = "taken_over"
    TOOK_OVER = "took_over"
    RELEASED = "released"
    MERGED = "merged"
    OVER = "over"
    WITHDRAWN = "withdrawn"
    SUMMED_UP = "summed_up"
    # what people do
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    UNDONE = "undone"
    SILENCED = "silenced"
    SILENCE_LIFTED = "silence_lifted"
    SESSIONS_ASKED = "sessions_asked"
    SESSIONS_ENDED = "sessions_ended"
    SESSIONS_KEPT = "sessions_kept"
    REFUSED = "refused"
    # what follows from what they do, or leave undone
    HELD_BY_SILENCE = "held_by_silence"
    SILENCE_OVER = "silence_over"
    HELD_BY_QUIET_HOURS = "held_by_quiet_hours"
    ESCALATED = "escalated"


class Untold(StrEnum):
    """Why a finding is recorded and nobody is told of it."""

    HISTORY = "history"
    SHADOW = "shadow"
    HEARD = "heard_only"
    """Another rule waits for it, and tells of it."""


class Occasion(StrEnum):
    """What there is to tell of an incident, the most urgent last: a message of its own, or a change of the one that stands."""

    UPDATE = "update"
    CLOSING = "closing"
    RETURN = "return"
    RISE = "rise"
    OPENING = "opening"


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an incident: when (the portal's time, microseconds), who (`alertbot` or a person), the named reason."""

    incident: str
    at_us: int
    who: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when findings are news: after the newest event of the first read, and since a rule's version is in force.

    `unjudged`: the dates of events that no version has judged before. They are news also where they are older than the version:
    what the portal shows late must not get lost between two of them.
    """

    portal_us: int
    versions_us: Mapping[tuple[str, str], int] = field(default_factory=dict)
    unjudged: Set[int] = frozenset()

    def is_news(self, found: Finding) -> bool:
        """A finding that began in history and that a later event extends is news."""
        since_us = self.versions_us.get((found.rule, found.version), self.portal_us)
        return found.last_us > self.portal_us and (found.last_us > since_us or found.last_us in self.unjudged)


@dataclass(frozen=True, slots=True)
class Telling:
    """An incident that people are to be told of, on what occasion, and the finding that is it (None: none of its own)."""

    incident: Incident
    occasion: Occasion
    finding: Finding | None = None


@dataclass(slots=True)
class Decision:
    """What is to be stored and told. `untold` names the findings that nobody is told of, `belongs` the others' incidents."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    log: list[LogEntry] = field(default_factory=list)
    occasions: dict[str, Occasion] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    untold: dict[str, Untold] = field(default_factory=dict)
    belongs: dict[str, str] = field(default_factory=dict)

    @property
    def tell(self) -> list[Telling]:
        """What people are to be told of, in the order in which it came up."""
        return list(self._tellings())

    def _tellings(self) -> Iterator[Telling]:
        for name, occasion in self.occasions.items():
            yield Telling(self.incidents[name], occasion, self.findings.get(name))

    def add(self, other: Decision) -> None:
        """Take in a decision that was made after this one."""
        self.incidents.update(other.incidents)
        self.log += other.log
        self.findings.update(other.findings)
        self.untold.update(other.untold)
        self.belongs.update(other.belongs)
        for name, occasion in other.occasions.items():
            self.note(name, occasion)

    def note(self, incident: str, occasion: Occasion) -> None:
        """There is something to tell; of two occasions the more urgent one counts."""
        known = self.occasions.get(incident)
        if known is None or _URGENCY[occasion] > _URGENCY[known]:
            self.occasions[incident] = occasion


_URGENCY = {occasion: number for number, occasion in enumerate(Occasion)}


def folded(fields: Sequence[str], key: Sequence[str]) -> str:
    """The text by which incidents of one key are found: fields and values, case ignored."""
    return "\x1f".join(f"{name}={value.casefold()}" for name, value in sorted(zip(fields, key, strict=True)))
