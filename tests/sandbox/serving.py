"""A served portal and a client that holds its key, for the tests of the sandbox portal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
LAST = "/api/2.0/security/audit/login/last"
FILTER = "/api/2.0/security/audit/login/filter"


def portal(**held: Any) -> SandboxPortal:
    """A portal whose clock stands at NOW."""
    return SandboxPortal(SandboxClock(NOW, running=False), **held)


def failures(count: int, *, at: datetime = NOW, every: timedelta = timedelta(seconds=1)) -> list[dict[str, Any]]:
    """Failures of one account, the last one at `at`."""
    first = at - (count - 1) * every
    return [
        {"date": (first + number * every).isoformat(), "actionId": 1002, "login": "anna@example.com"} for number in range(count)
    ]


@asynccontextmanager
async def client_of(sandbox: SandboxPortal) -> AsyncIterator[httpx.AsyncClient]:
    """The portal served, and a client that sends its key."""
    async with Server(sandbox):
        headers = {"Authorization": f"Bearer {sandbox.key.token}"}
        async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, timeout=5) as client:
            yield client


async def rows_of(client: httpx.AsyncClient, path: str = FILTER, **query: Any) -> list[dict[str, Any]]:
    """The rows of one answer."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["response"]
    return rows
