"""When a successor is built: one at a time of a portal, a few at a time of all, and not more often than is needed.

In come two questions, whether one is wanted and whether at once; out go calls of `build`, until none is wanted. What the engine
at work does not know at all is built at once; what came too late for it shares one build a minute. One that fails is tried
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from alertbot.errors import StoreError

REBUILD_EVERY = timedelta(minutes=1)
TRY_AGAIN_EVERY = timedelta(seconds=5)

log = structlog.get_logger("alertbot.workshop")


class Workshop:
    """That of one portal. `room`: how many build at a time, of all portals that share it."""

    def __init__(
        self,
        portal: str,
        build: Callable[[], Awaitable[None]],
        is_wanted: Callable[[], bool],
        is_urgent: Callable[[], bool],
        *,
        room: asyncio.Semaphore,
        monotonic: Callable[[], float],
    ) -> None:
        self._portal = portal
        self._build = build
        self._is_wanted = is_wanted
        self._is_urgent = is_urgent
        self._room = room
        self._monotonic = monotonic
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._built_at = monotonic()
        self._pause = timedelta()

    def look(self) -> None:
        """Something has changed: begin if one is wanted now."""
        if not self._is_wanted():
            return
        if self._is_urgent():
            self._urgent.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._build_until_in_order(), name=f"build {self._portal}")

    async def close(self) -> None:
        """Stop what is being built; nothing of it is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _build_until_in_order(self) -> None:
        while self._is_wanted():
            await self._wait()
            self._urgent.clear()
            is_urgent, self._pause = self._is_urgent(), timedelta()
            try:
                async with self._room:
                    await self._build()
            except StoreError as exc:
                log.error("build.failed", portal=self._portal, error=str(exc))  # noqa: TRY400 -- a sentence for people
                self._pause = TRY_AGAIN_EVERY
            except Exception:
                log.exception("build.broken", portal=self._portal)
                self._pause = REBUILD_EVERY
            else:
                self._pause = self._pause if is_urgent else REBUILD_EVERY
            self._built_at = self._monotonic()

    async def _wait(self) -> None:
        left = self._built_at + self._pause.total_seconds() - self._monotonic()
        if left > 0 and not self._urgent.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), left)
