"""The service: wires the stations and runs their loops. The only file that knows all of them.

One task watches each portal, one delivers to Slack, one announces the first start; one thread speaks to the store.
It ends when it is told to (SIGTERM, SIGINT): what is in flight is finished, within `GRACE`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import httpx
import structlog

from alertbot.alarms import Post
from alertbot.announce import announcement
from alertbot.commit import Committer
from alertbot.config import PortalSettings, Settings
from alertbot.edits import Edits
from alertbot.errors import (
    AlertbotError,
    KeyRejected,
    LostOwnership,
    PortalBusy,
    PortalError,
    PortalRefused,
    PortalTransient,
    StoreError,
)
from alertbot.event import FEEDS, Feed
from alertbot.lookout import Lookout
from alertbot.outbox import Policy
from alertbot.portal.client import PortalClient, connect
from alertbot.reception import Reception
from alertbot.rules.model import Rule, RuleBook
from alertbot.slack.client import SlackClient, WebhookClient
from alertbot.slack.delivery import Delivery
from alertbot.slack.senders import BotSender, Sender, WebhookSender
from alertbot.store.store import Store
from alertbot.tell import Outlet
from alertbot.watch import PortalWatch

GRACE = timedelta(seconds=1)
"""How long what is in flight is waited for at the end: first what is being read, then what is being sent."""

ALL_READY_WITHIN = timedelta(minutes=1)
PATIENCE = timedelta(seconds=10)
"""How long one call to a portal is tried again before its poll counts as failed, is told, and begins anew."""

REFUSED_EVERY = timedelta(minutes=1)
"""How often a portal that refuses is asked again, after a few tries at shorter intervals: people have to change something."""

FIRST_READS = 16
BUILDS = 4
"""So many portals read their past at a time, and so many engines are built: a thousand at once would time each other out."""

COLLECT_AFTER = (20_000, 20, 20)
"""The engine holds much and hardly ever in circles: the garbage collector looks less often than it would."""

T = TypeVar("T")
log = structlog.get_logger("alertbot.service")


class Service:
    """One `alertbot run`. `store` is open for writing."""

    def __init__(self, settings: Settings, book: RuleBook, store: Store) -> None:
        self._settings = settings
        self._slack = settings.need_slack()
        self._book = book
        self._rules = book.rules
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._stopping = asyncio.Event()
        self._http: httpx.AsyncClient | None = None
        self._first_reads = asyncio.Semaphore(FIRST_READS)
        self._builds = asyncio.Semaphore(BUILDS)

    async def run(self) -> None:
        """Run until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with AsyncExitStack() as stack:
            delivery = await self._delivery(stack)
            reception = Reception(self._settings, self._rules, self._store, self.in_store)
            await reception.open(stack)
            lookout = await self._lookout(delivery, reception)
            loop.add_signal_handler(signal.SIGHUP, self._read_secrets_again, lookout)
            watches = [await self._watch(portal, delivery, reception, lookout, stack) for portal in self._settings.portals]
            tasks = [
                asyncio.create_task(self._watch_for_ever(watch, feed, place, lookout), name=f"{feed} of {watch.settings.name}")
                for place, watch in enumerate(watches)
                for feed in FEEDS
            ]
            tasks.append(asyncio.create_task(self._announce(watches, delivery), name="announce"))
            tasks += reception.tasks(delivery.wake)
            edits = Edits(
                self._store,
                self.in_store,
                self._slack.channel or "",
                partial(self._change_rules, watches, reception),
                on_commit=delivery.wake,
                now_us=_now_us,
            )
            following = edits.follow(self._settings.rules, self._book, self._stopping)
            tasks.append(asyncio.create_task(following, name="rules"))
            tasks.append(asyncio.create_task(lookout.run(), name="lookout"))
            tasks.append(asyncio.create_task(lookout.look_at_keys(), name="keys of portals"))
            sending = asyncio.create_task(delivery.run(), name="delivery")
            gc.collect()
            gc.freeze()  # what was imported stays; the collector need not look at it again
            gc.set_threshold(*COLLECT_AFTER)
            log.info("started", portals=len(watches), rules=len(self._rules), store=self._store.place)
            await self._until_told_or_broken([*tasks, sending])
            log.info("stopping")
            await self._stop(tasks, watches, delivery, sending)
            for task in (*tasks, sending):
                if task.done() and not task.cancelled() and (error := task.exception()):
                    raise error
        self._thread.shutdown()
        log.info("stopped")

    async def in_store(self, function: Callable[..., T], *args: object, **named: object) -> T:
        """Run a function of the store's in its thread. One that has begun is finished, whoever waits for it."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **named))
        return await asyncio.shield(work)

    # -- wiring --------------------------------------------------------------------------------------------------------

    async def _delivery(self, stack: AsyncExitStack) -> Delivery:
        slack = self._slack
        sender: Sender
        if slack.webhook is not None:
            webhook = WebhookClient(slack.webhook.get_secret_value())
            sender = WebhookSender(await stack.enter_async_context(webhook))
        else:
            assert slack.token is not None
            bot = SlackClient(slack.token.get_secret_value(), api_url=slack.api_url)
            sender = BotSender(await stack.enter_async_context(bot))
        policy = Policy(fallback=slack.fallback, can_look=sender.can_look)
        return Delivery(self._store, sender, self.in_store, policy=policy)

    async def _lookout(self, delivery: Delivery, reception: Reception) -> Lookout:
        post = Post(
            channel=self._slack.channel or "",
            routes=self._settings.routes,
            by_webhook=self._slack.webhook is not None,
            call=reception.call,
            zones={portal.name: portal.zone for portal in self._settings.portals},
        )
        lookout = Lookout(self._store, self.in_store, post, on_commit=delivery.wake, now_us=_now_us)
        await lookout.open([portal.name for portal in self._settings.portals])
        return lookout

    def _read_secrets_again(self, lookout: Lookout) -> None:
        """SIGHUP: what stands in files may have been rotated."""
        changed = [portal.name for portal in self._settings.portals if portal.api_key.read_again()]
        for name in changed:
            lookout.key_changed(name)
        log.info("secrets.read_again", portals=changed)

    async def _pool(self, portal: PortalSettings, stack: AsyncExitStack) -> httpx.AsyncClient:
        """The connections of all portals, or of one that trusts an authority of its own."""
        if portal.ca is not None:
            return await stack.enter_async_context(connect([portal], portal.ca))
        if self._http is None:
            self._http = await stack.enter_async_context(connect(self._settings.portals))
        return self._http

    async def _watch(
        self, portal: PortalSettings, delivery: Delivery, reception: Reception, lookout: Lookout, stack: AsyncExitStack
    ) -> PortalWatch:
        http = await self._pool(portal, stack)
        outlet = Outlet(
            portal=portal.name,
            channel=self._slack.channel or "",
            zone=portal.zone,
            portal_url=portal.url,
            by_webhook=self._slack.webhook is not None,
            routes=self._settings.routes,
            call=reception.call,
            hands=reception.hands(portal.name),
        )
        committer = Committer(self._store, self.in_store, outlet, old_news=self._settings.old_news, clock=_now_us)
        client = PortalClient(portal, http, patience=PATIENCE)
        reception.add(portal, client, committer, outlet)
        lookout.add(portal, client)
        watch = PortalWatch(
            portal,
            self._rules,
            client,
            self._store,
            self.in_store,
            committer,
            on_commit=delivery.wake,
            on_notes=partial(lookout.noted, portal.name),
            builds=self._builds,
        )
        await watch.open()
        return watch

    # -- loops ---------------------------------------------------------------------------------------------------------

    async def _until_told_or_broken(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Until SIGTERM or SIGINT, or until a task cannot go on."""
        stopping = asyncio.create_task(self._stopping.wait())
        running: set[asyncio.Task[Any]] = {stopping, *tasks}
        while stopping in running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if any(task.exception() for task in done):
                break
        stopping.cancel()

    async def _watch_for_ever(self, watch: PortalWatch, feed: Feed, place: int, lookout: Lookout) -> None:
        """Poll one feed of a portal, beside the other: one that is long, or fails, keeps nobody from seeing the other."""
        portal = watch.settings
        spread = portal.poll.total_seconds() * place / max(len(self._settings.portals), 1)
        due = time.monotonic() + spread
        said: str | None = None
        failures = 0
        while await self._pause(due - time.monotonic()):
            due = max(due + watch.interval(feed).total_seconds(), time.monotonic())
            if not watch.reads(feed):
                lookout.left(portal.name, feed)
                continue
            try:
                if watch.has_read(feed):
                    await watch.poll(feed)
                else:
                    async with self._first_reads:
                        due = time.monotonic() + watch.interval(feed).total_seconds()
                        await watch.poll(feed)
            except LostOwnership:
                raise
            except (PortalError, StoreError) as exc:
                if isinstance(exc, KeyRejected) and await asyncio.to_thread(portal.api_key.read_again):
                    log.info("key.rotated", portal=portal.name)
                    lookout.key_changed(portal.name)
                    due = time.monotonic()
                    continue
                failures += 1
                if isinstance(exc, PortalError):
                    lookout.failed(portal.name, feed, exc)
                if _kind(exc) != said:
                    said = _kind(exc)
                    log.error("poll.failed", portal=portal.name, feed=feed, error=str(exc))  # noqa: TRY400 -- a sentence for people
                due = time.monotonic() + _wait_after(exc, portal.poll, failures)
            except Exception:
                failures += 1
                log.exception("poll.broken", portal=portal.name, feed=feed)
                due = time.monotonic() + REFUSED_EVERY.total_seconds()
            else:
                lookout.succeeded(portal.name, feed)
                if failures:
                    said, failures = None, 0
                    log.info("poll.works_again", portal=portal.name, feed=feed)

    async def _announce(self, watches: Sequence[PortalWatch], delivery: Delivery) -> None:
        """Tell of the first start: all portals at once if they are ready within a minute, else each as it comes."""
        waiting = [w for w in watches if not await self.in_store(self._store.meta, _announced(w.settings.name))]
        deadline = time.monotonic() + ALL_READY_WITHIN.total_seconds()
        while waiting:
            ready_tasks = [asyncio.create_task(watch.ready.wait()) for watch in waiting]
            left = deadline - time.monotonic()
            try:
                await asyncio.wait(
                    ready_tasks,
                    timeout=left if left > 0 else None,
                    return_when=asyncio.ALL_COMPLETED if left > 0 else asyncio.FIRST_COMPLETED,
                )
            finally:
                for task in ready_tasks:
                    task.cancel()
            ready = [watch for watch in waiting if watch.ready.is_set()]
            waiting = [watch for watch in waiting if not watch.ready.is_set()]
            if ready:
                await self._tell_start(ready, [watch.settings.name for watch in waiting])
                delivery.wake()

    async def _tell_start(self, ready: Sequence[PortalWatch], missing: Sequence[str]) -> None:
        counts = await self.in_store(self._store.counts)
        entries = announcement(
            [watch.settings for watch in ready],
            missing,
            self._rules,
            counts,
            channel=self._slack.channel or "",
            by_webhook=self._slack.webhook is not None,
            now_us=_now_us(),
        )
        notes = {_announced(watch.settings.name): "1" for watch in ready}
        await self.in_store(self._store.announce, entries, notes)
        log.debug("announced", portals=[watch.settings.name for watch in ready])

    async def _change_rules(self, watches: Sequence[PortalWatch], reception: Reception, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        reception.change_rules(rules)
        for watch in watches:
            await watch.change_rules(rules)

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether there is to be another round."""
        if seconds > 0 and not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return True
        return not self._stopping.is_set()

    async def _stop(
        self,
        tasks: Sequence[asyncio.Task[None]],
        watches: Sequence[PortalWatch],
        delivery: Delivery,
        sending: asyncio.Task[None],
    ) -> None:
        self._stopping.set()
        _, late = await asyncio.wait(tasks, timeout=GRACE.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*(watch.close() for watch in watches), *late, return_exceptions=True)
        delivery.stop()
        await asyncio.wait([sending], timeout=GRACE.total_seconds())
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _announced(portal: str) -> str:
    return f"announced:{portal}"


def _now_us() -> int:
    return time.time_ns() // 1_000


def _kind(error: AlertbotError) -> str:
    """What is said once as long as it goes on. What passes by itself may read otherwise each time."""
    return type(error).__name__ if isinstance(error, PortalTransient) else str(error)


def _wait_after(error: AlertbotError, poll: timedelta, failures: int) -> float:
    """How long until the portal is asked again: its own word, slowly where it refuses, else at its pace, a little uneven."""
    if isinstance(error, PortalBusy):
        return error.retry_after.total_seconds()
    wait = max(poll, min(REFUSED_EVERY, poll * 2 ** min(failures, 10))) if isinstance(error, PortalRefused) else poll
    return wait.total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311 -- not a secret
