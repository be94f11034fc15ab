"""The demo: the real `alertbot run` between a sandbox portal and a sandbox Slack, killed in the middle, and counted at the end.

In come a portal that plays something and what is to be found there; out goes a verdict: every event that the portal showed is
stored once, the findings are those of one pass in order, and each message stands in Slack once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import yaml

from alertbot.engine import Engine
from alertbot.errors import AlertbotError
from alertbot.event import FEEDS, EventRef, event_ref, id_of
from alertbot.finding import Finding
from alertbot.rules.load import load_rules
from alertbot.sandbox.attack import Attack, Family
from alertbot.sandbox.server import Sandbox
from alertbot.sandbox.slack_workspace import Posted
from alertbot.store.records import Counts
from alertbot.store.store import Store

if TYPE_CHECKING:
    from asyncio.subprocess import Process

PORTAL = "main"
RESPONDER = "U024BE7LH"
"""Who may end sessions: the first of the sandbox Slack's people."""

POLL = timedelta(seconds=1)
START_WITHIN = timedelta(seconds=60)
SETTLE_WITHIN = timedelta(seconds=45)
STOP_WITHIN = timedelta(seconds=5)

RULE_OF: dict[Family, str] = {
    Family.ACCOUNT_GUESSING: "password-guessing",
    Family.ADDRESS_FAILURES: "failures-from-one-address",
    Family.SPRAY: "password-spraying",
    Family.FAILURES_THEN_SUCCESS: "guessed-password",
    Family.LOGIN_BURST: "login-burst",
    Family.ADMIN_OFF_HOURS: "admin-outside-hours",
    Family.ADMIN_NEW_ADDRESS: "admin-new-address",
    Family.NEW_COUNTRY: "new-country",
    Family.DISABLED_PROFILE: "disabled-profile",
    Family.BRUTE_FORCE_LOCK: "brute-force-lock",
    Family.EXPORT: "export-after-strange-login",
}
"""Which of the rules that ship has to catch a kind of attack."""


class WrongCount(AlertbotError):
    """What was counted is not what was played."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the count: what was counted, what was expected, and whether they agree."""

    what: str
    counted: str
    expected: str
    right: bool


class Screen(Protocol):
    """Where the demo shows itself; `cli.demo` draws it."""

    def say(self, text: str) -> None:
        """A line about what happens."""
        ...

    def show(self, message: Posted) -> None:
        """A message as Slack shows it."""
        ...

    def count(self, lines: Sequence[Line]) -> None:
        """The count at the end."""
        ...


class Demo:
    """One run of the demo. `folder` is empty and takes configuration, store and log; `live_until_us` ends what is played."""

    def __init__(
        self,
        sandbox: Sandbox,
        rules: Path,
        folder: Path,
        screen: Screen,
        *,
        attacks: Sequence[Attack] = (),
        live_until_us: int | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._portal = sandbox.portal
        self._rules = rules
        self._folder = folder
        self._screen = screen
        self._attacks = attacks
        self._live_until_us = live_until_us
        self._bot: Process | None = None
        self._shown = 0

    async def play(self, *, stay: bool = False) -> None:
        """Play it all. Raises WrongCount when the count does not agree."""
        self._configure()
        following = asyncio.create_task(self._follow())
        try:
            await self._start_bot()
            await self._until(lambda: bool(self._sandbox.slack.messages), START_WITHIN, "alertbot did not say that it watches")
            self._screen.say("History is read; none of it was sent. From here on it is live.")
            await self._live()
            await self._settle()
            if not stay:
                await self._stop_bot()
            lines = list(self._lines())
            self._screen.count(lines)
            if not all(line.right for line in lines):
                raise WrongCount(f"The count does not agree. Log and store are kept in {self._folder}")
            if stay:
                await self._stay()
        finally:
            following.cancel()
            await self._kill_bot()

    # -- the bot -------------------------------------------------------------------------------------------------------

    def _configure(self) -> None:
        zone = getattr(self._portal.zone, "key", "UTC")
        configuration = {
            "portals": [
                {
                    "name": PORTAL,
                    "url": self._portal.url,
                    "api_key": "${DOCSPACE_API_KEY}",
                    "zone": zone,
                    "poll": f"{int(POLL.total_seconds())}s",
                    "history": "180d",
                    "max_skew": None,
                }
            ],
            "slack": {"end_sessions": [RESPONDER]},
            "rules": [str(self._rules)],
            "store": f"sqlite:///{self._folder / 'alertbot.db'}",
        }
        (self._folder / "alertbot.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")

    async def _start_bot(self) -> None:
        with (self._folder / "alertbot.log").open("ab") as log:
            self._bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "alertbot", "run", "--config", str(self._folder / "alertbot.yaml")),
                env={**os.environ, **self._sandbox.environment()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._screen.say(f"alertbot run is process {self._bot.pid}.")

    async def _kill_bot(self) -> None:
        if self._bot is not None and self._bot.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._bot.send_signal(signal.SIGKILL)
            await self._bot.wait()

    async def _stop_bot(self) -> None:
        assert self._bot is not None
        self._bot.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self._bot.wait(), STOP_WITHIN.total_seconds())
        except TimeoutError:
            raise WrongCount("alertbot did not end within five seconds of SIGTERM") from None
        if code != 0:
            raise WrongCount(f"alertbot ended with {code} at SIGTERM; its log is {self._folder / 'alertbot.log'}")

    # -- what is played ------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        clock = self._portal.clock
        half = self._left() // 2
        clock.resume()
        await self._until(lambda: self._left() <= half, timedelta(minutes=10), "")
        assert self._bot is not None
        self._screen.say(f"kill -9 {self._bot.pid}: in the middle of it, with no warning.")
        await self._kill_bot()
        await asyncio.sleep(1)
        await self._start_bot()
        await self._until(lambda: self._left() == 0, timedelta(minutes=10), "")
        clock.pause()

    def _left(self) -> int:
        """How many rows of what is played the portal does not show yet."""
        if self._live_until_us is None:
            return self._portal.coming()
        return self._portal.coming(until_us=self._live_until_us)

    async def _settle(self) -> None:
        """Wait until the bot has read all and said all, and nothing more comes."""
        same = 0
        before: object = None

        def quiet() -> bool:
            nonlocal same, before
            with self._store() as store:
                counts = store.counts()
            stored = sum(count.count for count in counts.events)
            state = (stored, dict(counts.outbox), len(self._sandbox.slack.messages), _standing(counts))
            same = same + 1 if state == before else 0
            before = state
            undelivered = sum(number for name, number in counts.outbox.items() if name not in ("sent", "refused", "summed"))
            return same >= 8 and stored >= len(self._shown_rows()) and not undelivered

        await self._until(quiet, SETTLE_WITHIN, "", every=timedelta(milliseconds=300))

    async def _stay(self) -> None:
        self._portal.clock.resume()
        self._screen.say("All of it stays up until Ctrl-C. The portal goes on.")
        await asyncio.Event().wait()

    async def _follow(self) -> None:
        while True:
            for message in self._sandbox.slack.messages[self._shown :]:
                self._shown += 1
                self._screen.show(message)
            await asyncio.sleep(0.05)

    async def _until(
        self, ready: Callable[[], bool], within: timedelta, failure: str, *, every: timedelta = timedelta(milliseconds=50)
    ) -> None:
        """Wait for a condition; after `within`, fail with a sentence, or go on to the count where there is none."""
        deadline = asyncio.get_running_loop().time() + within.total_seconds()
        while not ready():
            if self._bot is not None and self._bot.returncode not in (None, -signal.SIGKILL):
                raise WrongCount(f"alertbot ended with {self._bot.returncode}; its log is {self._folder / 'alertbot.log'}")
            if asyncio.get_running_loop().time() > deadline:
                if failure:
                    raise WrongCount(f"{failure}; its log is {self._folder / 'alertbot.log'}")
                return
            await asyncio.sleep(every.total_seconds())

    # -- the count -----------------------------------------------------------------------------------------------------

    def _store(self) -> contextlib.AbstractContextManager[Store]:
        return Store.open(f"sqlite:///{self._folder / 'alertbot.db'}", write=False)

    def _lines(self) -> Iterator[Line]:
        with self._store() as store:
            events = list(store.events(PORTAL))
            stored = [found.finding for found in store.findings(PORTAL)]
            incidents = store.incidents(portal=PORTAL)
            outbox = store.entries()
        shown = Counter(self._shown_rows())
        read = Counter(event.ref for event in events)
        yield _agree("events read, each once", len(events), len(shown), right=read == shown)
        rules = load_rules([self._rules]).rules
        zone = self._portal.zone
        expected = {found.id: found for found in Engine(rules, PORTAL, zone).fold_all(events)}
        found = {finding.id: finding for finding in stored}
        yield _agree("findings, as one pass in order finds them", len(found), len(expected), right=found == expected)
        standing = Counter(message.outbox_id for message in self._sandbox.slack.messages)
        written = Counter(entry.id for entry in outbox if entry.update_of is None and entry.state != "summed")
        yield _agree("messages in Slack, each once", sum(standing.values()), sum(written.values()), right=standing == written)
        themselves = [incident for incident in incidents if incident.stands_for_itself]
        told = [incident.id for incident in themselves if (incident.message or incident.summary) in standing]
        right = told == [incident.id for incident in themselves]
        yield _agree("incidents told, each where it says", len(told), len(themselves), right=right)
        if self._attacks:
            caught = sum(self._is_caught(attack, stored) for attack in self._attacks)
            yield _agree("attacks played that were found", caught, len(self._attacks), right=caught == len(self._attacks))

    def _shown_rows(self) -> list[EventRef]:
        """All that the portal shows, of both feeds."""
        return [event_ref(feed, row.id) for feed in FEEDS for row in self._portal.shown(feed)]

    def _is_caught(self, attack: Attack, findings: Sequence[Finding]) -> bool:
        played = set(attack.events)
        rules = {finding.rule for finding in findings if played & {id_of(ref) for ref in (*finding.events, finding.firing)}}
        return all(RULE_OF[family] in rules for family in attack.families)


def _standing(counts: Counts) -> int:
    """How many findings stand."""
    return sum(count.count for count in counts.findings)


def _agree(what: str, counted: int, expected: int, *, right: bool) -> Line:
    return Line(what, f"{counted:,}", f"{expected:,}", right and counted == expected)
