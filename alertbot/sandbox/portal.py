"""A DocSpace portal on this machine, faithful to the real one where alertbot can tell the difference.

In come the requests of the portal's API that alertbot makes; out go answers as DocSpace-server gives them, quirks included:
pages cut before the filter, no order between rows of equal date, `/last` in the disguise of `/filter` on a plan without
audit, a sliding window of requests, the portal's own time in every `Date` header. What is recorded and what goes wrong is
told from outside, through this class or over HTTP (`control`). Nothing here knows how alertbot reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from alertbot.event import Feed
from alertbot.moments import to_us
from alertbot.sandbox.control import control_routes
from alertbot.sandbox.envelope import date_json, failure, parse_time, row_json, success
from alertbot.sandbox.faults import http_date
from alertbot.sandbox.holdings import ApiKey, Holdings
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.limits import SlidingWindow

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LAST = 20
PAGE = 100
API = "/api/2.0"


class SandboxPortal(Holdings):
    """A portal that answers over HTTP."""

    def app(self) -> web.Application:
        """A web application over this portal; a new one for every server that runs it."""
        app = web.Application(middlewares=[self._dated])
        audit = f"{API}/security/audit"
        feeds: tuple[tuple[str, Feed], ...] = (("login", "login"), ("events", "audit"))
        for name, feed in feeds:
            app.router.add_get(f"{audit}/{name}/last", self._guarded(self._last(feed), audit=True))
            app.router.add_get(f"{audit}/{name}/filter", self._guarded(self._filter(feed), audit=True))
        app.router.add_get(f"{audit}/settings/lifetime", self._guarded(self._lifetime, audit=True))
        app.router.add_get(f"{API}/keys/@self", self._guarded(self._self, scope=None))
        app.router.add_get(f"{API}/people", self._guarded(self._list_people))
        logout = f"{API}/security/activeconnections/logoutall/{{user}}"
        app.router.add_put(logout, self._guarded(self._log_out, scope="*:write"))
        app.router.add_routes(control_routes(self))
        return app

    @web.middleware
    async def _dated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The whole of an answer: the log, the fault that applies, and the portal's own time."""
        if request.path.startswith("/sandbox"):
            return await handler(request)
        self.note(request.method, request.path, request.query, with_key="Authorization" in request.headers)

        async def work() -> web.Response:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = failure(error.status)
            answer.headers["Date"] = http_date(self._header_now())
            assert isinstance(answer, web.Response)
            return answer

        order = self.faults.take(request.path_qs)
        if order is None:
            return await work()
        answer = await self.faults.answer(order, request, work, self._header_now())
        if not answer.prepared:
            answer.headers.setdefault("Date", http_date(self._header_now()))
        return answer

    def _header_now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.settings.skew_s)

    def _guarded(
        self, handler: Callable[[web.Request], web.Response], *, scope: str | None = "*:read", audit: bool = False
    ) -> Handler:
        """A call behind the portal's checks, in their order: key, number of requests, rights, plan."""

        async def guarded(request: web.Request) -> web.Response:
            key = self._key_of(request)
            if key is None:
                return failure(401)
            window = self.windows.setdefault(key.owner, SlidingWindow())
            wait_s = window.enter(self.settings.limits, asyncio.get_running_loop().time())
            if wait_s is not None:
                return failure(429, retry_after_s=wait_s)
            try:
                if scope is not None and not (key.owner_is_admin and key.allows(scope)):
                    return failure(403)
                if audit and self.settings.plan == "unpaid":
                    return failure(402)
                if self.settings.latency_s:
                    await asyncio.sleep(self.settings.latency_s)
                return handler(request)
            except ValueError as error:
                return failure(400, str(error))
            finally:
                window.leave()

        return guarded

    def _key_of(self, request: web.Request) -> ApiKey | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.key_for(token.strip()) if scheme.lower() == "bearer" else None

    def _last(self, feed: Feed) -> Callable[[web.Request], web.Response]:
        return lambda request: self._answer(request, self.page(feed, 0, LAST))

    def _filter(self, feed: Feed) -> Callable[[web.Request], web.Response]:
        def answer(request: web.Request) -> web.Response:
            start = _whole(request, "startIndex", 0, 0, 2**31 - 1)
            count = _whole(request, "count", PAGE, 1, PAGE)
            selected = _selection(request)
            if self.settings.plan == "none":
                return self._answer(request, self.page(feed, 0, LAST))
            return self._answer(request, [row for row in self.page(feed, start, count) if selected(row)])

        return answer

    def _answer(self, request: web.Request, rows: list[Row]) -> web.Response:
        return success(request, [row_json(row, self.zone, self.settings.dialect) for row in rows])

    def _lifetime(self, request: web.Request) -> web.Response:
        days = self.settings.lifetime_days
        return success(request, {"loginHistoryLifeTime": days, "auditTrailLifeTime": days})

    def _self(self, request: web.Request) -> web.Response:
        key = self._key_of(request)
        assert key is not None, "the guard let the request through"
        owner = self.person(key.owner)
        body: dict[str, Any] = {
            "name": key.name,
            "keyPostfix": key.token[-4:],
            "permissions": list(key.permissions),
            "isActive": key.active,
            "createBy": {"id": key.owner, "displayName": owner.name if owner else "Sandbox Owner"},
        }
        if key.expires_at is not None:
            body["expiresAt"] = date_json(to_us(key.expires_at), self.zone, self.settings.dialect)
        return success(request, body)

    def _list_people(self, request: web.Request) -> web.Response:
        start = _whole(request, "startIndex", 0, 0, 2**31 - 1)
        count = _whole(request, "count", PAGE, 1, PAGE)
        rows = [member.row for member in self.people]
        return success(request, rows[start : start + count], total=len(rows))

    def _log_out(self, request: web.Request) -> web.Response:
        user = request.match_info["user"]
        if self.person(user) is None:
            return failure(404)
        self.ended_sessions.append(user)
        return success(request)


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"The value '{text}' is not valid for {name}.") from None
    if not least <= value <= most:
        raise ValueError(f"The field {name} must be between {least} and {most}.")
    return value


def _selection(request: web.Request) -> Callable[[Row], bool]:
    """What of a page the query lets through."""
    user = request.query.get("userId", "")
    action = _whole(request, "action", 0, 0, 2**31 - 1)
    after = _time(request, "from")
    before = _time(request, "to")

    def selected(row: Row) -> bool:
        return (
            (not user or row.user_id == user)
            and (not action or row.action_id == action)
            and (after is None or row.at_us >= after)
            and (before is None or row.at_us <= before)
        )

    return selected


def _time(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    return to_us(parse_time(text)) if text else None
