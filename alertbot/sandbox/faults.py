"""Faults on request: what the sandbox portal does instead of answering as it should.

In come orders like "cut the next two answers to /login/filter"; out goes, for each request, the fault that applies to it, if
any, and the answer that the fault makes. A held answer is worked out at once and handed over when it is released.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum

import msgspec
from aiohttp import web

Work = Callable[[], Awaitable[web.Response]]

HTML = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>"
    "\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """An error of the portal's own with `status`."""
    HANG = "hang"
    """No answer at all; with `seconds`, the right answer after so long."""
    CUT = "cut"
    """The right answer, and the connection ends in the middle of its body."""
    BROKEN = "broken"
    """A whole answer whose JSON ends in the middle."""
    HTML = "html"
    """A proxy's page, with `status` (200 where none is named)."""
    EMPTY = "empty"
    """No body, with `status` (200 where none is named)."""
    RESET = "reset"
    """The connection is reset."""
    REDIRECT = "redirect"
    """302 to the same path at `location`."""
    BUSY = "busy"
    """429 with Retry-After in seconds."""
    BUSY_DATE = "busy_date"
    """429 with Retry-After as an HTTP date of the portal's clock."""
    HOLD = "hold"
    """The right answer, worked out at once, sent when it is released."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order: after `skip` requests whose path and query hold `path`, the next `times` of them go wrong (None: all)."""

    kind: FaultKind
    path: str = ""
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    seconds: float | None = None
    location: str = "https://elsewhere.example"


class Order:
    """A fault that stands, and how often it still applies."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.left = fault.times
        self.held = 0
        self.released = asyncio.Event()

    def applies(self, target: str) -> bool:
        if self.fault.path not in target or self.left == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The orders that stand, oldest first; the first that applies to a request decides it."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}
        self._last = 0
        self._changed = asyncio.Event()

    def add(self, fault: Fault) -> int:
        """Takes an order and gives it a number."""
        self._last += 1
        self._orders[self._last] = Order(fault)
        return self._last

    def standing(self) -> dict[int, Fault]:
        """Orders that can still apply, or hold an answer, by number."""
        return {number: order.fault for number, order in self._orders.items() if order.left != 0 or order.held}

    def clear(self) -> None:
        """Drops all orders and lets every held answer go."""
        for order in self._orders.values():
            order.released.set()
        self._orders.clear()

    def release(self, number: int) -> None:
        """Drops an order and lets what it holds go; one that is gone already is no mistake."""
        order = self._orders.pop(number, None)
        if order is not None:
            order.released.set()

    @property
    def held(self) -> int:
        """How many answers are held now."""
        return sum(order.held for order in self._orders.values())

    async def until_held(self, count: int = 1) -> None:
        """Waits until at least so many answers are held."""
        while self.held < count:
            self._changed.clear()
            await self._changed.wait()

    async def until_let_go(self) -> None:
        """Waits until no answer is held."""
        while self.held:
            self._changed.clear()
            await self._changed.wait()

    def take(self, target: str) -> Order | None:
        """The order that decides a request for this path and query, if any; it counts as used."""
        for number, order in list(self._orders.items()):
            if order.applies(target):
                if order.left == 0 and order.fault.kind is not FaultKind.HOLD:
                    del self._orders[number]
                return order
        return None

    async def answer(self, order: Order, request: web.Request, work: Work, now: datetime) -> web.StreamResponse:
        """What the order makes of the request; `work` gives the right answer."""
        match order.fault.kind:
            case FaultKind.HOLD:
                return await self._hold(order, await work())
            case FaultKind.HANG:
                await asyncio.sleep(order.fault.seconds if order.fault.seconds is not None else 86_400)
                return await work()
            case FaultKind.RESET:
                return _reset(request)
            case FaultKind.CUT:
                return await _cut(request, await work(), now)
            case FaultKind.BROKEN:
                answer = await work()
                return web.Response(body=_half(answer), content_type="application/json")
            case _:
                return _plain(order.fault, request, now)

    async def _hold(self, order: Order, answer: web.Response) -> web.Response:
        order.held += 1
        self._changed.set()
        try:
            await order.released.wait()
        finally:
            order.held -= 1
            self._changed.set()
        return answer


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it, in whole seconds."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def _plain(fault: Fault, request: web.Request, now: datetime) -> web.Response:
    """Answers that need no right answer."""
    wait_s = round(fault.seconds) if fault.seconds is not None else 1
    match fault.kind:
        case FaultKind.BUSY:
            return web.Response(status=429, headers={"Retry-After": str(wait_s)})
        case FaultKind.BUSY_DATE:
            until = now.replace(microsecond=0) + timedelta(seconds=wait_s)
            return web.Response(status=429, headers={"Retry-After": http_date(until)})
        case FaultKind.REDIRECT:
            location = fault.location.rstrip("/") + request.path_qs
            return web.Response(status=302, headers={"Location": location})
        case FaultKind.HTML:
            return web.Response(status=fault.status or 200, text=HTML, content_type="text/html")
        case FaultKind.EMPTY:
            return web.Response(status=fault.status or 200)
        case _:
            status = fault.status or 500
            error = {"message": "Internal server error", "type": "System.Exception", "stack": "", "hresult": 0}
            return web.json_response({"error": error, "status": 1, "statusCode": status}, status=status)


def _half(answer: web.Response) -> bytes:
    body = answer.body
    return body[: len(body) // 2] if isinstance(body, bytes) else b""


def _reset(request: web.Request) -> web.Response:
    """Ends the connection so that the other side sees a reset: a socket that lingers for no time says RST, not FIN."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _cut(request: web.Request, answer: web.Response, now: datetime) -> web.StreamResponse:
    """Promises the whole body, sends half of it and ends the connection."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    cut = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    cut.headers["Date"] = http_date(now)
    cut.content_length = max(len(body), 2)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2] or b"{")
    if request.transport is not None:
        request.transport.close()
    return cut
