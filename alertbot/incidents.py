"""Station 7: findings that go on together become an incident: what people are told of.

In come the findings that changed and the incidents that they may belong to; out go changes of incidents, log entries with a
named reason, and what to tell. Pure: the time is an argument.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from alertbot.rules.model import Level

Phase = Literal["going_on", "over"]
Work = Literal["new", "acknowledged", "resolved"]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What on-call is told of. Moments are microseconds since 1970, UTC, in the portal's time.

    `phase` comes from events, `work` from people; they do not change each other. `key` holds the values of `fields`: the
    rule's `group`, else its `by`. `firing` describes the finding that opened it; `findings` are all of its findings' ids.
    """

    id: str
    portal: str
    rule: str
    version: str
    title: str
    level: Level
    fields: tuple[str, ...]
    key: tuple[str, ...]
    findings: tuple[str, ...]
    first_us: int
    at_us: int
    last_us: int
    count: int
    over_at_us: int
    phase: Phase = "going_on"
    work: Work = "new"
    withdrawn: str | None = None
    follows: str | None = None
    account: str | None = None
    known: bool = False
    ip: str | None = None


class Reason(StrEnum):
    """Why an incident changed, or why nothing was sent. The names are stable: they stand in logs, the store and `explain`."""

    OPENED = "opened"
    OPENED_AGAIN = "opened_again"
    EXTENDED = "extended"
    JOINED = "joined"
    OVER = "over"
    WITHDRAWN = "withdrawn"
    HISTORY = "history"
    SHADOW = "shadow"
    TOLD = "told"


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an incident: when (the portal's time, microseconds), who (`alertbot` or a person), the named reason."""

    incident: str
    at_us: int
    who: str
    reason: Reason
    detail: str = ""
