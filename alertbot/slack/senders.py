"""The two ways into Slack as delivery sees them: a bot token can do everything, an incoming webhook can post."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from alertbot.errors import SlackError, SlackPlace
from alertbot.outbox import Due, File, Message, Place, shown


class Bot(Protocol):
    """What delivery needs of `client.SlackClient`."""

    async def post(self, channel: str, message: Message, *, outbox_id: str, thread_ts: str | None = None) -> Place: ...
    async def update(self, channel: str, ts: str, message: Message, *, outbox_id: str | None = None) -> None: ...
    async def find(self, channel: str, outbox_id: str, *, since: datetime, thread_ts: str | None = None) -> Place | None: ...
    async def upload(self, place: Place, file: File, message: Message, *, outbox_id: str) -> None: ...
    async def permalink(self, place: Place) -> str: ...


class Webhook(Protocol):
    """What delivery needs of `client.WebhookClient`."""

    async def post(self, message: Message, *, maybe_repeat: bool = False) -> None: ...


class Sender(Protocol):
    """A way into Slack. `one_lane`: all channels share one pace, because they are one channel."""

    @property
    def can_look(self) -> bool: ...
    @property
    def one_lane(self) -> bool: ...
    def unfit(self, due: Due) -> str | None: ...
    async def send(self, due: Due) -> Place | None: ...
    async def find(self, due: Due, *, since: datetime) -> Place | None: ...


class BotSender:
    """Posts, replies and updates with a bot token, and looks whether something stands."""

    can_look = True
    one_lane = False

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    def unfit(self, due: Due) -> str | None:
        """A bot can carry everything."""
        return None

    async def send(self, due: Due) -> Place | None:
        """Send an entry; where it stands then."""
        entry, message = due.entry, shown(due.entry, addresses=await self._addresses(due))
        if due.target is None:
            return await self._bot.post(entry.channel, message, outbox_id=entry.id)
        if entry.update_of is not None:
            await self._bot.update(due.target.channel, due.target.ts, message, outbox_id=entry.update_of)
            return due.target
        if message.file is not None:
            await self._bot.upload(due.target, message.file, message, outbox_id=entry.id)
            return None
        return await self._bot.post(due.target.channel, message, outbox_id=entry.id, thread_ts=due.target.ts)

    async def _addresses(self, due: Due) -> dict[str, str]:
        """The addresses of the messages that it links to; without them it still says all that matters."""
        try:
            return {entry: await self._bot.permalink(place) for entry, place in due.links.items()}
        except SlackError:
            return {}

    async def find(self, due: Due, *, since: datetime) -> Place | None:
        """Where an entry stands, if it does."""
        target = due.target
        if target is None:
            return await self._bot.find(due.entry.channel, due.entry.id, since=since)
        return await self._bot.find(target.channel, due.entry.id, since=since, thread_ts=target.ts)


class WebhookSender:
    """Posts through an incoming webhook: at least once, and what may be a repeat says so."""

    can_look = False
    one_lane = True

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook

    def unfit(self, due: Due) -> str | None:
        """Why it cannot be carried: replies and updates, shown as messages of their own, would only be noise."""
        if due.orphan or due.entry.refers_to is not None:
            return "an incoming webhook can neither reply nor update"
        return None

    async def send(self, due: Due) -> None:
        """Post an entry."""
        await self._webhook.post(shown(due.entry, mark_repeat=False), maybe_repeat=due.entry.repeat)

    async def find(self, due: Due, *, since: datetime) -> None:
        """Nobody can look behind a webhook."""
        raise SlackPlace("An incoming webhook shows nobody what stands in its channel", "cannot_look")
