"""How long polls wait while events that came too late are put in order: `python -m benchmarks.rebuild [--events N]`.

A watch over one portal, as `alertbot run` has it, with an SQLite store, the ten rules, and a full tail of 20,000 events: the
engine that is built anew folds all events beside the one at work, and the two are exchanged between two polls. Polls are handed
to the watch as its reader would hand them, ten a second; told is by how much the slowest of them, while an engine was built and
exchanged, took longer than polls take without that. What counts is the CPU time that the process spent within a poll, whatever
for; by the clock on the wall, whatever else the machine has to do is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
import structlog

from alertbot.commit import Committer
from alertbot.event import Event
from alertbot.moments import from_us
from alertbot.portal.client import PortalClient
from alertbot.portal.history import Batch, Range
from alertbot.portal.people import Person
from alertbot.service import COLLECT_AFTER
from alertbot.settings import PortalSettings
from alertbot.store.records import PollCommit, PortalState, StoredPerson
from alertbot.store.store import Store
from alertbot.tell import Outlet
from alertbot.watch import PortalWatch
from benchmarks.engine import decoded, ten_rules
from benchmarks.events import PORTAL, bodies
from benchmarks.measure import Report

TAIL = 20_000
TAIL_US = 6_900_000_000
"""The last 20,000 events lie within less than two hours."""
DEEP_US = 5 * 3_600_000_000
PAUSE_S = 0.1
POLLS = 100


class Pages:
    """Hands polls to a watch in place of the reader of a portal: `shown` is what the next one brings."""

    interval = timedelta(seconds=1)
    plan: str | None = None

    def __init__(self, start_us: int, newest: Event) -> None:
        self.start_us = start_us
        self.newest = newest
        self.shown: list[Event] = []

    async def read(self) -> AsyncIterator[Batch]:
        """One poll, which is complete."""
        events, self.shown = tuple(self.shown), []
        end_us = self.newest.at_us
        yield Batch("login", events, (Range(self.start_us, end_us),), complete=True, portal_now=from_us(end_us))

    def stored(self, batch: Batch) -> None:
        """What was handed over is in the store."""

    def login(self) -> None:
        """The next poll brings one more login."""
        self.newest = msgspec.structs.replace(self.newest, id=self.newest.id + 1, at_us=self.newest.at_us + 1_000_000)
        self.shown.append(self.newest)

    def login_that_is_late(self) -> None:
        """The next poll brings one that lies before all that the engine can still put in order."""
        self.shown.append(msgspec.structs.replace(self.newest, id=1, at_us=self.newest.at_us - DEEP_US))


async def measure(report: Report, store: Store, stored: list[bytes]) -> None:
    """Polls without anything else, and while an engine is built."""
    thread = ThreadPoolExecutor(1)

    async def in_store(function: Callable[..., Any], *args: object, **named: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(thread, partial(function, *args, **named))

    settings = PortalSettings(name=PORTAL, url="https://bench.example.com", api_key="sk-of-nobody")  # type: ignore[arg-type]
    outlet = Outlet(portal=PORTAL, channel="#bench", zone=ZoneInfo("UTC"), portal_url=settings.url)
    committer = Committer(store, in_store, outlet, old_news=timedelta(hours=1), clock=lambda: time.time_ns() // 1_000)
    nobody = httpx.MockTransport(lambda _: httpx.Response(503))
    pages = Pages(*_fill(store, stored))
    async with httpx.AsyncClient(transport=nobody) as http:
        client = PortalClient(settings, http, patience=timedelta(0))
        watch = PortalWatch(settings, ten_rules(), client, store, in_store, committer)
        await watch.open()
        watch._feeds["login"].reader = pages  # type: ignore[assignment]
        await watch.poll()
        await watch.ready.wait()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        alone = [await _poll(watch, pages) for _ in range(POLLS)]
        pages.login_that_is_late()
        began = time.monotonic()
        beside = [await _poll(watch, pages)]
        while watch._state.rebuild_from_us is not None:
            beside.append(await _poll(watch, pages))
        built = time.monotonic() - began
        await watch.close()
    usual, usual_wall = (statistics.median(times) for times in zip(*alone, strict=True))
    slowest, slowest_wall = (max(times) for times in zip(*beside, strict=True))
    report.say(f"{len(stored):,} events in the store, {len(beside):,} polls while an engine was built in {built:.1f} s")
    report.figure("a poll with one login, half of them within (CPU)", usual * 1e3, "ms")
    report.figure("the slowest of them", max(alone)[0] * 1e3, "ms")
    report.figure("beside the building, half of them within", statistics.median(cpu for cpu, _ in beside) * 1e3, "ms")
    report.figure("by how much the building delayed the slowest", (slowest - usual) * 1e3, "ms", most=100)
    report.figure("the same by the clock on the wall, on this machine now", (slowest_wall - usual_wall) * 1e3, "ms")


async def _poll(watch: PortalWatch, pages: Pages) -> tuple[float, float]:
    """How long it took: CPU time, and by the clock on the wall."""
    await asyncio.sleep(PAUSE_S)
    pages.login()
    began, spent = time.monotonic(), time.process_time()
    await watch.poll()
    return time.process_time() - spent, time.monotonic() - began


def _fill(store: Store, stored: list[bytes]) -> tuple[int, Event]:
    """Put the events into the store as polls before have left them, the last ones crowded; their beginning, and the last."""
    events = list(decoded(stored[-TAIL:]))
    start_us = events[0].at_us
    crowd = [msgspec.structs.replace(e, at_us=start_us + n * TAIL_US // TAIL) for n, e in enumerate(events)]
    for start in range(0, len(stored) - TAIL, 10_000):
        batch = list(decoded(stored[start : min(start + 10_000, len(stored) - TAIL)]))
        store.commit_poll(PollCommit(state=PortalState(name=PORTAL), events=batch))
    first_us, newest = next(iter(decoded(stored))).at_us, crowd[-1]
    state = PortalState(name=PORTAL, watching_since_us=newest.at_us, evaluated_to_us=newest.at_us)
    body = msgspec.json.encode(Person(id="00000000-0000-4000-8000-000000000000", email="one@example.com"))
    people = [StoredPerson("00000000-0000-4000-8000-000000000000", body)]
    coverage: Any = {"login": [(first_us, newest.at_us)]}
    store.commit_poll(PollCommit(state=state, events=crowd, coverage=coverage, people=people))
    return first_us, newest


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    report = Report()
    stored = bodies(given.events)
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{Path(folder)}/bench.db", write=True) as store:
        asyncio.run(measure(report, store, stored))
    report.end()


if __name__ == "__main__":
    main()
