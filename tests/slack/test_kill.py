"""The real process is killed with `kill -9` at every step of delivery; in the end each message stands once."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from alertbot.outbox import OutboxEntry
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from tests.slack.posting import PATIENCE, entry

STEPS = ("outbox.claimed", "outbox.recovered", "slack.posted", "slack.looked", "outbox.settled")

BOT = """
import asyncio, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from alertbot.slack.client import SlackClient, WebhookClient
from alertbot.slack.delivery import Delivery
from alertbot.slack.senders import BotSender, WebhookSender
from alertbot.store.store import Store
from tests.slack.posting import FAST, QUICK

url, way, address, token, fatal, times = sys.argv[1:]
left = int(times)


def die_at_the_step(_, __, event):
    global left
    if event["event"] == fatal:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    raise structlog.DropEvent


structlog.configure(processors=[die_at_the_step])


async def main():
    thread, loop = ThreadPoolExecutor(1), asyncio.get_running_loop()
    store = Store.open(url, write=True)

    async def in_store(function, *args, **named):
        return await loop.run_in_executor(thread, partial(function, *args, **named))

    sender = WebhookSender(WebhookClient(address)) if way == "webhook" else BotSender(SlackClient(token, api_url=address))
    delivery = Delivery(store, sender, in_store, policy=QUICK, pace=FAST)
    running = asyncio.create_task(delivery.run())
    while any(e.state not in ("sent", "refused") for e in await in_store(store.entries)):
        await asyncio.wait([running], timeout=0.02)
    delivery.stop()
    await running


asyncio.run(main())
os._exit(0)
"""


async def run_bot(url: str, slack: SandboxSlack, *, webhook: bool, fatal: str = "", times: int = 0) -> int:
    """A bot that delivers until it is killed or done; its exit code."""
    way, address = ("webhook", slack.webhook_url) if webhook else ("bot", slack.api_url)
    arguments = (url, way, address, slack.token, fatal, str(times))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BOT, *arguments)
    async with asyncio.timeout(4 * PATIENCE):
        return await process.wait()


def story(part: int) -> list[OutboxEntry]:
    return [
        entry(f"first{part}"),
        entry(f"other{part}", channel="#security-ops"),
        entry(f"second{part}"),
        entry(f"reply{part}", thread_of=f"first{part}"),
        entry(f"update{part}", update_of=f"first{part}"),
    ]


def put(url: str, part: int = 0) -> None:
    with Store.open(url, write=True) as store:
        store.commit_poll(PollCommit(state=PortalState(name="main"), outbox=story(part)))


def assert_each_stands_once(slack: SandboxSlack, parts: int) -> None:
    wanted = [f"{name}{part}" for part in range(parts) for name in ("first", "other", "second", "reply")]
    assert sorted(str(message.outbox_id) for message in slack.messages) == sorted(wanted)
    texts = {message.outbox_id: message.text for message in slack.messages}
    assert [texts[f"first{part}"] for part in range(parts)] == [f"alert update{part}" for part in range(parts)]


def states(url: str) -> dict[str, str]:
    with Store.open(url, write=False) as store:
        return {each.id: each.state for each in store.entries()}


@pytest.mark.parametrize(("fault", "parts"), [(None, 1), ("reset", 2)])
async def test_killed_at_every_step_each_message_stands_once(tmp_path: Path, fault: str | None, parts: int) -> None:
    url, slack = f"sqlite:///{tmp_path}/alertbot.db", SandboxSlack()
    killed = set()
    async with Server(slack):
        if fault:
            slack.fault(answer=fault, recorded="yes", skip=1, times=2)
            slack.fault(answer=fault, recorded="no", skip=3, times=2)
        for part in range(parts):
            put(url, part)
            for step in STEPS:
                if await run_bot(url, slack, webhook=False, fatal=step, times=1 + part) == -signal.SIGKILL:
                    killed.add(step)
        assert await run_bot(url, slack, webhook=False) == 0
    assert killed == set(STEPS)
    assert set(states(url).values()) == {"sent"}
    assert_each_stands_once(slack, parts)


async def test_killed_through_a_webhook_each_message_stands_and_repeats_are_marked(tmp_path: Path) -> None:
    url, slack = f"sqlite:///{tmp_path}/alertbot.db", SandboxSlack()
    put(url)
    async with Server(slack):
        for step in STEPS:
            await run_bot(url, slack, webhook=True, fatal=step, times=1)
        assert await run_bot(url, slack, webhook=True) == 0
    texts = [message.text for message in slack.messages]
    for id_ in ("first0", "other0", "second0"):
        mine = [text for text in texts if id_ in text]
        assert mine
        assert sum("may be a repeat" not in text for text in mine) <= 1
        assert states(url)[id_] == "sent"
    assert len(texts) > 3


async def test_killed_while_slack_works_on_it_each_message_stands_once(tmp_path: Path) -> None:
    url, slack = f"sqlite:///{tmp_path}/alertbot.db", SandboxSlack()
    put(url)
    async with Server(slack):
        for hold in ("before", "after"):
            number = slack.fault(answer="ok", hold=hold)
            arguments = (url, "bot", slack.api_url, slack.token, "", "0")
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", BOT, *arguments)
            async with asyncio.timeout(PATIENCE):
                await slack.faults.until_held()
            process.kill()
            await process.wait()
            slack.faults.release(number)
        assert await run_bot(url, slack, webhook=False) == 0
    assert_each_stands_once(slack, parts=1)
