"""A Slack on this machine, over real HTTP: where a demo, a test or a rule's author sees what alertbot posts.

In come the Web API's calls and an incoming webhook's; out go Slack's answers, its limits and its errors included, or what was
ordered instead (`slack_faults`). The channel is a web page at `/`. Orders from outside of the process go below `/sandbox`:

    GET    /sandbox                       how it stands
    GET    /sandbox/messages?channel=C    all messages, replies too, oldest first; DELETE forgets them
    GET    /sandbox/requests?after=N      what was called after call N
    POST   /sandbox/faults                an order, see `slack_faults.SlackFault`, or a list of them
    DELETE /sandbox/faults[/NUMBER]       drops orders and lets go what they hold
    POST   /sandbox/channels              {"name", "private", "archived", "member"}
    POST   /sandbox/rate                  {"per_second": 1, "burst": 5}, or null: as many posts as you like
    GET    /sandbox/page?version=N        the page's messages, if they changed since version N
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from aiohttp import web

from alertbot.sandbox import slack_methods, slack_page
from alertbot.sandbox.slack_faults import SlackFault, SlackFaults
from alertbot.sandbox.slack_hands import Hands
from alertbot.sandbox.slack_limits import refusal, view_refusal
from alertbot.sandbox.slack_socket import Sockets
from alertbot.sandbox.slack_workspace import SCOPES, Posted, Rate, Workspace

_WEBHOOK = "/services/T0SANDBOX/B0SANDBOX/webhook-of-the-sandbox"
_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class SlackCall(msgspec.Struct, frozen=True):
    """A call that reached this Slack. No token is kept."""

    number: int
    method: str
    at: float
    arguments: dict[str, Any]


class SandboxSlack:
    """A workspace and the HTTP around it. `sandbox.server.Server` runs it; `url` is its address while it does."""

    def __init__(
        self,
        *,
        channels: Sequence[str] = ("#security", "#security-ops"),
        token: str = "xoxb-sandbox",  # noqa: S107  (opens nothing but this sandbox)
        app_token: str = "xapp-sandbox",  # noqa: S107  (nor does this)
        clock: Callable[[], float] = time.time,
        rate: Rate | None = None,
        scopes: str = SCOPES,
    ) -> None:
        self.token = token
        self.app_token = app_token
        self.channel = channels[0]
        self.url = ""
        self.space = Workspace(channels, clock=clock, rate=rate, scopes=scopes)
        self.faults = SlackFaults()
        self.calls: list[SlackCall] = []
        self.sockets = Sockets()
        self.hands = Hands(self.space, self.sockets, clock)
        self._clock = clock

    @property
    def api_url(self) -> str:
        """What `SLACK_API_URL` must be for alertbot to post here."""
        return f"{self.url}/api/"

    @property
    def webhook_url(self) -> str:
        """An incoming webhook of the first channel."""
        return self.url + _WEBHOOK

    @property
    def messages(self) -> list[Posted]:
        """Every message that stands, replies too, oldest first."""
        return self.space.messages

    def fault(self, **order: Any) -> int:
        """Orders a fault, see `SlackFault`; gives its number."""
        return self.faults.add(SlackFault(**order))

    def app(self) -> web.Application:
        """A new application over the same workspace."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/api/{method}", self._api),
                web.post("/api/{method}", self._api),
                web.post(_WEBHOOK, self._webhook),
                web.post("/services/{rest:.*}", _no_service),
                web.post("/upload/{number}", self._upload),
                web.get("/files/{number}", self._file),
                web.get("/link/{ticket}", self.sockets.serve),
                *self.hands.routes(),
                web.get("/sandbox", self._standing),
                web.get("/sandbox/page", self._page_part),
                web.get("/sandbox/messages", self._list_messages),
                web.delete("/sandbox/messages", self._forget_messages),
                web.get("/sandbox/requests", self._list_calls),
                web.post("/sandbox/faults", self._add_faults),
                web.delete("/sandbox/faults", self._drop_faults),
                web.delete("/sandbox/faults/{number:[0-9]+}", self._drop_faults),
                web.post("/sandbox/channels", self._put_channel),
                web.post("/sandbox/rate", self._set_rate),
            ]
        )
        app.on_shutdown.append(self._shut_down)
        return app

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            wanted = await _arguments(request, method)
        except slack_methods.Refused as refused:
            return self._refused(refused)
        token = _token(request, wanted)
        self._log(method, wanted)

        return await self.faults.answer(method, request, lambda: self._call(method, wanted, token))

    def _call(self, method: str, wanted: Mapping[str, Any], token: str | None) -> web.Response:
        needed = self.app_token if method == "apps.connections.open" else self.token
        if token != needed:
            wrong = "not_allowed_token_type" if token in (self.token, self.app_token) else "invalid_auth"
            return self._refused(slack_methods.Refused("not_authed" if token is None else wrong))
        self.space.url = self.url
        try:
            if method == "apps.connections.open":
                return self._answer({"ok": True, "url": f"ws{self.url.removeprefix('http')}/link/{self.sockets.ticket()}"})
            if method == "views.open":
                return self._answer({"ok": True, "view": self._open_form(wanted)})
            return self._answer(slack_methods.call(self.space, method, wanted))
        except slack_methods.Refused as refused:
            return self._refused(refused)

    def _open_form(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        wrong = view_refusal(wanted.get("view"))
        if wrong:
            raise slack_methods.Refused(wrong)
        form = self.hands.open_form(wanted.get("trigger_id"), wanted["view"])
        if form is None:
            raise slack_methods.Refused("expired_trigger_id")
        return {"id": form.id, "hash": form.hash, **form.view}

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        try:
            wanted = json.loads(text)
        except ValueError:
            wanted = None
        self._log("webhook", wanted if isinstance(wanted, dict) else {})

        return await self.faults.answer("webhook", request, lambda: self._take_from_webhook(wanted))

    def _take_from_webhook(self, wanted: object) -> web.Response:
        channel = self.space.channel(self.channel)
        if not isinstance(wanted, dict):
            return web.Response(text="invalid_payload", status=400)
        if channel is None:
            return web.Response(text="channel_not_found", status=404)
        if channel.archived:
            return web.Response(text="channel_is_archived", status=410)
        wrong = refusal(wanted)
        if wrong:
            return web.Response(text=wrong, status=400)
        wait = self.space.wait_for(channel)
        if wait is not None:
            return web.Response(text="rate_limited", status=429, headers={"Retry-After": str(wait)})
        ignored = {"metadata": None, "thread_ts": None, "user": None}
        self.space.post(channel, {**wanted, **ignored}, webhook=True)
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        return await self.faults.answer("upload", request, lambda: self._take_file(request.match_info["number"], content))

    def _take_file(self, number: str, content: bytes) -> web.Response:
        file = self.space.files.get(number)
        if file is None or len(content) != file.length:
            return web.Response(text="no such upload", status=400)
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _file(self, request: web.Request) -> web.Response:
        file = self.space.files.get(request.match_info["number"])
        if file is None or file.content is None:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type="text/plain", charset="utf-8", headers=_NO_STORE)

    def _log(self, method: str, wanted: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in wanted.items() if name != "token"}
        self.calls.append(SlackCall(len(self.calls) + 1, method, self._clock(), kept))

    def _answer(self, body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.json_response(body, status=status, headers={"X-OAuth-Scopes": self.space.scopes, **(headers or {})})

    def _refused(self, refused: slack_methods.Refused) -> web.Response:
        headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after is not None else {}
        return self._answer({"ok": False, "error": refused.code, **refused.more}, refused.status, headers)

    async def _shut_down(self, _app: web.Application) -> None:
        await self.sockets.close()
        await self.faults.close()

    async def _page(self, request: web.Request) -> web.Response:
        page = slack_page.page(self.space, request.query.get("channel", self.channel), self.hands.forms.values())
        return web.Response(text=page, content_type="text/html", headers=_NO_STORE | slack_page.POLICY)

    async def _page_part(self, request: web.Request) -> web.Response:
        version = self.space.version
        if request.query.get("version") == str(version):
            return web.json_response({"version": version}, headers=_NO_STORE)
        part = slack_page.channel_part(self.space, request.query.get("channel", self.channel))
        forms = slack_page.forms_part(self.hands.forms.values())
        return web.json_response({"version": version, "html": part, "forms": forms}, headers=_NO_STORE)

    async def _standing(self, _request: web.Request) -> web.Response:
        return _json(
            {
                "messages": len(self.messages),
                "calls": len(self.calls),
                "held": self.faults.held,
                "faults": {str(number): fault for number, fault in self.faults.standing().items()},
                "channels": [asdict(each) for each in self.space.channels.values()],
                "version": self.space.version,
            }
        )

    async def _list_messages(self, request: web.Request) -> web.Response:
        channel = self.space.channel(request.query.get("channel"))
        found = [
            asdict(each) | {"outbox_id": each.outbox_id}
            for each in self.messages
            if channel is None or each.channel == channel.id
        ]
        return _json({"messages": found})

    async def _forget_messages(self, _request: web.Request) -> web.Response:
        self.space.clear()
        return _json({})

    async def _list_calls(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after", "0"))
        return _json({"requests": self.calls[after:]})

    async def _add_faults(self, request: web.Request) -> web.Response:
        try:
            order = await request.json()
            orders = msgspec.convert(order if isinstance(order, list) else [order], list[SlackFault])
        except (ValueError, msgspec.ValidationError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return _json({"numbers": [self.faults.add(each) for each in orders]})

    async def _drop_faults(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        self.faults.release(int(number) if number else None)
        return _json({})

    async def _put_channel(self, request: web.Request) -> web.Response:
        order = await request.json()
        flags = {name: bool(order[name]) for name in ("private", "archived", "member") if name in order}
        return _json(asdict(self.space.add_channel(str(order["name"]), **flags)))

    async def _set_rate(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.space.rate = msgspec.convert(order, Rate) if order else None
        return _json({})


async def _arguments(request: web.Request, method: str) -> dict[str, Any]:
    wanted: dict[str, Any] = dict(request.query)
    if request.method == "GET" or not request.can_read_body:
        return wanted
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text())
        except ValueError:
            raise slack_methods.Refused("invalid_json") from None
        if not isinstance(body, dict):
            raise slack_methods.Refused("json_not_object")
        return wanted | (body if slack_methods.takes_json(method) else {})
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return wanted | {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    raise slack_methods.Refused("invalid_post_type")


def _token(request: web.Request, wanted: Mapping[str, Any]) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return token
    given = wanted.get("token") if request.content_type != "application/json" else None
    return given if isinstance(given, str) else None


async def _no_service(_request: web.Request) -> web.Response:
    return web.Response(text="no_service", status=404)


def _json(told: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(told), content_type="application/json", headers=_NO_STORE)
