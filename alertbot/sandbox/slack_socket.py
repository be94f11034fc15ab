"""The sandbox Slack's Socket Mode: connections on which it brings what people press.

In come a bot's connections, each opened with a ticket that is good once; out go envelopes, each to any one of them, and what
was acknowledged, how soon. It can say that a connection will end, end it, or break it without a word, as the real one does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

APP = "A0SANDBOX"
MOST = 10
TICKETS_LAST_S = 30.0


class Acknowledged(msgspec.Struct, frozen=True):
    """An envelope that was acknowledged: after so many seconds, with this payload (empty: none), on that connection."""

    envelope: str
    after_s: float
    payload: dict[str, Any]
    connection: int


class Sockets:
    """The connections that are open, and what was sent on them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.opened = 0
        self._clock = clock
        self._open: dict[int, web.WebSocketResponse] = {}
        self._transports: dict[int, asyncio.Transport] = {}
        self._tickets: dict[str, float] = {}
        self._sent: dict[str, tuple[float, asyncio.Future[Acknowledged]]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()

    @property
    def connections(self) -> list[int]:
        """The numbers of the open connections, oldest first."""
        return list(self._open)

    def ticket(self) -> str:
        """A ticket for one connection."""
        ticket = secrets.token_hex(8)
        self._tickets[ticket] = self._clock() + TICKETS_LAST_S
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A connection, until it ends."""
        until = self._tickets.pop(request.match_info["ticket"], 0.0)
        if until < self._clock():
            return web.Response(status=403, text="the ticket is not good (any more)")
        ws = web.WebSocketResponse(timeout=0.2)
        await ws.prepare(request)
        if len(self._open) >= MOST:
            await ws.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await ws.close()
            return ws
        self.opened += 1
        number = self.opened
        self._open[number] = ws
        if isinstance(request.transport, asyncio.Transport):
            self._transports[number] = request.transport
        about = {"num_connections": len(self._open), "connection_info": {"app_id": APP}, "debug_info": {"host": "sandbox"}}
        try:
            await ws.send_json({"type": "hello", **about})
            self._tell()
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._take(message.data, number)
        except ConnectionError:
            pass
        finally:
            self._open.pop(number, None)
            self._transports.pop(number, None)
            self._tell()
        return ws

    async def send(
        self,
        payload: Mapping[str, Any],
        *,
        envelope: str | None = None,
        kind: str = "interactive",
        connection: int | None = None,
    ) -> asyncio.Future[Acknowledged]:
        """Send an envelope on a connection, the newest if none is named; the future holds its acknowledgement."""
        envelope = envelope or f"e{next(self._numbers)}-{secrets.token_hex(4)}"
        await self.until(lambda: bool(self._open))
        number = connection if connection is not None else max(self._open)
        future: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
        self._sent[envelope] = (self._clock(), future)
        body = {"envelope_id": envelope, "type": kind, "accepts_response_payload": True, "payload": dict(payload)}
        await self._open[number].send_json(body)
        return future

    async def say(self, text: str) -> None:
        """Send anything on every connection."""
        for ws in list(self._open.values()):
            await ws.send_str(text)

    async def warn(self, reason: str = "warning") -> None:
        """Tell every connection that it will end."""
        await self.say(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}))

    async def end(self, connection: int | None = None) -> None:
        """End a connection, or all, as one does."""
        for number, ws in list(self._open.items()):
            if connection in (None, number):
                await ws.close()

    def cut(self) -> None:
        """Break every connection without a word."""
        for transport in list(self._transports.values()):
            transport.abort()

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not wanted():
            changed = self._changed
            await changed.wait()

    async def close(self) -> None:
        """End everything."""
        await self.end()

    def _take(self, text: str, number: int) -> None:
        try:
            said = json.loads(text)
            sent_at, future = self._sent[said["envelope_id"]]
        except (ValueError, KeyError, TypeError):
            return
        answer = Acknowledged(said["envelope_id"], self._clock() - sent_at, said.get("payload") or {}, number)
        self.acknowledged.append(answer)
        if not future.done():
            future.set_result(answer)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
