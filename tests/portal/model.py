"""A portal in memory behind httpx, with every quirk that matters for reading, and a store that counts what it was given."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx

from alertbot.event import Feed
from alertbot.moments import from_us, span_us, to_us
from alertbot.portal.client import PortalClient
from alertbot.portal.cursor import doubtful
from alertbot.portal.history import Batch, HistoryReader, Note
from alertbot.portal.ranges import Range
from alertbot.settings import PortalSettings

START = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
SECOND = 1_000_000


class Dead(Exception):
    """The process was killed."""


class MemoryPortal:
    """Rows with the moment from which each is shown; a clock that stands until it is moved."""

    def __init__(self, seed: int = 0) -> None:
        self.now_us = to_us(START)
        self.rows: dict[int, tuple[int, int]] = {}
        self.deleted: set[int] = set()
        self.chance = random.Random(seed)
        self.faults: list[str | None] = []
        self.asked: list[dict[str, str]] = []
        self.no_plan = False
        self.lifetime_days = 180
        self.skew = timedelta()
        self.arriving: Callable[[], None] = lambda: None
        self._next = 1

    def add(self, at_us: int, shown_us: int | None = None) -> int:
        """Record an event; without `shown_us` it is shown from now on."""
        row_id, self._next = self._next, self._next + 1
        self.rows[row_id] = (at_us, self.now_us if shown_us is None else shown_us)
        return row_id

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now_us += int(seconds * SECOND)

    def shown(self) -> list[tuple[int, int]]:
        """What is shown now: id and date, newest first, in another order within a second each time."""
        oldest = self.now_us - self.lifetime_days * 86_400 * SECOND
        rows = [(row_id, at) for row_id, (at, shown) in self.rows.items() if shown <= self.now_us and at >= oldest]
        self.chance.shuffle(rows)
        return sorted(rows, key=lambda row: -row[1])

    def transport(self) -> httpx.MockTransport:
        """What httpx speaks to."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.asked.append(query)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "time-out":
            raise httpx.ReadTimeout("slow")
        if fault == "reset":
            raise httpx.ReadError("reset")
        if fault == "dead":
            raise Dead
        if fault is not None and fault.isdecimal():
            return httpx.Response(int(fault), headers={"Retry-After": "1"})
        if request.url.path.endswith("/lifetime"):
            return self._envelope({"loginHistoryLifeTime": self.lifetime_days, "auditTrailLifeTime": 2 * self.lifetime_days})
        body = self._rows(request.url.path, query)
        self.arriving()
        if fault in ("cut", "html", "empty"):
            return httpx.Response(200, content={"cut": body.content[:-9], "html": b"<html>", "empty": b""}[fault])
        return body

    def _rows(self, path: str, query: dict[str, str]) -> httpx.Response:
        rows = self.shown()
        if path.endswith("/last") or self.no_plan:
            return self._envelope([self._row(*row) for row in rows[:20]])
        start, count = int(query["startIndex"]), int(query["count"])
        assert 1 <= count <= 100
        since = to_us(datetime.fromisoformat(query["from"])) if "from" in query else 0
        return self._envelope([self._row(*row) for row in rows[start : start + count] if row[1] >= since])

    def _row(self, row_id: int, at_us: int) -> dict[str, object]:
        date = from_us(at_us).isoformat(timespec="microseconds").replace("+00:00", "0Z")
        return {"id": row_id, "date": date, "actionId": 1002, "login": f"u{row_id}"}

    def _envelope(self, response: object) -> httpx.Response:
        date = format_datetime(from_us(self.now_us) + self.skew, usegmt=True)
        body = json.dumps({"response": response, "status": 0, "statusCode": 200})
        return httpx.Response(200, content=body.encode(), headers={"Date": date})


class MemoryStore:
    """What was committed: events with how often each came, and covered ranges."""

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()
        self.at: dict[int, int] = {}
        self.coverage: tuple[Range, ...] = ()
        self.notes: list[Note] = []

    def commit(self, batch: Batch) -> None:
        """All of a batch."""
        self.times.update(event.id for event in batch.events)
        self.at |= {event.id: event.at_us for event in batch.events}
        self.coverage = batch.coverage
        self.notes += batch.notes


class Bot:
    """A reader over a portal and a store; it can be killed and started again."""

    def __init__(
        self, portal: MemoryPortal, store: MemoryStore | None = None, feed: Feed = "login", **settings: object
    ) -> None:
        self.portal = portal
        self.feed: Feed = feed
        self.store = store or MemoryStore()
        self.settings = PortalSettings.model_validate({"url": "https://portal.example", "api_key": "k", **settings})
        self.passed = 0.0
        self.start()

    def start(self) -> None:
        """A new process: a reader that knows only the store."""
        ranges = self.store.coverage
        parts = doubtful(ranges, max(self.store.at.values(), default=None), span_us(self.settings.lateness))
        known = [(row_id, at) for row_id, at in self.store.at.items() if any(at in part for part in parts)]
        http = httpx.AsyncClient(transport=self.portal.transport())
        client = PortalClient(
            self.settings, http, patience=timedelta(seconds=2), sleep=_at_once, clock=lambda: from_us(self.portal.now_us)
        )
        self.reader = HistoryReader(client, self.settings, self.feed, ranges, known, monotonic=lambda: self.passed)

    async def poll(self, *, lose: Sequence[int] = (), die_after: int | None = None) -> list[Batch]:
        """One poll; batches whose number is in `lose` fail to be committed, after `die_after` the process is killed."""
        batches: list[Batch] = []
        async for batch in self.reader.read():
            if len(batches) in lose:
                break
            batches.append(batch)
            self.store.commit(batch)
            if die_after is not None and len(batches) > die_after:
                raise Dead
            self.reader.stored(batch)
        return batches

    async def settle(self) -> None:
        """Quiet: no faults, time enough for everything to be shown and for the deep reads."""
        self.portal.faults.clear()
        self.portal.arriving = lambda: None
        for _ in range(3):
            self.portal.move(70)
            self.passed += 70
            await self.poll()


async def _at_once(seconds: float) -> None:
    """A pause that takes no time."""
