"""What the sandbox's portal plays: the office's story, or somebody's own files.

In come a story, or files of events and people with how much of them is history; out goes a portal whose time stands where
history ends. `begin` lets it go on once somebody has read the history, so that nothing live is taken for history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from alertbot.errors import EventsFileError, UsageError
from alertbot.event import GUEST_ID
from alertbot.moments import from_us
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.holdings import ApiKey
from alertbot.sandbox.intake import Member, parse_member, read_events, read_people
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.story import Story

GRACE = timedelta(seconds=10)
"""How long after the first request the time still stands: a first read is many pages."""


def play_story(story: Story, *, speed: float = 1.0) -> SandboxPortal:
    """The story's portal; its time stands at the end of history."""
    portal = _portal(_clock(story.end, speed), story.people, story.zone)
    portal.load(story.rows)
    return portal


def play_files(
    events: Path,
    people: Path | None = None,
    *,
    history: timedelta | None = None,
    speed: float = 1.0,
    zone: tzinfo | None = None,
) -> SandboxPortal:
    """A portal that holds the files' rows; its time stands `history` after the first of them, left out: at the last.

    Without a file of people those who logged in are its directory. Raises EventsFileError.
    """
    rows = read_events(events)
    if not rows:
        raise EventsFileError(f"{events} holds no events")
    members = read_people(people) if people is not None else _learned(rows)
    first, last = min(row.at_us for row in rows), max(row.at_us for row in rows)
    start = from_us(last) if history is None else from_us(first) + history
    portal = _portal(_clock(start, speed), members, zone)
    portal.load(rows)
    return portal


async def begin(portal: SandboxPortal, grace: timedelta = GRACE) -> None:
    """Lets the portal's time go on, a little after it is asked for the first time."""
    await portal.until_asked(1)
    await asyncio.sleep(grace.total_seconds())
    portal.clock.resume()


def _portal(clock: SandboxClock, people: Sequence[Member], zone: tzinfo | None) -> SandboxPortal:
    owner = next((member.id for member in people if member.row.get("isOwner")), None)
    key = ApiKey(owner=owner) if owner is not None else ApiKey()
    return SandboxPortal(clock, zone=zone, people=people, keys=(key,))


def _clock(start: datetime, speed: float) -> SandboxClock:
    try:
        return SandboxClock(start, speed, running=False)
    except ValueError as error:
        raise UsageError(f"--speed {speed:g}: {error}") from None


def _learned(rows: Iterable[Row]) -> list[Member]:
    """Who logged in, by user id; nothing tells their e-mail."""
    names = {row.user_id: row.fields.get("user", "") for row in rows if row.user_id != GUEST_ID}
    return [parse_member({"id": person, "email": "", "displayName": name, "status": 1}) for person, name in names.items()]
