"""The socket brings each press once, acknowledges at once, and heals whatever becomes of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.sandbox.slack_socket import APP
from alertbot.slack.client import SlackClient
from alertbot.slack.socket import REMEMBERED, Patience, Socket, new_address

QUICK = Patience(first=timedelta(milliseconds=5), longest=timedelta(milliseconds=20), refused=timedelta(milliseconds=20))


class Line:
    """A sandbox Slack, a socket to it, and what came."""

    def __init__(self) -> None:
        self.slack = SandboxSlack()
        self.taken: list[Mapping[str, Any]] = []
        self.apps: set[str] = set()
        self.states: list[tuple[bool, str]] = []
        self.answer: Mapping[str, Any] | None = None
        self.changed = asyncio.Event()

    def take(self, payload: Mapping[str, Any], app: str) -> Mapping[str, Any] | None:
        self.taken.append(payload)
        self.apps.add(app)
        if payload.get("boom"):
            raise RuntimeError("boom")
        return self.answer

    def note(self, connected: bool, said: str) -> None:
        self.states.append((connected, said))
        self.changed.set()

    async def open(self, count: int = 1, *, after: int = 0) -> None:
        """Wait until so many connections are open, and more than `after` were ever opened."""
        sockets = self.slack.sockets
        async with asyncio.timeout(10):
            await sockets.until(lambda: len(sockets.connections) == count and sockets.opened > after)

    async def send(self, payload: Mapping[str, Any], **more: Any) -> float:
        """Send a payload; after how long it was acknowledged."""
        future = await self.slack.sockets.send(payload, **more)
        async with asyncio.timeout(10):
            return (await future).after_s


@asynccontextmanager
async def line(**faults: Any) -> AsyncIterator[Line]:
    made = Line()
    async with Server(made.slack):
        if faults:
            made.slack.fault(method="apps.connections.open", **faults)
        async with SlackClient(made.slack.app_token, api_url=made.slack.api_url) as client:
            socket = Socket(partial(new_address, client), made.take, on_change=made.note, patience=QUICK)
            task = asyncio.create_task(socket.run())
            try:
                yield made
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def test_an_envelope_is_acknowledged_at_once_and_its_payload_taken_with_the_app_that_slack_names() -> None:
    async with line() as one:
        assert await one.send({"n": 1}) < 0.5
        assert (one.taken, one.apps) == ([{"n": 1}], {APP})


async def test_a_slack_on_this_machine_is_not_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "WS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with line() as one:
        await one.send({"n": 1})
        assert one.taken == [{"n": 1}]


async def test_what_is_wrong_with_a_form_travels_in_the_acknowledgement() -> None:
    async with line() as one:
        one.answer = {"response_action": "errors", "errors": {"why": "Say why."}}
        await one.send({"n": 1})
        assert one.slack.sockets.acknowledged[0].payload == one.answer


async def test_the_same_envelope_is_acknowledged_again_and_taken_once() -> None:
    async with line() as one:
        for _ in range(3):
            await one.send({"n": 1}, envelope="again")
        assert len(one.taken) == 1
        for number in range(REMEMBERED + 5):
            await one.slack.sockets.send({"n": number}, envelope=f"e{number}")
        await one.send({"n": -1})
        assert len(one.taken) == REMEMBERED + 7


async def test_a_mistake_of_ours_is_acknowledged_too_and_ends_nothing() -> None:
    async with line() as one:
        await one.send({"boom": True})
        await one.send({"n": 2})
        assert one.slack.sockets.opened == 1


async def test_what_is_no_envelope_does_no_harm() -> None:
    async with line() as one:
        await one.open()
        for text in ("", "no json", "[]", "null", '{"type": 3}', '{"envelope_id": 7, "payload": {}}', '{"envelope_id": "x"}'):
            await one.slack.sockets.say(text)
        await one.send({"n": 1}, kind="events_api")
        await one.send({"n": 2})
        assert one.taken == [{"n": 2}]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_before_a_connection_ends_the_next_one_is_open(reason: str) -> None:
    async with line() as one:
        await one.open()
        await one.slack.sockets.warn(reason)
        await one.open(2)
        old, new = one.slack.sockets.connections
        await one.send({"n": 1}, connection=old)
        await one.send({"n": 2}, connection=new)
        assert one.taken == [{"n": 1}, {"n": 2}]
        await one.slack.sockets.end(old)
        await one.open(1)
        await one.send({"n": 3})
        assert [state for state, _ in one.states] == [True]


async def test_an_envelope_that_comes_again_on_the_next_connection_is_taken_once() -> None:
    async with line() as one:
        await one.open()
        await one.slack.sockets.warn()
        await one.open(2)
        for number in one.slack.sockets.connections:
            await one.send({"n": 1}, envelope="again", connection=number)
        assert len(one.taken) == 1


@pytest.mark.parametrize("how", ["cut", "end"])
async def test_a_connection_that_breaks_is_opened_anew(how: str) -> None:
    async with line() as one:
        for opened in range(3):
            await one.open(after=opened)
            await one.send({"n": opened})
            if how == "cut":
                one.slack.sockets.cut()
            else:
                await one.slack.sockets.end()
        assert len(one.taken) == 3


FAULTS: dict[str, dict[str, Any]] = {
    "429": {"answer": "status", "status": 429, "retry_after": 0},
    "500": {"answer": "status", "status": 500},
    "reset": {"answer": "reset"},
    "a page": {"answer": "html"},
    "no address": {"answer": "ok", "recorded": "no"},
    "the token": {"error": "invalid_auth"},
    "internal_error": {"error": "internal_error"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_it_tries_again_whatever_slack_answers(fault: dict[str, Any]) -> None:
    async with line(times=2, **fault) as one:
        await one.open()
        await one.send({"n": 1})
        assert [state for state, _ in one.states] == [False, True]
        assert one.states[0][1]


async def test_an_address_that_is_not_safe_is_not_used() -> None:
    async def address() -> str:
        return "ws://slack.example.com/link"

    said: list[str] = []
    heard = asyncio.Event()

    def note(_connected: bool, words: str) -> None:
        said.append(words)
        heard.set()

    task = asyncio.create_task(Socket(address, lambda _payload, _app: None, on_change=note, patience=QUICK).run())
    async with asyncio.timeout(5):
        await heard.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "not safe" in said[0]


def test_it_waits_longer_and_longer_and_never_the_same() -> None:
    patience = Patience()
    waits = [patience.after(failures) for failures in (1, 2, 3, 10, 100)]
    assert 0.8 <= waits[0] <= 1.2
    assert waits[0] < waits[1] < waits[2]
    assert max(waits) <= 36
