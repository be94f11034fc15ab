"""A store, a sandbox Slack over sockets, and the delivery between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from alertbot.outbox import Message, OutboxEntry, Policy
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.slack.client import SlackClient, WebhookClient
from alertbot.slack.delivery import Delivery, bot_clock_us
from alertbot.slack.pace import Pace
from alertbot.slack.senders import BotSender, Sender, WebhookSender
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store

T = TypeVar("T")

FAST = Pace(each=timedelta(milliseconds=1), burst=100, slow=timedelta(seconds=1))
QUICK = Policy(
    fallback="#security-ops",
    patience=timedelta(seconds=0.6),
    look_after=timedelta(seconds=0.02),
    first_back_off=timedelta(seconds=0.02),
    longest_back_off=timedelta(seconds=0.1),
    slowly=timedelta(seconds=0.2),
)
PATIENCE = 15


def entry(id_: str, *, channel: str = "#security", **more: Any) -> OutboxEntry:
    """An entry as a decision writes it."""
    blocks = ({"type": "section", "text": {"type": "plain_text", "text": f"details of {id_}"}},)
    fields = {"created_us": bot_clock_us(), "kind": "opening", "message": Message(text=f"alert {id_}", blocks=blocks)}
    return OutboxEntry(id=id_, channel=channel, **(fields | more))


class Died(Exception):
    """The process ends here, without a word."""


class Office:
    """Where an outbox is emptied into a Slack, and a test watches."""

    def __init__(self, store: Store, slack: SandboxSlack, sender: Sender, pace: Pace, policy: Policy) -> None:
        self.store = store
        self.slack = slack
        self._thread = ThreadPoolExecutor(1)
        self._changed = asyncio.Event()
        self._new = partial(Delivery, store, sender, self.in_store, policy=policy, pace=pace)
        self.delivery: Delivery
        self.task: asyncio.Task[None] | None = None
        self.deaths: list[tuple[str, str]] = []
        """The calls to the store before or after which it dies, in this order: `("settle", "before")`."""
        self._died = asyncio.Event()

    async def in_store(self, function: Callable[..., T], *args: object, **named: object) -> T:
        """The store's one thread."""
        name = getattr(function, "__name__", "")
        self._die_if(name, "before")
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **named))
        finally:
            self._changed.set()
        if done or name == "settle":  # to claim nothing is no step
            self._die_if(name, "after")
        return done

    def _die_if(self, name: str, when: str) -> None:
        if self.deaths[:1] == [(name, when)]:
            del self.deaths[0]
            self._died.set()
            raise Died

    async def rise(self) -> None:
        """Start again whenever it has died, until it is cancelled."""
        while True:
            await self._died.wait()
            self._died.clear()
            await self.crash()
            self.start()

    async def put(self, *entries: OutboxEntry) -> None:
        """Commit entries and say so, as the service does."""
        await self.in_store(self.store.commit_poll, PollCommit(state=PortalState(name="main"), outbox=entries))
        self.delivery.wake()

    async def entries(self) -> dict[str, OutboxEntry]:
        """All entries by id."""
        return {each.id: each for each in await self.in_store(self.store.entries)}

    async def until(self, wanted: Callable[[dict[str, OutboxEntry]], bool]) -> dict[str, OutboxEntry]:
        """The entries, as soon as they are as wanted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.entries()
                self._changed.clear()
                if wanted(found):
                    return found
                await self._changed.wait()

    async def until_sent(self, *ids: str) -> dict[str, OutboxEntry]:
        """The entries, as soon as these (or all) are sent."""
        return await self.until(lambda found: all(e.state == "sent" for e in found.values() if not ids or e.id in ids))

    def start(self) -> None:
        """Begin to deliver."""
        self.delivery = self._new()
        self.task = asyncio.create_task(self.delivery.run())

    async def stop(self) -> None:
        """As SIGTERM does."""
        if self.task is not None:
            self.delivery.stop()
            await self.task
            self.task = None

    async def crash(self) -> None:
        """End without a word: whatever is in flight is forgotten."""
        assert self.task is not None
        left = [*self.delivery._posting.values(), *self.delivery._looking.values(), self.task]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.task = None

    def close(self) -> None:
        """End the store's thread."""
        self._thread.shutdown()


@asynccontextmanager
async def office(
    folder: Path | str,
    *,
    webhook: bool = False,
    pace: Pace = FAST,
    policy: Policy = QUICK,
    patience: timedelta = timedelta(seconds=5),
) -> AsyncIterator[Office]:
    """All of it, running."""
    slack = SandboxSlack()
    url = folder if isinstance(folder, str) else f"sqlite:///{folder}/alertbot.db"
    async with Server(slack) as server:
        slack.server = server  # type: ignore[attr-defined]
        with Store.open(url, write=True) as store:
            bot = SlackClient(slack.token, api_url=slack.api_url, timeout=patience)
            hook = WebhookClient(slack.webhook_url, timeout=patience)
            async with bot, hook:
                sender: Sender = WebhookSender(hook) if webhook else BotSender(bot)
                desk = Office(store, slack, sender, pace, policy)
                desk.start()
                try:
                    yield desk
                finally:
                    slack.faults.release()
                    await desk.stop()
                    desk.close()


def standing(slack: SandboxSlack) -> list[str | None]:
    """The outbox ids of all messages in Slack, in order."""
    return [message.outbox_id for message in slack.messages]


def calls(slack: SandboxSlack, method: str) -> int:
    """How often a method was called."""
    return sum(call.method == method for call in slack.calls)


def ids(entries: Iterable[OutboxEntry]) -> list[str]:
    """Their ids."""
    return [each.id for each in entries]
