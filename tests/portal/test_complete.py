"""Completeness as a property: the real reader, engine and store over HTTP against the sandbox portal, whatever happens.

Both feeds are read, one beside the other, with rules that look at one or at both.

Rows appear in any order and with any delay, many in one second, more than a page holds, while pages are being read; any request
fails in any way; the process dies at any request and at any step of the store, and commits fail. When all is quiet, each event
that the portal showed is stored once, and the findings are those of one clean pass.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from alertbot.commit import Committer
from alertbot.errors import PortalError, StoreError
from alertbot.event import FEEDS, GUEST_ID, Event, Feed
from alertbot.finding import Finding
from alertbot.portal.client import PortalClient
from alertbot.rules.load import load_rules
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.envelope import Dialect
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.sandbox.holdings import Settings
from alertbot.sandbox.intake import parse_member
from alertbot.sandbox.limits import Limits
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings
from alertbot.store.store import Store
from alertbot.tell import Outlet
from alertbot.watch import PortalWatch
from tests.endtoend.world import ANNA, BEN, FAILURE, RULES, SUCCESS

START = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
FIRST_SEEN = """
---
title: First login from a new address
name: new-address
detection:
  entered: {outcome: success}
first_seen: {of: ip, learn: 0s}
---
title: Many rooms deleted
name: rooms-gone
logsource: {service: audit}
detection:
  gone: {event: RoomDeleted}
burst: {count: 3, within: 10m}
---
title: A new address, then an export
name: exported
detection:
  export: {feed: audit, event: FolderDownloaded}
sequence:
  within: 30m
  steps:
    - {match: rule:new-address}
    - {match: export}
---
title: First seen in whatever somebody does
name: new-anywhere
detection:
  any: {feed: [login, audit]}
first_seen: {of: ip, learn: 0s}
"""
ROOM_DELETED, FOLDER_DOWNLOADED = 5074, 5057
QUICKLY = httpx.Timeout(0.5)
SPREAD_S = 90
"""What comes together is dated within so much time: with the longest delay it is not later than `lateness` allows for."""

PER_REQUEST_S = 0.2
"""So much time passes with every request, so that rows appear between the pages of a poll."""


class Dead(BaseException):
    """The process was killed."""


class Bot:
    """What of a process outlives it, a store, and the watch of the process that runs now."""

    def __init__(self, office: Office, name: str) -> None:
        self._office = office
        self._url = f"sqlite:///{office.folder}/{name}.db"
        shutil.copy(office.folder / "empty.db", office.folder / f"{name}.db")
        self.fate: Callable[[str], None] = lambda _: None

    async def start(self) -> None:
        """A new process: it knows what is stored."""
        self.store = Store.open(self._url, write=True)
        office, portal = self._office, self._office.settings
        outlet = Outlet(portal="main", channel="#security", zone=ZoneInfo("UTC"), portal_url=portal.url)
        committer = Committer(
            self.store, self._in_store, outlet, old_news=timedelta(hours=1), clock=lambda: office.portal.clock.now_us()
        )
        self._http = httpx.AsyncClient(timeout=QUICKLY, event_hooks={"request": [self._asks]}, trust_env=False)
        client = PortalClient(portal, self._http, patience=timedelta(seconds=2), sleep=_at_once, clock=office.portal.clock.now)
        self.watch = PortalWatch(
            portal, office.rules, client, self.store, self._in_store, committer, monotonic=lambda: office.passed
        )
        await self.watch.open()

    async def end(self) -> None:
        """The process is gone, with all that it knew."""
        await self.watch.close()
        await self._http.aclose()
        self.store.close()

    async def restart(self) -> None:
        """It is gone, and another one begins."""
        await self.end()
        await self.start()

    async def poll(self, fate: Callable[[str], None] = lambda _: None, feeds: Sequence[Feed] = FEEDS) -> None:
        """One poll of feeds, to its end or to the end of the process; `fate` is asked at every step."""
        self.fate = fate
        failed: list[Exception] = []
        try:
            for feed in feeds:
                try:
                    await self.watch.poll(feed)
                except (PortalError, StoreError) as error:
                    failed.append(error)
            if failed:
                raise failed[0]
        except Dead:
            await self.restart()
        finally:
            self.fate = lambda _: None

    async def settle(self) -> None:
        """Quiet polls, until all that is stored was evaluated in order."""
        for _ in range(3):
            self._office.move(70)
            await self.poll()
        async with asyncio.timeout(20):
            await self.watch.ready.wait()
            while not self._is_in_order():  # noqa: ASYNC110 -- a store has no event to wait for
                await asyncio.sleep(0)

    def _is_in_order(self) -> bool:
        state, newest_us = self.store.portal("main"), self.store.newest_us("main") or 0
        return state.rebuild_from_us is None and (state.evaluated_to_us or 0) >= newest_us

    async def _asks(self, _request: httpx.Request) -> None:
        self.fate("request")

    async def _in_store(self, function: Callable[..., Any], *args: object, **named: object) -> Any:
        writes = function.__name__ == "commit_poll"
        if writes:
            self.fate("before a commit")
        result = function(*args, **named)
        if writes:
            self.fate("after a commit")
        return result

    def kept(self) -> tuple[list[Event], dict[str, Finding]]:
        """All events, and the findings that stand."""
        return list(self.store.events("main")), {one.finding.id: one.finding for one in self.store.findings("main")}


class Office:
    """A portal that is served, and the bot that reads it."""

    def __init__(self, folder: Path, seed: int, dialect: Dialect) -> None:
        self.folder = folder
        self.passed = 0.0
        self.chance = random.Random(seed)
        self.rules = _rules(folder)
        limits = Limits(requests=10**9, at_once=10**9)
        clock = SandboxClock(START, real=lambda: self.passed + PER_REQUEST_S * self._asked())
        self.portal = SandboxPortal(
            clock,
            people=[parse_member(ANNA), parse_member(BEN)],
            settings=Settings(limits=limits, dialect=dialect),
            zone=ZoneInfo("Europe/Berlin"),
            seed=seed,
        )
        self.server = Server(self.portal)
        self.bot = Bot(self, "bot")

    def _asked(self) -> int:
        return self.portal.asked if hasattr(self, "portal") else 0

    async def open(self) -> None:
        url = await self.server.start()
        self.settings = PortalSettings.model_validate(
            {"url": url, "api_key": self.portal.key.token, "poll": "10s", "history": "60d", "lateness": "5m"}
        )
        self.events(130, every_s=40, delays_s=[0])
        self.actions(40, every_s=100, delays_s=[0])
        await self.bot.start()

    async def close(self) -> None:
        await self.bot.end()
        await self.server.stop()

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds

    def events(self, number: int, *, every_s: float, delays_s: list[int]) -> None:
        """Logins and failures, the last one now, each shown so long after its date."""
        now = self.portal.clock.now()
        for place in range(number):
            date = now - timedelta(seconds=every_s * place % SPREAD_S)
            person = self.chance.choice(["anna@example.com", "BEN@example.com", "eve@evil.example"])
            is_failure = person.startswith("eve") or self.chance.random() < 0.7
            row = {
                "date": date.isoformat(),
                "login": person,
                "actionId": FAILURE if is_failure else SUCCESS,
                "ip": f"203.0.113.{self.chance.randrange(4)}",
            }
            self.portal.add(row, delay=timedelta(seconds=self.chance.choice(delays_s)) + (now - date))

    def actions(self, number: int, *, every_s: float, delays_s: list[int]) -> None:
        """What people do in the portal, the last of it now, each shown so long after its date."""
        now = self.portal.clock.now()
        for place in range(number):
            date = now - timedelta(seconds=every_s * place % SPREAD_S)
            row = {
                "date": date.isoformat(),
                "userId": self.chance.choice(["u-anna", "u-ben", "u-gone", GUEST_ID]),
                "actionId": self.chance.choice([ROOM_DELETED, FOLDER_DOWNLOADED]),
                "ip": f"203.0.113.{self.chance.randrange(4)}",
                "target": f"room-{place}",
            }
            self.portal.add(row, "audit", delay=timedelta(seconds=self.chance.choice(delays_s)) + (now - date))

    async def judge(self) -> None:
        """All is quiet: what is stored is what the portal showed, and what was found is what a clean pass finds."""
        self.portal.faults.clear()
        self.move(240)
        await self.bot.settle()
        events, findings = self.bot.kept()
        await self.bot.restart()
        await self.bot.settle()
        assert (events, findings) == self.bot.kept(), "a restart finds otherwise"
        shown = Counter((feed, row.id) for feed in FEEDS for row in self.portal.shown(feed))
        assert Counter((event.feed, event.id) for event in events) == shown
        assert self.bot.store.gaps() == []
        openings = Counter(entry.incident for entry in self.bot.store.entries() if entry.kind == "opening")
        assert max(openings.values(), default=1) == 1
        clean = Bot(self, "clean")
        await clean.start()
        try:
            await clean.settle()
            expected_events, expected = clean.kept()
        finally:
            await clean.end()
        assert events == expected_events
        assert findings == expected
        assert findings


def _rules(folder: Path) -> Any:
    path = folder / "rules.yml"
    path.write_text(RULES + FIRST_SEEN, encoding="utf-8")
    return load_rules([path]).rules


async def _at_once(_seconds: float) -> None:
    """A pause that takes no time."""


def dying(where: str, number: int) -> Callable[[str], None]:
    """Death at the n-th time that the process is there."""
    times = count(1)

    def fate(step: str) -> None:
        if step == where and next(times) == number:
            raise Dead

    return fate


def failing(number: int) -> Callable[[str], None]:
    """The n-th commit fails."""
    times = count(1)

    def fate(step: str) -> None:
        if step == "before a commit" and next(times) == number:
            raise StoreError("The disk is full.")

    return fate


KINDS = [
    Fault(kind=FaultKind.HANG),
    Fault(kind=FaultKind.CUT),
    Fault(kind=FaultKind.BROKEN),
    Fault(kind=FaultKind.HTML),
    Fault(kind=FaultKind.HTML, status=502),
    Fault(kind=FaultKind.EMPTY),
    Fault(kind=FaultKind.RESET),
    Fault(kind=FaultKind.BUSY, seconds=1),
    Fault(kind=FaultKind.BUSY, seconds=60),
    Fault(kind=FaultKind.BUSY_DATE, seconds=2),
    Fault(kind=FaultKind.STATUS, status=500),
    Fault(kind=FaultKind.STATUS, status=503),
    Fault(kind=FaultKind.STATUS, status=401),
]
PATHS = ["", "/login/filter", "/events/filter", "startIndex=0", "/people"]
ORDERS = st.sampled_from([("login", "audit"), ("audit", "login"), ("login",), ("audit",)])


class Reading(RuleBasedStateMachine):
    """What may happen between a portal and the bot, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="alertbot-"))
        shutil.copy(_EMPTY[0], self.folder / "empty.db")
        self.office: Office | None = None

    @initialize(seed=st.integers(0, 2**32), dates=st.sampled_from(["text", "object"]), names=st.booleans())
    def open(self, seed: int, dates: Any, names: bool) -> None:
        random.seed(seed)  # the pauses between tries
        dialect = Dialect(dates=dates, actions="name" if names else "number", ip_field="iP" if names else "ip")
        self.office = Office(self.folder, seed, dialect)
        self.runner.run(self.office.open())

    def _do(self, doing: Any) -> None:
        async def tried() -> None:
            with suppress(PortalError, StoreError):
                await doing

        self.runner.run(tried())

    @rule(seconds=st.sampled_from([0.3, 1, 9, 10, 61, 240, 1_000, 20_000]))
    def time_passes(self, seconds: float) -> None:
        self.office.move(seconds)

    @rule(
        number=st.integers(1, 40),
        every_s=st.sampled_from([0, 0.15, 1, 20]),
        delays_s=st.lists(st.sampled_from([0, 1, 2, 5, 30, 200]), min_size=1, max_size=4),
    )
    def events_come(self, number: int, every_s: float, delays_s: list[int]) -> None:
        self.office.events(number, every_s=every_s, delays_s=delays_s)

    @rule(
        number=st.sampled_from([1, 5, 30, 120]),
        every_s=st.sampled_from([0, 0.15, 1, 20]),
        delays_s=st.lists(st.sampled_from([0, 1, 5, 30, 60, 200]), min_size=1, max_size=4),
    )
    def people_act(self, number: int, every_s: float, delays_s: list[int]) -> None:
        self.office.actions(number, every_s=every_s, delays_s=delays_s)

    @rule(number=st.sampled_from([99, 101, 140, 230]), delays_s=st.sampled_from([[0], [0, 1, 3], [2], [30]]))
    def many_come_in_one_second(self, number: int, delays_s: list[int]) -> None:
        self.office.events(number, every_s=0, delays_s=delays_s)

    @rule(
        kind=st.sampled_from(KINDS),
        path=st.sampled_from(PATHS),
        skip=st.integers(0, 4),
        times=st.sampled_from([1, 1, 2, 5]),
    )
    def requests_will_fail(self, kind: Fault, path: str, skip: int, times: int) -> None:
        fault = Fault(kind=kind.kind, status=kind.status, seconds=kind.seconds, path=path, skip=skip, times=times)
        self.office.portal.faults.add(fault)

    @rule(seconds=st.sampled_from([1, 10, 61]), feeds=ORDERS)
    def it_polls(self, seconds: float, feeds: Sequence[Feed]) -> None:
        self.office.move(seconds)
        self._do(self.office.bot.poll(feeds=feeds))

    @rule(where=st.sampled_from(["request", "before a commit", "after a commit"]), number=st.integers(1, 4), feeds=ORDERS)
    def it_dies(self, where: str, number: int, feeds: Sequence[Feed]) -> None:
        self._do(self.office.bot.poll(dying(where, number), feeds))

    @rule(number=st.integers(1, 3), feeds=ORDERS)
    def a_commit_fails(self, number: int, feeds: Sequence[Feed]) -> None:
        self._do(self.office.bot.poll(failing(number), feeds))

    @rule()
    def it_starts_again(self) -> None:
        self._do(self.office.bot.restart())

    def teardown(self) -> None:
        try:
            if self.office is not None:
                self.runner.run(self.office.judge())
        finally:
            if self.office is not None:
                self.runner.run(self.office.close())
            self.runner.close()
            shutil.rmtree(self.folder)


_EMPTY: list[Path] = []


@pytest.fixture(autouse=True, scope="module")
def _empty_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A store with nothing in it, made once."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    Store.open(f"sqlite:///{path}", write=True).close()
    _EMPTY.append(path)


TestReading = Reading.TestCase
TestReading.settings = settings(
    max_examples=6, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
