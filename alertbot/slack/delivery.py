"""Station 10: the outbox is emptied into Slack, each entry once.

In come entries that the store holds; what goes out is committed before and after: "it is being sent" before the first byte
leaves, "it stands" after the answer. Between the two lies an outcome that nobody knows; then delivery looks before it sends
again (`outbox` decides, this module does). Each channel has its own queue and pace; an entry whose outcome is unknown leaves
its queue, so that others pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Literal, Protocol, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from alertbot.errors import (
    LostOwnership,
    SlackError,
    SlackNotNow,
    SlackUnknownOutcome,
    SlackWait,
    StoreBusy,
    StoreError,
)
from alertbot.moments import from_us
from alertbot.outbox import Due, OutboxEntry, Policy, failed, look_failed, looked, lost, refused, stands
from alertbot.slack.pace import Gate, Lanes, Pace
from alertbot.slack.senders import Sender
from alertbot.slack.trouble import Troubles

T = TypeVar("T")

_POSTS_AT_ONCE = 10
_LOOKS_AT_ONCE = 4
_LOOK_BACK = timedelta(hours=1)  # our clock may differ from Slack's
_LONGEST_REST = timedelta(seconds=10)
_GRACE = timedelta(seconds=3)

log = structlog.get_logger("alertbot.delivery")


class InStore(Protocol):
    """Runs a function of the store's in the one thread that speaks to it."""

    def __call__(self, function: Callable[..., T], *args: object, **named: object) -> Awaitable[T]: ...


class OutboxStore(Protocol):
    """What delivery needs of the store."""

    def claim(self, now_us: int, *, busy: Collection[str] = (), limit: int = 100) -> list[Due]: ...
    def lookups(self, now_us: int, *, busy: Collection[str] = (), limit: int = 10) -> list[Due]: ...
    def next_due_us(self, now_us: int) -> int | None: ...
    def settle(self, entries: Sequence[OutboxEntry]) -> None: ...
    def entries(self, *, state: Literal["sending"]) -> list[OutboxEntry]: ...
    def set_meta(self, key: str, value: str | None) -> None: ...


def bot_clock_us() -> int:
    """The bot's own clock."""
    return time.time_ns() // 1_000


class Delivery:
    """Empties the outbox of one store through one sender, for as long as `run` runs."""

    def __init__(
        self,
        store: OutboxStore,
        sender: Sender,
        in_store: InStore,
        *,
        policy: Policy | None = None,
        pace: Pace | None = None,
        now_us: Callable[[], int] = bot_clock_us,
    ) -> None:
        self._store = store
        self._sender = sender
        self._in_store = in_store
        policy = policy or Policy()
        fallback = None if sender.one_lane else policy.fallback
        self._policy = replace(policy, can_look=sender.can_look, fallback=fallback)
        self._now_us = now_us
        self._clock = time.monotonic
        self._lanes = Lanes(pace or Pace())
        self._gate = Gate(self._policy)
        self._looks_closed_until = 0.0
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._posting: dict[str, asyncio.Task[None]] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._fatal: BaseException | None = None
        self.troubles = Troubles()

    def wake(self) -> None:
        """New entries were committed: they go out at once."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more; `run` ends when what is in flight is done, after a few seconds in any case."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Deliver until `stop`. Ends by itself only when another bot has taken the store over: StoreBusy, LostOwnership."""
        try:
            await self._recover()
            while not self._stopping.is_set():
                self._woken.clear()
                if self._fatal is not None:
                    raise self._fatal
                now, now_us = self._clock(), self._now_us()
                await self._send_due(now, now_us)
                await self._look_due(now, now_us)
                await self._rest(now, now_us)
        except StoreError:
            if not self._stopping.is_set():
                raise
        finally:
            await self._finish()

    async def _recover(self) -> None:
        """What was being sent when the process before us ended: its outcome is unknown."""
        left = await self._patiently(self._store.entries, state="sending")
        if left:
            now_us = self._now_us()
            await self._patiently(self._store.settle, [lost(entry, now_us, self._policy) for entry in left])
            log.info("outbox.recovered", count=len(left))
        await self._patiently(self._store.set_meta, Troubles.KEY, None)

    async def _send_due(self, now: float, now_us: int) -> None:
        limit = (1 if self._gate.one_at_a_time else _POSTS_AT_ONCE) - len(self._posting)
        closed = self._lanes.closed(now)
        if self._sender.one_lane:
            limit = 0 if closed else min(limit, 1)
        if limit <= 0 or now < self._gate.closed_until:
            return
        for due in await self._patiently(self._store.claim, now_us, busy=list(closed), limit=limit):
            log.debug("outbox.claimed", id=due.entry.id, channel=due.entry.channel)
            self._lanes.take("" if self._sender.one_lane else due.entry.channel, due.entry.id, now)
            self._start(self._posting, due.entry.id, self._send(due))

    async def _look_due(self, now: float, now_us: int) -> None:
        limit = _LOOKS_AT_ONCE - len(self._looking)
        if limit <= 0 or now < self._looks_closed_until:
            return
        for due in await self._patiently(self._store.lookups, now_us, busy=list(self._looking), limit=limit):
            self._start(self._looking, due.entry.id, self._look(due))

    def _start(self, among: dict[str, asyncio.Task[None]], name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        among[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            del among[name]
            self._lanes.free(name)
            if not task.cancelled() and task.exception() is not None:
                self._fatal = task.exception()
            self._woken.set()

        task.add_done_callback(ended)

    async def _send(self, due: Due) -> None:
        entry = due.entry
        if unfit := self._sender.unfit(due):
            await self._settle(refused(entry, unfit, self._now_us()))
            return
        error: SlackError | None = None
        try:
            place = await self._sender.send(due)
        except SlackError as exc:
            error = exc
            log.debug("slack.failed", id=entry.id, said=str(exc), code=exc.code)
        except Exception:
            error = SlackUnknownOutcome("alertbot failed while it sent this", answered=False)
            log.exception("slack.failed", id=entry.id)
        else:
            log.debug("slack.posted", id=entry.id)
        now_us = self._now_us()
        after = failed(entry, error, now_us, self._policy) if error else stands(entry, place, now_us)
        self._gate.answered(error, self._clock())
        await self._settle(after)
        if self.troubles.saw(entry, after, error, now_us):
            await self._patiently(self._store.set_meta, Troubles.KEY, self.troubles.note())

    async def _look(self, due: Due) -> None:
        entry, asked_us = due.entry, self._now_us()
        since = from_us(entry.created_us) - _LOOK_BACK
        try:
            found = await self._sender.find(due, since=since)
        except SlackError as error:
            log.debug("slack.look_failed", id=entry.id, said=str(error), code=error.code)
            self._look_answered(error)
            after = look_failed(entry, error, self._now_us(), self._policy)
        except Exception:
            log.exception("slack.look_failed", id=entry.id)
            after = look_failed(entry, SlackNotNow("alertbot failed while it looked"), self._now_us(), self._policy)
        else:
            log.debug("slack.looked", id=entry.id, found=found is not None)
            after = looked(entry, found, asked_us, self._policy)
        await self._settle(after)

    def _look_answered(self, error: SlackError) -> None:
        if isinstance(error, SlackWait):
            self._looks_closed_until = self._clock() + error.retry_after.total_seconds()

    async def _settle(self, entry: OutboxEntry) -> None:
        await self._patiently(self._store.settle, [entry])
        log.debug("outbox.settled", id=entry.id, state=entry.state)

    async def _patiently(self, function: Callable[..., T], *args: object, **named: object) -> T:
        """A call to the store, again and again while its disk is full or it is locked: what is known must be written down."""
        store_is_ill = retry_if_exception(
            lambda exc: isinstance(exc, StoreError) and not isinstance(exc, StoreBusy | LostOwnership)
        )
        retrying = AsyncRetrying(
            retry=store_is_ill,
            wait=wait_exponential(0.1, max=5),
            stop=lambda _: self._stopping.is_set(),
            sleep=self._nap,
            before_sleep=_say_once,
            reraise=True,
        )
        return await retrying(self._in_store, function, *args, **named)

    async def _nap(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _rest(self, now: float, now_us: int) -> None:
        """Until there is something to do that there was not at that moment: an entry is new or its time has come, a lane or
        the gate is open, an answer is there.
        """
        if self._woken.is_set():
            return
        next_us = await self._patiently(self._store.next_due_us, now_us)
        moments = [now + _LONGEST_REST.total_seconds(), *self._lanes.closed(now).values()]
        moments += [until for until in (self._gate.closed_until, self._looks_closed_until) if until > now]
        if next_us is not None:
            moments.append(now + (next_us - now_us) / 1e6)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(moments) - self._clock()):
                await self._woken.wait()

    async def _finish(self) -> None:
        """A look can be broken off; a post is given a moment, else its outcome is unknown to the next run."""
        for task in self._looking.values():
            task.cancel()
        try:
            if self._posting:
                await asyncio.wait(list(self._posting.values()), timeout=_GRACE.total_seconds())
        finally:
            left = [*self._posting.values(), *self._looking.values()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def _say_once(attempt: RetryCallState) -> None:
    if attempt.attempt_number == 1 and attempt.outcome is not None:
        log.error("store.failed", said=str(attempt.outcome.exception()))
