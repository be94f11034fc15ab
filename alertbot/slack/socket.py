"""Station 9: the connection on which Slack brings what people press: Socket Mode, no open port.

In come envelopes; each is acknowledged at once, before anything is done about it, and its payload is handed on once, also when
it arrives again. Out goes, to who listens, how the connection stands. It heals itself: when Slack says that a connection will
end, the next one is opened first, and the old one is read until it ends; when one breaks, another is tried, ever slower.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from alertbot.errors import SlackCredential, SlackError, SlackNotNow, SlackWait
from alertbot.settings import is_loopback
from alertbot.slack.client import SlackClient

HELLO_WITHIN = timedelta(seconds=10)
HEARTBEAT = timedelta(seconds=15)
"""How often the other side is asked whether it is there; half of it without an answer, and the connection is broken."""

REMEMBERED = 1_000
_LARGEST = 1024 * 1024
_OLD_LINE_LIVES = timedelta(seconds=30)

log = structlog.get_logger("alertbot.socket")

Payload = Mapping[str, Any]
Take = Callable[[Payload, str], Payload | None]
"""Takes a payload that came on the connection of an app (its id), at once; gives what the acknowledgement says."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before another connection is tried."""

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=30)
    refused: timedelta = timedelta(minutes=1)
    """After Slack refused the token: people have to change something first."""

    def after(self, failures: int) -> float:
        """Seconds, doubling, never the same for two bots."""
        doubled: timedelta = self.first * (1 << min(max(failures - 1, 0), 10))
        return min(doubled, self.longest).total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311 -- not a secret


@dataclass(slots=True)
class _Line:
    """One connection. `leaving`: it is broken, or Slack said that it will end."""

    ws: aiohttp.ClientWebSocketResponse
    app: str
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Task[None] | None = None


async def new_address(app: SlackClient) -> str:
    """The address of a new connection, good once; `app` has the app's token."""
    url = (await app.call("apps.connections.open")).get("url")
    if not isinstance(url, str):
        raise SlackNotNow("apps.connections.open: Slack's answer lacks the address")
    return url


class Socket:
    """Keeps one connection open. `open_address` asks Slack for a new address (apps.connections.open)."""

    def __init__(
        self,
        open_address: Callable[[], Awaitable[str]],
        take: Take,
        *,
        on_change: Callable[[bool, str], None] = lambda _connected, _said: None,
        patience: Patience | None = None,
    ) -> None:
        self._open_address = open_address
        self._take = take
        self._on_change = on_change
        self._patience = patience or Patience()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lines: set[asyncio.Task[None]] = set()
        self._said: str | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        async with aiohttp.ClientSession() as here, aiohttp.ClientSession(trust_env=True) as there:
            try:
                while True:
                    try:
                        line = await self._connect(here, there)
                    except SlackError as error:
                        failures += 1
                        self._say(connected=False, said=str(error))
                        await asyncio.sleep(self._wait_after(error, failures))
                        continue
                    self._say(connected=True, said="")
                    began = asyncio.get_running_loop().time()
                    await line.leaving.wait()
                    lasted = asyncio.get_running_loop().time() - began
                    failures = failures + 1 if lasted < self._patience.first.total_seconds() else 0
                    if failures:
                        await asyncio.sleep(self._patience.after(failures))
            finally:
                for task in self._lines:
                    task.cancel()
                await asyncio.gather(*self._lines, return_exceptions=True)

    def _wait_after(self, error: SlackError, failures: int) -> float:
        if isinstance(error, SlackWait):
            return error.retry_after.total_seconds()
        if isinstance(error, SlackCredential):
            return self._patience.refused.total_seconds()
        return self._patience.after(failures)

    def _say(self, *, connected: bool, said: str) -> None:
        if self._said == said:
            return
        if connected:
            log.info("socket.open")
        else:
            log.warning("socket.closed", said=said)
        self._said = said
        self._on_change(connected, said)

    async def _connect(self, here: aiohttp.ClientSession, there: aiohttp.ClientSession) -> _Line:
        """A connection that has said hello; to a Slack on this machine without the environment's proxy."""
        url = await self._open_address()
        parts = urlsplit(url)
        is_here = is_loopback(parts.hostname or "")
        if parts.scheme != "wss" and not (parts.scheme == "ws" and is_here):
            raise SlackNotNow("Slack gave an address for the connection that is not safe to use")
        try:
            ws = await (here if is_here else there).ws_connect(
                url, heartbeat=HEARTBEAT.total_seconds(), max_msg_size=_LARGEST, timeout=aiohttp.ClientWSTimeout(ws_close=2)
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise SlackNotNow(f"The connection for buttons cannot be opened: {type(error).__name__}") from None
        app = await self._hello(ws)
        line = _Line(ws, app)
        line.reading = asyncio.create_task(self._read(line))
        self._lines.add(line.reading)
        line.reading.add_done_callback(self._lines.discard)
        return line

    async def _hello(self, ws: aiohttp.ClientWebSocketResponse) -> str:
        """The id of our app, as Slack says it when it is ready."""
        try:
            async with asyncio.timeout(HELLO_WITHIN.total_seconds()):
                hello = _decoded(await ws.receive())
        except TimeoutError:
            hello = {}
        if hello.get("type") != "hello":
            await ws.close()
            raise SlackNotNow("The connection for buttons was opened and Slack did not say hello")
        about = hello.get("connection_info")
        return str(about.get("app_id") or "") if isinstance(about, Mapping) else ""

    async def _read(self, line: _Line) -> None:
        """What comes on a connection, until it ends; one that Slack gives up is left a while for what is under way."""
        try:
            while not line.leaving.is_set():
                if not await self._one(line):
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(_OLD_LINE_LIVES.total_seconds()):
                    while await self._one(line):
                        pass
        finally:
            line.leaving.set()
            with suppress(Exception):
                await line.ws.close()

    async def _one(self, line: _Line) -> bool:
        """Take one message; false where there are no more."""
        message = await line.ws.receive()
        if message.type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        ):
            return False
        content = _decoded(message)
        if content.get("type") == "disconnect":
            log.debug("socket.disconnect", reason=str(content.get("reason"))[:60])
            line.leaving.set()
        number = content.get("envelope_id")
        if isinstance(number, str) and number:
            await self._envelope(line, number, content)
        return True

    async def _envelope(self, line: _Line, number: str, content: Mapping[str, Any]) -> None:
        """Acknowledge an envelope, and hand its payload on if it is new, also where the connection is broken by now."""
        answer: Payload | None = None
        payload = content.get("payload")
        if content.get("type") == "interactive" and isinstance(payload, Mapping) and self._is_new(number):
            try:
                answer = self._take(payload, line.app)
            except Exception:
                log.exception("socket.failed")
        acknowledgement = {"envelope_id": number, **({"payload": answer} if answer else {})}
        with suppress(ConnectionError, aiohttp.ClientError, RuntimeError):
            await line.ws.send_str(json.dumps(acknowledgement))

    def _is_new(self, number: str) -> bool:
        if number in self._known:
            return False
        self._known[number] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return True


def _decoded(message: aiohttp.WSMessage) -> Mapping[str, Any]:
    """A message's JSON; anything else is nothing."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        content = json.loads(message.data)
    except ValueError:
        return {}
    return content if isinstance(content, Mapping) else {}
