"""A watch over one portal in this process: a served portal, a store, and what a poll leaves there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from alertbot.commit import Committer
from alertbot.portal.client import PortalClient
from alertbot.rules.model import Burst, Rule
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings
from alertbot.store.store import Store
from alertbot.tell import Outlet
from alertbot.watch import PortalWatch
from tests.engine.build import MINUTE, rule
from tests.sandbox.serving import NOW

PATIENCE = 10.0


class InStore:
    """Runs what speaks to the store; `hold` keeps a successor from its second slice of the past until `go_on`."""

    def __init__(self) -> None:
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self._slices = 0
        self._held = asyncio.Event()

    async def __call__(self, function: Callable[..., Any], *args: object, **named: object) -> Any:
        await asyncio.sleep(0)
        if function.__name__ == "newest_us":
            self._slices = 0
        if function.__name__ == "_slice":
            self._slices += 1
            if self._slices == 2:
                self._held.set()
                await self._may_go_on.wait()
        return function(*args, **named)

    def hold(self) -> None:
        """Hold the next successor that is built."""
        self._held.clear()
        self._may_go_on.clear()

    async def is_held(self) -> None:
        """Wait until one is in the middle of the past."""
        await asyncio.wait_for(self._held.wait(), PATIENCE)

    def go_on(self) -> None:
        """Let it go on."""
        self._may_go_on.set()


@asynccontextmanager
async def watched(
    store: Store, served: SandboxPortal, rules: Sequence[Rule], *, in_store: InStore | None = None, **more: Any
) -> AsyncIterator[PortalWatch]:
    """A watch that has not polled yet."""
    in_store = in_store or InStore()
    async with Server(served), httpx.AsyncClient() as http:
        settings = PortalSettings(name="main", url=served.url, api_key=SecretStr(served.key.token))
        outlet = Outlet(portal="main", channel="#security", zone=ZoneInfo("UTC"), portal_url=served.url)
        committer = Committer(store, in_store, outlet, old_news=timedelta(hours=1), clock=lambda: time.time_ns() // 1_000)
        client = PortalClient(settings, http)
        watch = PortalWatch(settings, rules, client, store, in_store, committer, **more)
        await watch.open()
        yield watch
        in_store.go_on()
        await watch.close()


@asynccontextmanager
async def watching(
    store: Store, served: SandboxPortal, rules: Sequence[Rule] = (rule(Burst(3, 10 * MINUTE)),), **more: Any
) -> AsyncIterator[PortalWatch]:
    """A watch that has polled once and evaluated what it read."""
    async with watched(store, served, rules, **more) as watch:
        await watch.poll()
        async with asyncio.timeout(PATIENCE):
            await watch.ready.wait()
        yield watch


async def until(reached: Callable[[], bool]) -> None:
    """Wait for something that leaves a trace in the store."""
    async with asyncio.timeout(PATIENCE):
        while not reached():  # noqa: ASYNC110 -- a store has no event to wait for
            await asyncio.sleep(0.005)


def fail(served: SandboxPortal, login: str, *ago_s: float, now: datetime = NOW) -> None:
    """Failed logins so many seconds ago, shown now; a negative number is a date to come."""
    for ago in ago_s:
        row = {"login": login, "actionId": 1002, "date": (now - timedelta(seconds=ago)).isoformat()}
        served.add(row, delay=timedelta(seconds=ago))


def told(store: Store) -> list[str]:
    """Whom new messages are about, in their order."""
    return [entry.message.text.split(" · ")[2] for entry in store.entries() if entry.kind == "opening"]
