"""The sandbox portal's switchboard: the same orders as from Python, over HTTP, for tests and people outside of its process.

In come requests below `/sandbox`, which no real portal has and which need no key; out goes JSON. The server that runs this
listens on loopback only.

    GET    /sandbox                       how it stands
    POST   /sandbox/events                one row, a list, or {"feed", "delay", "events": [...]}; what is left out is filled in
    GET    /sandbox/events?feed=login     ids of all rows shown now, oldest first
    POST   /sandbox/people                one person or a list, in the portal's JSON
    POST   /sandbox/faults                an order, see `faults.Fault`: {"kind": "cut", "path": "/filter", "times": 2}
    DELETE /sandbox/faults[/NUMBER]       drops orders and lets go what they hold
    GET    /sandbox/requests?after=N      what reached the portal after request N
    POST   /sandbox/clock                 {"running": false, "speed": 60, "advance": "10m", "now": "2026-01-15T10:00:00Z"}
    POST   /sandbox/settings              see `holdings.Settings`; what is left out stays
    POST   /sandbox/key                   see `holdings.ApiKey`; what is left out stays
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from alertbot.event import FEEDS, Feed
from alertbot.moments import parse_duration
from alertbot.sandbox.faults import Fault
from alertbot.sandbox.holdings import Holdings
from alertbot.sandbox.intake import parse_date

Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(held: Holdings) -> list[web.RouteDef]:
    """The switchboard of one portal."""
    board = _Board(held)
    return [
        web.get("/sandbox", _told(board.standing)),
        web.post("/sandbox/events", _told(board.add_events)),
        web.get("/sandbox/events", _told(board.shown_events)),
        web.post("/sandbox/people", _told(board.put_people)),
        web.post("/sandbox/faults", _told(board.add_fault)),
        web.delete("/sandbox/faults", _told(board.drop_faults)),
        web.delete("/sandbox/faults/{number}", _told(board.drop_faults)),
        web.get("/sandbox/requests", _told(board.requests)),
        web.post("/sandbox/clock", _told(board.turn_clock)),
        web.post("/sandbox/settings", _told(board.change_settings)),
        web.post("/sandbox/key", _told(board.change_key)),
    ]


class _Board:
    """Each method takes an order and gives what to say about it; a ValueError says what is wrong with the order."""

    def __init__(self, held: Holdings) -> None:
        self._held = held

    def standing(self, request: web.Request, order: Any) -> object:
        held = self._held
        return {
            "now": held.clock.now(),
            "speed": held.clock.speed,
            "running": held.clock.running,
            "shown": {feed: len(held.shown(feed)) for feed in FEEDS},
            "coming": {feed: held.coming(feed) for feed in FEEDS},
            "people": len(held.people),
            "requests": held.asked,
            "held": held.faults.held,
            "faults": {str(number): fault for number, fault in held.faults.standing().items()},
            "ended_sessions": held.ended_sessions,
            "settings": held.settings,
            "orders": _ORDERS,
        }

    def add_events(self, request: web.Request, order: Any) -> object:
        wrapped = order if isinstance(order, dict) and "events" in order else {"events": order}
        feed = _feed(str(wrapped.get("feed", "login")))
        delay = parse_duration(str(wrapped["delay"])) if "delay" in wrapped else None
        rows = wrapped["events"] if isinstance(wrapped["events"], list) else [wrapped["events"]]
        for row in rows:
            if not isinstance(row, dict):
                raise ValueError("an event must be an object")  # noqa: TRY004  (an answer for the sender)
        return {"ids": [self._held.add(row, feed, delay=delay) for row in rows]}

    def shown_events(self, request: web.Request, order: Any) -> object:
        return {"ids": [row.id for row in self._held.shown(_feed(request.query.get("feed", "login")))]}

    def put_people(self, request: web.Request, order: Any) -> object:
        persons = order if isinstance(order, list) else [order]
        for person in persons:
            self._held.put_person(person)
        return {"people": len(self._held.people)}

    def add_fault(self, request: web.Request, order: Any) -> object:
        return {"number": self._held.faults.add(msgspec.convert(order, Fault))}

    def drop_faults(self, request: web.Request, order: Any) -> object:
        number = request.match_info.get("number")
        if number is None:
            self._held.faults.clear()
        else:
            self._held.faults.release(int(number))
        return {}

    def requests(self, request: web.Request, order: Any) -> object:
        after = int(request.query.get("after", "0"))
        return {"requests": [asked for asked in self._held.requests if asked.number > after]}

    def turn_clock(self, request: web.Request, order: Any) -> object:
        turn, clock = msgspec.convert(order, _Turn), self._held.clock
        if turn.now is not None:
            clock.set(parse_date(turn.now))
        if turn.advance is not None:
            clock.advance(parse_duration(turn.advance))
        if turn.speed is not None:
            clock.run_at(turn.speed)
        if turn.running is not None and turn.running != clock.running:
            clock.resume() if turn.running else clock.pause()
        return {"now": clock.now(), "speed": clock.speed, "running": clock.running}

    def change_settings(self, request: web.Request, order: Any) -> object:
        self._held.settings = _changed(self._held.settings, order)
        return self._held.settings

    def change_key(self, request: web.Request, order: Any) -> object:
        old = self._held.key
        new = _changed(old, order)
        if new.token != old.token:
            self._held.drop_key(old.token)
        self._held.put_key(new)
        return {}


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    running: bool | None = None
    speed: float | None = None
    advance: str | None = None
    now: str | None = None


_ORDERS = [line.strip() for line in (__doc__ or "").splitlines() if "  /sandbox" in line or " /sandbox/" in line]
_T = TypeVar("_T", bound=msgspec.Struct)


def _told(work: Callable[[web.Request, Any], object]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            text = await request.text()
            told = work(request, json.loads(text) if text else None)
        except (ValueError, msgspec.ValidationError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    return handle


def _feed(name: str) -> Feed:
    for feed in FEEDS:
        if feed == name:
            return feed
    raise ValueError("`feed` is login or audit")


def _changed(old: _T, order: Any) -> _T:
    if not isinstance(order, dict):
        raise ValueError("an object of settings is needed")  # noqa: TRY004  (an answer for the sender)
    return msgspec.convert(msgspec.to_builtins(old) | order, type(old))
