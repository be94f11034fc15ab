"""Faults of the sandbox Slack on request: what it does instead of answering as it should.

In come orders like "answer the next post with 500, and post it all the same"; out goes, for each call, what becomes of it and
of its answer. Work goes on when the caller is gone: a process killed in the middle of a call finds its message posted, or not,
as ordered.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import socket
import struct
from collections.abc import Callable
from typing import Literal

import msgspec
from aiohttp import web

Kind = Literal["ok", "error", "status", "silence", "reset", "html", "empty", "cut", "list"]

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class SlackFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order: after `skip` calls, the next `times` (None: all) of a method (`chat.*`, `webhook`) go wrong.

    answer    ok · error (`error` is Slack's code) · status (`status`, for 429 with `retry_after`) · silence (none until it is
              released) · reset · html · empty · cut (half of the right body) · list (JSON, but no object)
    recorded  whether the call is done all the same; `late`: only when released or after `late_s`
    hold      waits `before` it is done, or `after`, until released, and answers then
    """

    method: str = "chat.postMessage"
    answer: Kind = "error"
    error: str = "internal_error"
    status: int | None = None
    retry_after: int | None = None
    more: dict[str, str] = {}
    recorded: Literal["no", "yes", "late"] | None = None
    late_s: float | None = None
    hold: Literal["before", "after"] | None = None
    times: int | None = 1
    skip: int = 0

    @property
    def records(self) -> Literal["no", "yes", "late"]:
        """What becomes of the call itself: an answer like the right one comes after the work."""
        return self.recorded or ("yes" if self.answer == "ok" else "no")


class _Order:
    def __init__(self, fault: SlackFault) -> None:
        self.fault = fault
        self.skip = fault.skip
        self.left = fault.times
        self.held = 0
        self.released = asyncio.Event()

    def applies(self, method: str) -> bool:
        if self.left == 0 or not fnmatch.fnmatchcase(method, self.fault.method):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class SlackFaults:
    """The orders that stand, oldest first; the first that applies to a call decides it."""

    def __init__(self) -> None:
        self._orders: dict[int, _Order] = {}
        self._last = 0
        self._changed = asyncio.Event()
        self._work: set[asyncio.Task[web.StreamResponse]] = set()

    def add(self, fault: SlackFault) -> int:
        """Takes an order and gives it a number."""
        self._last += 1
        self._orders[self._last] = _Order(fault)
        return self._last

    def standing(self) -> dict[int, SlackFault]:
        """Orders that can still apply, or hold a call, by number."""
        return {number: order.fault for number, order in self._orders.items() if order.left != 0 or order.held}

    def release(self, number: int | None = None) -> None:
        """Drops one order, or all, and lets what is held go on."""
        for each in [number] if number is not None else list(self._orders):
            order = self._orders.pop(each, None)
            if order is not None:
                order.released.set()

    @property
    def held(self) -> int:
        """How many calls are held now."""
        return sum(order.held for order in self._orders.values())

    async def until_held(self, count: int = 1) -> None:
        """Waits until at least so many calls are held."""
        while self.held < count:
            changed = self._changed
            await changed.wait()

    async def close(self) -> None:
        """Ends all that is held."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def answer(self, method: str, request: web.Request, work: Callable[[], web.Response]) -> web.StreamResponse:
        """The right answer, or what an order makes of it."""
        order = next((each for each in self._orders.values() if each.applies(method)), None)
        if order is None:
            return work()
        task = asyncio.create_task(self._carry_out(order, request, work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return await asyncio.shield(task)

    async def _carry_out(self, order: _Order, request: web.Request, work: Callable[[], web.Response]) -> web.StreamResponse:
        fault = order.fault
        if fault.hold == "before":
            await self._held(order)
        right = work() if fault.records == "yes" else web.json_response({"ok": True})
        if fault.hold == "after":
            await self._held(order)
        if fault.records == "late":
            await self._held(order, fault.late_s)
            right = work()
        if fault.answer == "silence":
            if fault.records != "late":
                await self._held(order)
            return _reset(request)
        return _spoilt(fault, request, right)

    async def _held(self, order: _Order, seconds: float | None = None) -> None:
        order.held += 1
        self._tell()
        try:
            async with asyncio.timeout(seconds):
                await order.released.wait()
        except TimeoutError:
            return
        finally:
            order.held -= 1
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _spoilt(fault: SlackFault, request: web.Request, right: web.Response) -> web.StreamResponse:
    match fault.answer:
        case "ok":
            return right
        case "error":
            return web.json_response({"ok": False, "error": fault.error, **fault.more}, status=fault.status or 200)
        case "status":
            status = fault.status or 500
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            body = {"ok": False, "error": "ratelimited"} if status == 429 else {"ok": False}
            return web.json_response(body, status=status, headers=headers)
        case "html":
            return web.Response(text=HTML, content_type="text/html", status=fault.status or 200)
        case "empty":
            return web.Response(status=fault.status or 200)
        case "cut":
            body_bytes = right.body if isinstance(right.body, bytes) else b"{}"
            return web.Response(body=body_bytes[: len(body_bytes) // 2], content_type="application/json")
        case "list":
            return web.Response(text=json.dumps(["ok"]), content_type="application/json", status=fault.status or 200)
        case _:
            return _reset(request)


def _reset(request: web.Request) -> web.StreamResponse:
    """The connection ends with a reset, without an answer."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)
