"""A portal and a Slack in the test's own process, and real `alertbot run`s between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml

from alertbot.engine import Engine
from alertbot.event import FEEDS, Event, EventRef, event_ref
from alertbot.finding import Finding
from alertbot.incidents import Incident
from alertbot.outbox import OutboxEntry
from alertbot.rules.load import load_rules
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.intake import parse_member
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Sandbox
from alertbot.sandbox.slack_workspace import Posted
from alertbot.store.store import Store

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds until a test gives up waiting; far more than anything takes, for machines that do much else."""

SUCCESS, FAILURE = 1029, 1002
ANNA = {"id": "u-anna", "email": "Anna@example.com", "displayName": "Anna Berg", "status": 1, "isAdmin": True}
BEN = {"id": "u-ben", "email": "ben@example.com", "displayName": "Ben Okafor", "status": 1, "isAdmin": False}

RULES = """
title: Password guessing
name: guessing
level: high
detection:
  failed: {outcome: failure}
burst: {count: 3, within: 10m}
respond: Call {name}.
---
title: One address tries many accounts
name: spray
level: medium
detection:
  failed: {outcome: failure}
distinct: {of: account, count: 5, within: 10m}
by: ip
---
title: Failures, then a login
name: broke-in
level: critical
detection:
  failed: {outcome: failure}
  entered: {outcome: success}
sequence:
  within: 10m
  steps:
    - {match: failed, count: 3}
    - {match: entered}
"""


class World:
    """What a test looks into: the sandbox, the folder that `alertbot` works in, and its processes."""

    def __init__(self, sandbox: Sandbox, folder: Path, store: str) -> None:
        self.sandbox = sandbox
        self.portal = sandbox.portal
        self.slack = sandbox.slack
        self.folder = folder
        self.store_url = store
        self.environment = sandbox.environment()
        self.processes: list[Process] = []

    # -- the program ---------------------------------------------------------------------------------------------------

    def configure(self, **changes: Any) -> None:
        """Write `alertbot.yaml`: one portal, polled each second; `portal` and other keys change it."""
        portal = {
            "url": "${DOCSPACE_URL}",
            "api_key": "${DOCSPACE_API_KEY}",
            "poll": "1s",
            **changes.pop("portal", {}),
        }
        configuration = {"portals": [portal], "rules": ["rules"], "store": self.store_url, **changes}
        (self.folder / "alertbot.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def write_rules(self, text: str) -> None:
        """Write the one rule file that there is."""
        (self.folder / "rules").mkdir(exist_ok=True)
        (self.folder / "rules" / "rules.yml").write_text(text, encoding="utf-8")

    def use_key_file(self) -> None:
        """Configure the portal's key as a file."""
        (self.folder / "key").write_text(self.portal.key.token + "\n", encoding="utf-8")
        self.configure(portal={"api_key": "${file:key}"})

    def rotate_key(self, token: str) -> None:
        """Put another key in the portal and the file, and revoke the one before it."""
        old = self.portal.key
        self.portal.put_key(msgspec.structs.replace(old, token=token))
        (self.folder / "key").write_text(token + "\n", encoding="utf-8")
        self.portal.drop_key(old.token)

    async def start(self, *, death: tuple[str, int] | None = None, arguments: Sequence[str] = ("run",)) -> Process:
        """Start the program in the folder; `death` is the step at which it kills itself, and at which time."""
        module = ["alertbot"] if death is None else ["tests.endtoend.dying", death[0], str(death[1])]
        kept = {name: value for name in ("PATH", "HOME", "TMPDIR", "LANG") if (value := os.environ.get(name))}
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *module, *arguments),
                cwd=self.folder,
                env={**kept, "PYTHONPATH": str(ROOT), **self.environment},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def kill(self, process: Process) -> None:
        """`kill -9`."""
        process.kill()
        assert await ended(process) == -signal.SIGKILL, self.log

    async def stop(self, process: Process) -> float:
        """SIGTERM: it ends with 0 within five seconds; in how many."""
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = await ended(process)
        took = time.monotonic() - began
        assert (code, took < 5) == (0, True), f"{code} after {took:.1f} s\n{self.log}"
        assert "Traceback" not in self.log, self.log
        assert "never retrieved" not in self.log, self.log
        return took

    @property
    def log(self) -> str:
        """All that the program has written."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def logged(self, step: str) -> list[dict[str, Any]]:
        """The lines of a step that reached the log."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == step]

    # -- the portal ----------------------------------------------------------------------------------------------------

    def fail(self, login: str, times: int = 1, *, ip: str = "203.0.113.7", ago: float = 0.0) -> None:
        """Failed logins of one moment, `ago` seconds before now."""
        self._add(times, ago, login=login, actionId=FAILURE, ip=ip, country="Germany", city="Berlin")

    def enter(
        self, login: str, times: int = 1, *, ip: str = "198.51.100.1", country: str = "Germany", ago: float = 0.0
    ) -> None:
        """Logins of a person of the directory."""
        self._add(times, ago, login=login, actionId=SUCCESS, ip=ip, country=country, city="")

    def act(self, who: str, action: str, target: str = "", *, ago: float = 0.0, delay: timedelta | None = None) -> None:
        """What somebody of the directory does in the portal, by the server's name of it; shown `delay` after its date."""
        date = (self.portal.clock.now() - timedelta(seconds=ago)).isoformat()
        row = {"userId": who, "actionId": action, "date": date, "action": f"{action}: {target}", "target": target}
        self.portal.add({**row, "ip": "198.51.100.1", "country": "Germany"}, "audit", delay=delay)

    def _add(self, times: int, ago: float, **row: Any) -> None:
        date = (self.portal.clock.now() - timedelta(seconds=ago)).isoformat()
        for _ in range(times):
            self.portal.add({**row, "date": date})

    # -- Slack ---------------------------------------------------------------------------------------------------------

    def about(self, text: str) -> list[Posted]:
        """The messages that show a text, in Slack's order."""
        return [message for message in self.slack.messages if text in words(message)]

    async def told(self, text: str, times: int = 1) -> Posted:
        """Wait until so many messages show a text; the last of them."""
        await self.until(lambda: len(self.about(text)) >= times, f"nobody was told of {text!r}")
        return self.about(text)[-1]

    async def first_told(self) -> Posted:
        """Wait until the first message stands, and the list in its thread if there is to be one."""
        first = await self.told("alertbot now watches")
        if not first.webhook and "the list by rule is in the thread" in words(first):
            await self.until(lambda: bool(self.slack.space.replies(first.ts)), "there is no list in the thread")
        return first

    # -- the store -----------------------------------------------------------------------------------------------------

    def store(self) -> Store:
        """The store, to read."""
        return Store.open(self.store_url, write=False)

    def is_settled(self) -> bool:
        """Whether all that the portal shows is stored and evaluated, and all that was to be sent stands in Slack."""
        with self.store() as store:
            counts = store.counts()
            state = store.portal("main")
            newest_us = store.newest_us("main")
        stored = sum(count.count for count in counts.events)
        waiting = sum(number for name, number in counts.outbox.items() if name not in ("sent", "summed"))
        evaluated = state.evaluated_to_us is not None and newest_us is not None and state.evaluated_to_us >= newest_us
        in_order = state.rebuild_from_us is None
        return stored == len(self.shown) and evaluated and in_order and not waiting and bool(counts.outbox)

    @property
    def shown(self) -> list[EventRef]:
        """All rows that the portal shows, of both feeds."""
        return [event_ref(feed, row.id) for feed in FEEDS for row in self.portal.shown(feed)]

    async def settled(self) -> None:
        """Wait for `is_settled`."""
        await self.until(self.is_settled, "it does not settle")

    async def until(self, ready: Callable[[], bool], failure: str) -> None:
        """Look again and again until something is so, while the program that was started last runs."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            died = bool(self.processes) and self.processes[-1].returncode is not None
            assert not died, f"{failure}: it has ended\n{self.log}"
            assert "Traceback" not in self.log, self.log
            assert time.monotonic() < deadline, f"{failure}\n{self.log}"
            await asyncio.sleep(0.02)

    def count(self) -> Count:
        """What there is now, in the store and in Slack."""
        with self.store() as store:
            return Count(
                shown=Counter(self.shown),
                events=list(store.events("main")),
                findings=[stored.finding for stored in store.findings("main")],
                incidents=store.incidents(portal="main"),
                outbox=store.entries(),
                messages=list(self.slack.messages),
                watching_since_us=store.portal("main").watching_since_us,
                rules=self.folder / "rules",
            )


class Count:
    """Everything there is at the end, and what must agree."""

    def __init__(
        self,
        *,
        shown: Counter[EventRef],
        events: list[Event],
        findings: list[Finding],
        incidents: list[Incident],
        outbox: list[OutboxEntry],
        messages: list[Posted],
        watching_since_us: int | None,
        rules: Path,
    ) -> None:
        self.shown = shown
        self.events = events
        self.findings = findings
        self.incidents = incidents
        self.outbox = outbox
        self.messages = messages
        self.watching_since_us = watching_since_us
        self.rules = load_rules([rules]).rules

    def agrees(self, *, posts_once: bool = True) -> None:
        """Each event and each finding once, a place where each incident is told, a post for each message of the outbox."""
        assert Counter(event.ref for event in self.events) == self.shown
        expected = Engine(self.rules, "main", UTC).fold_all(self.events)
        assert {found.id: found for found in self.findings} == {found.id: found for found in expected}
        assert len(self.findings) == len(expected)
        openings = Counter(entry.incident for entry in self.outbox if entry.kind == "opening")
        assert max(openings.values(), default=1) == 1
        posts = Counter(entry.id for entry in self.outbox if entry.update_of is None and entry.state != "summed")
        for incident in self.incidents:
            assert not incident.stands_for_itself or (incident.message or incident.summary) in posts, incident
        kinds = Counter(entry.kind for entry in self.outbox)
        assert kinds["first_start"] == 1
        assert kinds["first_start_list"] <= 1
        assert {entry.state for entry in self.outbox} <= {"sent", "summed"}
        if posts_once:
            assert Counter(message.outbox_id for message in self.messages) == posts

    def accounts(self, rule: str) -> set[str]:
        """The accounts that incidents of a rule are about."""
        return {incident.key[0] for incident in self.incidents if incident.rule == rule}


@asynccontextmanager
async def world(folder: Path, *, rules: str = RULES, store: str | None = None, history: int = 0) -> AsyncIterator[World]:
    """A world with two people and so many logins of the last days; nothing runs yet. What still runs at the end is killed."""
    clock = SandboxClock(datetime.now(UTC))
    portal = SandboxPortal(clock, people=[parse_member(ANNA), parse_member(BEN)])
    async with Sandbox(portal) as sandbox:
        made = World(sandbox, folder, store or f"sqlite:///{folder}/alertbot.db")
        made.write_rules(rules)
        made.configure()
        for number in range(history):
            made.enter("ben@example.com", ago=3_600.0 + number * 60)
        try:
            yield made
        finally:
            for process in made.processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def ended(process: Process, *, patience: float = PATIENCE) -> int:
    """Wait for a process to end; its exit code."""
    async with asyncio.timeout(patience):
        return await process.wait()


def words(message: Posted) -> str:
    """All that a message shows."""
    return "\n".join([message.text, *_texts(message.blocks), *_texts(message.attachments)])


def block_words(message: Posted) -> str:
    """All that a message's blocks show, without its `text`."""
    return "\n".join([*_texts(message.blocks), *(t for bar in message.attachments for t in _texts(bar.get("blocks", [])))])


def _texts(part: Any) -> Iterable[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("text", "fallback", "value") and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
