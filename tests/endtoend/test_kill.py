"""The real program is killed with `kill -9` at every step of the way, many times, and counted at the end."""

from __future__ import annotations

import ast
import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

from alertbot.moments import from_us
from alertbot.sandbox.faults import Fault, FaultKind
from tests.endtoend.world import FAILURE, ROOT, RULES, World, ended, words, world

ON_THE_WAY = ("service", "edits", "watch", "workshop", "enrichment", "commit", "announce", "slack/delivery")
"""The modules whose steps lie between a login and Slack."""

FIRST_START = (
    *(("sql", 3), ("started", 1), ("people.read", 1), ("poll.read", 1), ("sql", 5), ("poll.read", 2)),
    *(("poll.decided", 1), ("poll.committed", 1), ("poll.committed", 2), ("sql.commit", 4), ("build.began", 1)),
    *(("build.loaded", 1), ("poll.decided", 2), ("build.done", 1), ("announced", 1), ("sql", 12)),
    *(("outbox.claimed", 1), ("slack.posted", 1), ("outbox.settled", 1)),
)
"""While 4,300 logins are read and the first message is written: the step, and at which time there."""

LIVE = (
    *(("outbox.claimed", 1), ("outbox.recovered", 1), ("outbox.claimed", 2), ("slack.posted", 1), ("outbox.settled", 1)),
    *(("poll.read", 2), ("poll.decided", 3), ("poll.committed", 3), ("build.loaded", 1), ("build.done", 1)),
    *(("sql", 9), ("sql", 16), ("sql", 23), ("sql.commit", 3), ("sql.commit", 5)),
    *(("slack.failed", 1), ("slack.looked", 1), ("slack.look_failed", 1), ("slack.posted", 2), ("outbox.settled", 2)),
    *(("poll.failed", 1), ("poll.works_again", 1), ("people.unread", 1)),
)
"""While attacks go on."""

WHEN_RULES_CHANGE = ("rules.broken", "rules.changed")
WHEN_THE_KEY_CHANGES = ("secrets.read_again", "key.rotated")
AT_THE_END = ("stopping", "stopped")

NOT_KILLED_AT = {
    "portal.note": "it changes nothing: it is said after the commit of what was read",
    "engine.keys_dropped": "it changes nothing: it is said after the commit that stores how many",
    "build.failed": "the store is away: nothing was written",
    "store.failed": "the store is away: nothing was written",
    "poll.broken": "a mistake of ours, of which there is none",
    "build.broken": "a mistake of ours, of which there is none",
    "rules.waiting": "the store is away: nothing was written",
    "rules.unfollowed": "a mistake of ours, of which there is none",
}


def steps_of(module: str) -> set[str]:
    """The steps that a module logs."""
    tree = ast.parse((ROOT / "alertbot" / f"{module}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    logging = [call for call in calls if isinstance(call.func.value, ast.Name) and call.func.value.id == "log"]
    assert all(isinstance(call.args[0], ast.Constant) for call in logging), f"{module} logs a step without a name"
    return {str(call.args[0].value) for call in logging}


def test_every_step_on_the_way_is_one_at_which_it_is_killed() -> None:
    steps = set().union(*map(steps_of, ON_THE_WAY))
    killed_at = {step for step, _ in (*FIRST_START, *LIVE)} - {"sql", "sql.commit"}
    killed_at |= {*WHEN_RULES_CHANGE, *WHEN_THE_KEY_CHANGES, *AT_THE_END}
    assert steps == killed_at | NOT_KILLED_AT.keys()


class Play:
    """Attacks that go on whatever happens to the program: a scene at every poll, and one whenever it is dead."""

    def __init__(self, office: World) -> None:
        self.office = office
        self.attacked: list[str] = []
        self._numbers = count()

    def scene(self) -> None:
        """The next scene. Some rows come late: the portal shows them after newer ones. New attacks are few enough that each
        has a message of its own.
        """
        office, number = self.office, next(self._numbers)
        match number % 15:
            case 0:
                office.fail(self.attack("one-second"), 3)
            case 7:
                late = self.attack("late")
                office.fail(late, 2)
                self._late(late, timedelta(seconds=25))
            case 3 | 6 | 9 | 12:
                office.fail(self.attacked[-1])
                self._late(self.attacked[0], timedelta(seconds=90))
            case 1 | 4 | 10 | 13:
                office.enter("anna@example.com")
                office.enter("ben@example.com", 2)
            case _:
                office.enter("ben@example.com", ago=40)

    def attack(self, name: str) -> str:
        """Somebody new who is attacked."""
        self.attacked.append(f"{name}{len(self.attacked)}@example.com")
        return self.attacked[-1]

    def _late(self, login: str, late: timedelta) -> None:
        date = self.office.portal.clock.now() - late
        self.office.portal.add(
            {"login": login, "actionId": FAILURE, "ip": "203.0.113.7", "date": date.isoformat()},
            delay=late + timedelta(seconds=2),
        )

    @asynccontextmanager
    async def going_on(self, scenes: int) -> AsyncIterator[None]:
        """At most so many scenes, one at each poll that begins."""
        task = asyncio.create_task(self._at_each_poll(scenes))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _at_each_poll(self, scenes: int) -> None:
        portal = self.office.portal
        while scenes:
            await portal.until_asked(portal.asked + 1)
            asked = portal.requests[-1]
            if asked.path.endswith("/filter") and asked.query.get("startIndex") == "0":
                self.scene()
                scenes -= 1


async def die(office: World, play: Play, step: str, times: int, *, arrange: Callable[[], object] = lambda: None) -> None:
    """A run that kills itself at a step, while attacks go on."""
    arrange()
    began = time.monotonic()
    async with play.going_on(3):
        process = await office.start(death=(step, times))
        with suppress(TimeoutError):
            await ended(process)
    assert process.returncode == -signal.SIGKILL, f"{step} {times}: ended with {process.returncode}\n{office.log}"
    print(f"killed at {step} {times} after {time.monotonic() - began:.1f} s")
    office.portal.faults.clear()
    office.slack.faults.release()
    play.scene()


async def killed_while(office: World, play: Play, held: Callable[[], object], release: Callable[[], object]) -> None:
    """A run that is killed from outside as soon as a server holds an answer."""
    async with play.going_on(2):
        process = await office.start()
        async with asyncio.timeout(60):
            await held()  # type: ignore[misc]
        await office.kill(process)
    release()


def arranged(office: World, step: str) -> Callable[[], object]:
    """What must go wrong for a run to come to a step."""
    portal, slack = office.portal, office.slack
    match step:
        case "slack.failed":
            return lambda: slack.fault(answer="reset", recorded="yes")
        case "slack.looked" | "slack.look_failed":

            def looks() -> None:
                slack.fault(answer="status", status=500, recorded="yes")
                if step == "slack.look_failed":
                    slack.fault(method="conversations.history", answer="error", error="internal_error")

            return looks
        case "poll.failed" | "poll.works_again":
            return lambda: portal.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/filter"))
        case "people.unread":
            return lambda: portal.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/people"))
        case _:
            return lambda: None


async def test_killed_at_every_step_everything_is_there_once(tmp_path: Path) -> None:
    async with world(tmp_path, history=4_300) as office:
        office.fail("old@example.com", 3, ago=90_000)
        play, kills = Play(office), 0
        for step, times in (*FIRST_START, *LIVE):
            await die(office, play, step, times, arrange=arranged(office, step))
            kills += 1
        kills += await killed_while_others_work(office, play)
        for step, rules in zip(WHEN_RULES_CHANGE, ("title: [", RULES.replace("Call {name}", "Ask {name}")), strict=True):
            await die_then(office, step, lambda _, rules=rules: office.write_rules(rules))
            office.write_rules(RULES)
            kills += 1
        office.use_key_file()
        await die_then(office, "secrets.read_again", lambda process: process.send_signal(signal.SIGHUP))
        await die_then(office, "key.rotated", lambda _: office.rotate_key("sk-the-next"))
        kills += len(WHEN_THE_KEY_CHANGES)
        for step in AT_THE_END:
            await die_then(office, step, lambda process: process.send_signal(signal.SIGTERM))
            kills += 1
        bot = await at_work(office)
        await office.settled()
        await office.stop(bot)
        print(f"\n{kills} kills, {len(office.slack.messages)} messages, {len(office.portal.shown())} events")
        judge(office, play)


async def killed_while_others_work(office: World, play: Play) -> int:
    """Killed while the portal or Slack holds an answer, before or after it has done its part."""
    portal, slack = office.portal, office.slack
    for path in ("/filter", "/people"):
        number = portal.faults.add(Fault(kind=FaultKind.HOLD, path=path))
        await killed_while(office, play, portal.faults.until_held, lambda number=number: portal.faults.release(number))
    orders = (
        {"answer": "ok", "hold": "before"},
        {"answer": "ok", "hold": "after"},
        {"answer": "silence", "recorded": "yes"},
        {"answer": "silence", "recorded": "late"},
    )
    for order in orders:
        play.office.fail(play.attack("held"), 3)
        number = slack.fault(**order)
        await killed_while(office, play, slack.faults.until_held, lambda number=number: slack.faults.release(number))
    return 2 + len(orders)


async def at_work(office: World, *, death: tuple[str, int] | None = None) -> Process:
    """A run that has asked the portal a few times."""
    asked = office.portal.asked
    process = await office.start(death=death)
    async with asyncio.timeout(60):
        await office.portal.until_asked(asked + 4)
    return process


async def die_then(office: World, step: str, cause: Callable[[Process], object]) -> None:
    """A run that comes to a step after something was done to it, and kills itself there."""
    process = await at_work(office, death=(step, 1))
    cause(process)
    assert await ended(process) == -signal.SIGKILL, office.log


def judge(office: World, play: Play) -> None:
    """What was played is there, by a count that knows nothing of the engine."""
    found = office.count()
    found.agrees()
    assert found.watching_since_us is not None
    failures = Counter(event.login for event in found.events if event.outcome == "failure")
    news = {
        login
        for login in play.attacked
        if failures[login] >= 3 and max(e.at_us for e in found.events if e.login == login) > found.watching_since_us
    }
    assert found.accounts("guessing") == news
    assert news, from_us(found.watching_since_us)
    for login in news:
        told = [m for m in found.messages if login in words(m) and "Password guessing" in m.text and m.thread_ts is None]
        assert len(told) == 1, login


async def test_killed_through_a_webhook_everything_is_told_and_a_repeat_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, history=10) as office:
        for variable in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL", "SLACK_API_URL"):
            del office.environment[variable]
        office.environment["SLACK_WEBHOOK_URL"] = office.slack.webhook_url
        play = Play(office)
        for step in ("announced", "outbox.claimed", "slack.posted", "outbox.settled", "slack.posted", "outbox.recovered"):
            office.fail(play.attack("hooked"), 3)
            await die(office, play, step, 1)
        number = office.slack.fault(method="webhook", answer="ok", hold="after")
        await killed_while(office, play, office.slack.faults.until_held, lambda: office.slack.faults.release(number))
        bot = await at_work(office)
        await office.settled()
        await office.stop(bot)
        found = office.count()
        found.agrees(posts_once=False)
        incidents = [incident.id for incident in found.incidents]
        assert len(incidents) >= 3
        for shown in ("alertbot now watches", *incidents):
            told = [words(message) for message in found.messages if shown in words(message)]
            assert told, shown
            assert sum("may be a repeat" not in text for text in told) <= 1, shown
        repeats = [message for message in found.messages if "may be a repeat" in message.text]
        assert len(repeats) >= 3
