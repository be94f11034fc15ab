"""The sandbox Slack's workspace: channels, people, and the messages that stand in them.

In come posts and updates that Slack would take; out go messages with their `ts`, in order. It keeps all that was ever posted,
so that a test can count what stands once, twice or never.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BOT_USER = "U0ALERTBOT"
BOT = "B0ALERTBOT"
TEAM = "T0SANDBOX"
SCOPES = (
    "chat:write,channels:history,groups:history,channels:read,groups:read,channels:join,users:read,usergroups:read,files:write"
)


@dataclass(slots=True)
class Channel:
    """A channel as the bot meets it."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    member: bool = True


@dataclass(slots=True)
class Posted:
    """A message in a channel. `thread_ts` is the message that it replies to; `seen_by` the one who alone sees it."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str | None = None
    edits: int = 0
    webhook: bool = False
    seen_by: str | None = None
    mrkdwn: bool = True
    files: list[str] = field(default_factory=list)

    @property
    def outbox_id(self) -> str | None:
        """The id that came in its metadata."""
        content = (self.metadata or {}).get("event_payload", {})
        return content.get("id") if isinstance(content, dict) else None


@dataclass(slots=True)
class Upload:
    """A file; without content it was announced and never came."""

    id: str
    name: str
    length: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """How many posts a channel takes: so many at once, and so many a second after that."""

    per_second: float = 1.0
    burst: int = 5


class Workspace:
    """Everything in this Slack."""

    def __init__(
        self,
        channels: Sequence[str],
        *,
        clock: Callable[[], float] = time.time,
        rate: Rate | None = None,
        scopes: str = SCOPES,
    ) -> None:
        self.channels: dict[str, Channel] = {}
        self.messages: list[Posted] = []
        self.ephemeral: list[Posted] = []
        self.files: dict[str, Upload] = {}
        self.url = ""
        self.people = [
            {"id": "U024BE7LH", "name": "anna", "real_name": "Anna Berg"},
            {"id": "U024BE7LJ", "name": "ben", "real_name": "Ben Okafor"},
            {"id": "U024BE7LK", "name": "carla", "real_name": "Carla Duarte"},
            {"id": BOT_USER, "name": "alertbot"},
        ]
        self.groups: list[dict[str, Any]] = [
            {"id": "S0614TZR7", "handle": "oncall", "name": "On-call", "users": ["U024BE7LH", "U024BE7LJ"]}
        ]
        self.rate = rate
        self.scopes = scopes
        self.version = 0
        self._clock = clock
        self._last_ts_us = 0
        self._spent: dict[str, tuple[float, float]] = {}
        self._changed = asyncio.Event()
        for name in channels:
            self.add_channel(name)

    def add_channel(self, name: str, **more: bool) -> Channel:
        """A channel of this name; one that is there is changed."""
        bare = name.removeprefix("#")
        channel_id = "C" + hashlib.blake2b(bare.encode(), digest_size=5).hexdigest().upper()
        channel = Channel(channel_id, bare, **more)
        self.channels[channel_id] = channel
        self.touch()
        return channel

    def channel(self, wanted: object) -> Channel | None:
        """The channel that an id or a name means."""
        if not isinstance(wanted, str):
            return None
        bare = wanted.removeprefix("#")
        return self.channels.get(wanted) or next((each for each in self.channels.values() if each.name == bare), None)

    def post(self, channel: Channel, wanted: Mapping[str, Any], *, webhook: bool = False) -> Posted:
        """Takes a message."""
        message = Posted(
            channel=channel.id,
            ts=self._next_ts(),
            text=(wanted.get("text") or "")[:40_000],
            blocks=wanted.get("blocks") or [],
            attachments=wanted.get("attachments") or [],
            metadata=wanted.get("metadata"),
            thread_ts=wanted.get("thread_ts") or None,
            webhook=webhook,
            seen_by=wanted.get("user"),
            mrkdwn=wanted.get("mrkdwn") is not False,
        )
        (self.ephemeral if message.seen_by else self.messages).append(message)
        self.touch()
        return message

    def expect_file(self, name: str, length: int) -> str:
        """Announces a file; the id that it is to have."""
        number = f"F{len(self.files) + 1:08d}"
        self.files[number] = Upload(number, name, length)
        return number

    def update(self, message: Posted, wanted: Mapping[str, Any]) -> None:
        """Changes a message: what is left out goes, but its metadata stays."""
        message.text = wanted.get("text") or ""
        message.blocks = wanted.get("blocks") or []
        message.attachments = wanted.get("attachments") or []
        message.metadata = wanted.get("metadata") or message.metadata
        message.edits += 1
        self.touch()

    def find(self, channel: Channel, ts: object) -> Posted | None:
        """The message of this `ts`."""
        return next((each for each in self.messages if each.channel == channel.id and each.ts == ts), None)

    def of(self, channel: str) -> list[Posted]:
        """The messages of a channel, replies left out, oldest first."""
        found = self.channel(channel)
        return [each for each in self.messages if found and each.channel == found.id and each.thread_ts is None]

    def replies(self, ts: str) -> list[Posted]:
        """The replies to a message, oldest first."""
        return [each for each in self.messages if each.thread_ts == ts]

    def wait_for(self, channel: Channel) -> int | None:
        """None, and the post is counted; or the whole seconds to wait before the channel takes another."""
        if self.rate is None:
            return None
        now = self._clock()
        left, at = self._spent.get(channel.id, (float(self.rate.burst), now))
        left = min(float(self.rate.burst), left + (now - at) * self.rate.per_second)
        if left < 1:
            self._spent[channel.id] = (left, now)
            return max(1, int((1 - left) / self.rate.per_second + 0.999))
        self._spent[channel.id] = (left - 1, now)
        return None

    def clear(self) -> None:
        """Forgets every message."""
        self.messages.clear()
        self.ephemeral.clear()
        self.touch()

    def touch(self) -> None:
        """Tells whoever waits that something changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, wanted: Callable[[Sequence[Posted]], bool]) -> None:
        """Waits until the messages are as wanted."""
        while not wanted(self.messages):
            await self._changed.wait()

    def _next_ts(self) -> str:
        self._last_ts_us = max(self._last_ts_us + 1, int(self._clock() * 1_000_000))
        return f"{self._last_ts_us // 1_000_000}.{self._last_ts_us % 1_000_000:06d}"
