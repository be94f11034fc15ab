"""The lookout over alertbot itself: what polls come to and what keys say, kept and told.

In come the ends of polls, the reader's notes, and each portal's own word about its key, asked daily; out go, through the
outbox, the messages of troubles that begin and end. What was told is kept in the same transaction, so that a restart repeats
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from alertbot.alarms import Alarm, Post, tell
from alertbot.errors import LostOwnership, PortalError, StoreError
from alertbot.event import Feed
from alertbot.moments import iso, span_us
from alertbot.outbox import OutboxEntry
from alertbot.portal.client import PortalClient
from alertbot.portal.notes import Note, NoteKind
from alertbot.rows import parse_date
from alertbot.selfwatch import Concern, Look, Selfwatch
from alertbot.settings import PortalSettings
from alertbot.store.store import InStore, Store

EVERY = timedelta(seconds=1)
KEYS_EVERY = timedelta(days=1)
KEYS_AGAIN = timedelta(hours=1)
"""How soon a key is asked about again after that failed; a key that is rejected is told by the polls."""

KEYS_LOOK_S = 5.0

log = structlog.get_logger("alertbot.lookout")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the store keeps of it."""

    concerns: tuple[Concern, ...] = ()
    alarms: tuple[Alarm, ...] = ()


KEPT = "self.watch"
"""Where the store keeps it."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a portal says of the key in use."""

    name: str = ""
    owner: str = ""
    owner_id: str = ""
    permissions: tuple[str, ...] = ()
    end_us: int | None = None
    active: bool = True


@dataclass(slots=True)
class _Watched:
    settings: PortalSettings
    client: PortalClient
    read_us: dict[Feed, int] = field(default_factory=dict)
    failed: set[Feed] = field(default_factory=set)
    no_plan: set[Feed] = field(default_factory=set)
    key_due_us: int = 0
    key: Key | None = None

    def waited(self, now_us: int) -> timedelta:
        """For how long a feed was not read to its end, without an error that would say why; the longest of them."""
        since = [at_us for feed, at_us in self.read_us.items() if feed not in self.failed]
        return timedelta(microseconds=max(0, now_us - min(since, default=now_us)))


class Lookout:
    """Watches over one service. `open` first, then `add` every portal, then `run`. `now_us` is the bot's own clock."""

    def __init__(
        self, store: Store, in_store: InStore, post: Post, *, on_commit: Callable[[], None], now_us: Callable[[], int]
    ) -> None:
        self._store = store
        self._in_store = in_store
        self._post = post
        self._on_commit = on_commit
        self._now_us = now_us
        self._watched: dict[str, _Watched] = {}
        self._troubles = Selfwatch()
        self._alarms: list[Alarm] = []
        self._saved = Kept()
        self._unsent: list[OutboxEntry] = []
        self._one_at_a_time = asyncio.Lock()

    async def open(self, portals: Sequence[str]) -> None:
        """Take up what people were told before; a portal that is not watched any more has no trouble."""
        note = await self._in_store(self._store.meta, KEPT)
        self._saved = msgspec.json.decode(note, type=Kept) if note else Kept()
        self._troubles = Selfwatch(self._saved.concerns, set(portals))
        self._alarms = list(self._saved.alarms)

    def add(self, settings: PortalSettings, client: PortalClient) -> None:
        """Watch over a portal."""
        self._watched[settings.name] = _Watched(settings, client)

    # -- what is seen --------------------------------------------------------------------------------------------------

    def failed(self, portal: str, feed: Feed, error: PortalError) -> None:
        """A poll ended with an error. Where the logins cannot be read either, that is what is told."""
        one, now_us = self._watched[portal], self._now_us()
        one.failed.add(feed)
        if feed == "login":
            self._troubles.failed(portal, error, now_us)
        elif "login" not in one.failed:
            self._troubles.audit_failed(portal, error, now_us)

    def succeeded(self, portal: str, feed: Feed) -> None:
        """A poll read a feed to its end and stored what it brought."""
        one, now_us = self._watched[portal], self._now_us()
        waited = one.waited(now_us)
        one.read_us[feed] = now_us
        one.failed.discard(feed)
        if feed == "audit":
            self._troubles.audit_succeeded(portal, now_us)
        if "login" in one.failed:
            return
        look = Look(
            waited=waited,
            poll=one.settings.poll,
            no_plan=bool(one.no_plan),
            skew=one.client.skew,
            max_skew=one.settings.max_skew,
        )
        self._troubles.succeeded(portal, look, now_us)

    def left(self, portal: str, feed: Feed) -> None:
        """A feed is not read any more, for no rule looks at it: it can have no trouble."""
        one = self._watched[portal]
        if feed in one.failed or feed in one.read_us:
            one.failed.discard(feed)
            one.no_plan.discard(feed)
            one.read_us.pop(feed, None)
            self._troubles.audit_succeeded(portal, self._now_us())

    async def noted(self, portal: str, notes: Sequence[Note]) -> None:
        """What the reader has to tell, before it is stored; a gap is kept at once, for it is said only once."""
        for note in notes:
            match note.kind:
                case NoteKind.NO_PLAN:
                    self._watched[portal].no_plan.add(note.feed)
                case NoteKind.PLAN_BACK:
                    self._watched[portal].no_plan.discard(note.feed)
                case NoteKind.GAP if note.start_us is not None:
                    self._troubles.missed(portal, note.feed, note.text, note.start_us, self._now_us())
                    await self.look()

    # -- what is told --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled. A store that fails is tried again; nothing is told twice by that."""
        said = None
        while True:
            try:
                for name, one in self._watched.items():
                    self._troubles.waits(name, one.waited(self._now_us()), one.settings.poll, self._now_us())
                await self.look()
            except LostOwnership:
                raise
            except StoreError as error:
                if said != str(error):
                    said = str(error)
                    log.error("lookout.failed", error=said)  # noqa: TRY400 -- a sentence for people
            except Exception:
                log.exception("lookout.broken")
            else:
                said = None
            await asyncio.sleep(EVERY.total_seconds())

    async def look(self) -> None:
        """Tell what is new now, and keep it."""
        async with self._one_at_a_time:
            now_us = self._now_us()
            self._troubles.advance(now_us)
            before = {alarm.id for alarm in self._alarms}
            self._alarms, entries = tell(self._troubles.going_on, self._alarms, self._post, now_us)
            self._unsent += entries
            kept = Kept(concerns=self._troubles.concerns, alarms=tuple(self._alarms))
            if kept == self._saved and not self._unsent:
                return
            sent = list(self._unsent)
            note = msgspec.json.encode(kept).decode()
            await self._in_store(self._store.announce, sent, {KEPT: note})
            self._saved, self._unsent = kept, self._unsent[len(sent) :]
        for alarm in self._alarms:
            if alarm.id not in before:
                log.warning("self", kind=str(alarm.kind), portals=list(alarm.portals))
        if sent:
            self._on_commit()

    # -- keys ----------------------------------------------------------------------------------------------------------

    async def look_at_keys(self) -> None:
        """Ask each portal about its key, daily, until it is cancelled; people are told of its end to the hour."""
        while True:
            await self.ask_about_keys()
            await asyncio.sleep(KEYS_LOOK_S)

    async def ask_about_keys(self) -> None:
        """Ask where it is due; of a key that is known, its end comes nearer meanwhile."""
        for one in list(self._watched.values()):
            if one.key_due_us <= self._now_us():
                await self._look_at_key(one)
            if one.key is not None:
                name = one.settings.name
                self._troubles.key_ends(name, one.key.end_us, _ending(name, one.key), self._now_us())

    def key_changed(self, portal: str) -> None:
        """Another key is in use: ask about it soon."""
        self._watched[portal].key_due_us = 0

    async def _look_at_key(self, one: _Watched) -> None:
        name = one.settings.name
        try:
            key = parse_key((await one.client.key()).content)
        except PortalError as error:
            log.debug("key.unread", portal=name, error=str(error))
            one.key_due_us = self._now_us() + span_us(KEYS_AGAIN)
            return
        one.key_due_us = self._now_us() + span_us(KEYS_EVERY)
        ends = iso(key.end_us) if key.end_us is not None else None
        log.info("key", portal=name, key=key.name, owner=key.owner, scopes=list(key.permissions), ends=ends)
        one.key = key


def parse_key(content: Mapping[str, Any]) -> Key:
    """What of the portal's answer about a key can be understood.

    >>> parse_key({"name": "bot", "permissions": ["*:read"], "expiresAt": "2026-01-15T10:00:00Z"}).end_us
    1768471200000000
    """
    permissions, owner, ends = content.get("permissions"), content.get("createBy"), content.get("expiresAt")
    try:
        end_us = None if ends is None else parse_date(ends)
    except ValueError:
        end_us = None
    shown = (owner.get("displayName") or owner.get("id")) if isinstance(owner, Mapping) else owner
    return Key(
        name=str(content.get("name") or ""),
        owner=str(shown or ""),
        owner_id=str((owner.get("id") if isinstance(owner, Mapping) else owner) or ""),
        permissions=tuple(map(str, permissions)) if isinstance(permissions, list) else (),
        end_us=end_us,
        active=content.get("isActive") is not False,
    )


def _ending(portal: str, key: Key) -> str:
    end = iso(key.end_us).replace("T", " ").partition(".")[0].rstrip("Z") if key.end_us is not None else ""
    named = f" {key.name}" if key.name else ""
    owner = f", made by {key.owner}" if key.owner else ""
    return f"The API key{named} of the portal {portal}{owner} ends {end} UTC; then no login is watched any more."
