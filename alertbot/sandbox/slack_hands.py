"""The people of the sandbox Slack: what they press at a message, and the forms that they fill in.

In come a message, what of it is pressed and by whom; out goes the payload that Slack would make of it, on the app's socket. A
form that the app opens stands here until it is sent or given up. Over HTTP, for the page and for tests outside of the process:

    POST   /sandbox/press                 {"user", "channel", "ts", "action_id", "option"}
    POST   /sandbox/forms/NUMBER          {"values": {block_id: value}}: send a form; DELETE gives it up
    POST   /sandbox/people                {"id", "name", "real_name"}, POST /sandbox/groups {"id", "handle", "users"}
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from alertbot.sandbox.slack_socket import APP, Acknowledged, Sockets
from alertbot.sandbox.slack_workspace import TEAM, Posted, Workspace

TRIGGER_LASTS_S = 3.0
ACKNOWLEDGED_WITHIN_S = 3.0
_NOT_PRESSED = web.HTTPNotFound


@dataclass(slots=True)
class Form:
    """A view that an app opened for a person. `errors` are what the app found wrong with what was sent."""

    id: str
    user: str
    view: dict[str, Any]
    hash: str
    errors: dict[str, str] = field(default_factory=dict)


class Hands:
    """What people do here."""

    def __init__(self, space: Workspace, sockets: Sockets, clock: Callable[[], float] = time.time) -> None:
        self.forms: dict[str, Form] = {}
        self._space = space
        self._sockets = sockets
        self._clock = clock
        self._numbers = itertools.count(1)
        self._triggers: dict[str, tuple[str, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The same over HTTP."""
        return [
            web.post("/sandbox/press", self._press_over_http),
            web.post("/sandbox/forms/{number}", self._send_over_http),
            web.delete("/sandbox/forms/{number}", self._give_up_over_http),
            web.post("/sandbox/people", self._put_person),
            web.post("/sandbox/groups", self._put_group),
        ]

    # -- messages ------------------------------------------------------------------------------------------------------

    async def press(
        self, message: Posted, action_id: str, *, user: str = "U024BE7LH", option: str | None = None
    ) -> Acknowledged:
        """A person presses a button of a message, or chooses an option (by its last word); gives the acknowledgement."""
        payload = self.pressing(message, action_id, user=user, option=option)
        return await self._acknowledged(payload)

    def pressing(
        self, message: Posted, action_id: str, *, user: str = "U024BE7LH", option: str | None = None
    ) -> dict[str, Any]:
        """The payload of a press."""
        found = next((pair for pair in elements(message) if pair[1].get("action_id") == action_id), None)
        if found is None:
            raise LookupError(f"the message has no {action_id}")
        block, element = found
        now = self._clock()
        action = {
            "action_id": action_id,
            "block_id": block.get("block_id", ""),
            "type": element["type"],
            "action_ts": f"{now:.6f}",
        }
        if element["type"] == "static_select":
            chosen = next(one for one in element["options"] if option and one["value"].endswith(option))
            action["selected_option"] = chosen
        else:
            action |= {"text": element["text"], "value": element.get("value", "")}
        return {
            "type": "block_actions",
            "user": self._user(user),
            "api_app_id": APP,
            "token": "deprecated",
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                "is_ephemeral": message.seen_by is not None,
            },
            "trigger_id": self._trigger(user),
            "team": {"id": TEAM, "domain": "sandbox"},
            "channel": {"id": message.channel, "name": self._space.channels[message.channel].name},
            "message": {"ts": message.ts, "text": message.text},
            "actions": [action],
        }

    # -- forms ---------------------------------------------------------------------------------------------------------

    def open_form(self, trigger: object, view: Mapping[str, Any]) -> Form | None:
        """An app opens a form for whoever pressed; None where the trigger is too old, used, or none."""
        user, until = self._triggers.pop(str(trigger), ("", 0.0))
        if until < self._clock():
            return None
        form = Form(f"V{next(self._numbers):08d}", user, dict(view), f"{self._clock():.6f}")
        self.forms[form.id] = form
        self._space.touch()
        return form

    async def send(self, form: Form, values: Mapping[str, str]) -> Acknowledged:
        """A person sends a form with these answers. It stays open where the app finds something wrong."""
        answer = await self._acknowledged(self.sending(form, values))
        errors = answer.payload.get("errors") if answer.payload.get("response_action") == "errors" else None
        if errors:
            form.errors = dict(errors)
        else:
            self.forms.pop(form.id, None)
        self._space.touch()
        return answer

    def sending(self, form: Form, values: Mapping[str, str]) -> dict[str, Any]:
        """The payload of a form."""
        state = {
            block["block_id"]: {block["element"]["action_id"]: _answer(block["element"], values.get(block["block_id"]))}
            for block in form.view["blocks"]
            if block["type"] == "input"
        }
        kept = {key: form.view[key] for key in ("callback_id", "private_metadata", "type", "title")}
        view = {**kept, "id": form.id, "hash": form.hash, "team_id": TEAM, "app_id": APP, "state": {"values": state}}
        return {
            "type": "view_submission",
            "team": {"id": TEAM, "domain": "sandbox"},
            "user": self._user(form.user),
            "api_app_id": APP,
            "trigger_id": self._trigger(form.user),
            "view": view,
        }

    # ------------------------------------------------------------------------------------------------------------------

    async def _acknowledged(self, payload: Mapping[str, Any]) -> Acknowledged:
        sent = await self._sockets.send(payload)
        return await asyncio.wait_for(sent, ACKNOWLEDGED_WITHIN_S)

    def _trigger(self, user: str) -> str:
        number = f"t{next(self._numbers)}"
        self._triggers[number] = (user, self._clock() + TRIGGER_LASTS_S)
        return number

    def _user(self, user: str) -> dict[str, Any]:
        known = next((person for person in self._space.people if person["id"] == user), None)
        name = known["name"] if known else user.lower()
        return {"id": user, "username": name, "name": name, "team_id": TEAM}

    # -- over HTTP -----------------------------------------------------------------------------------------------------

    async def _press_over_http(self, request: web.Request) -> web.Response:
        order = await request.json()
        channel = self._space.channel(order.get("channel"))
        message = self._space.find(channel, order.get("ts")) if channel else None
        if message is None:
            raise _NOT_PRESSED
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await self.press(message, order["action_id"], user=order["user"], option=order.get("option"))
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        except TimeoutError:
            return web.json_response({"error": "The app did not answer. Is it connected?"}, status=504)
        return web.json_response({})

    async def _send_over_http(self, request: web.Request) -> web.Response:
        form = self.forms.get(request.match_info["number"])
        if form is None:
            raise _NOT_PRESSED
        try:
            answer = await self.send(form, (await request.json()).get("values", {}))
        except TimeoutError:
            return web.json_response({"error": "The app did not answer. Is it connected?"}, status=504)
        return web.json_response(answer.payload)

    async def _give_up_over_http(self, request: web.Request) -> web.Response:
        self.forms.pop(request.match_info["number"], None)
        self._space.touch()
        return web.json_response({})

    async def _put_person(self, request: web.Request) -> web.Response:
        order = await request.json()
        self._space.people = [person for person in self._space.people if person["id"] != order["id"]] + [order]
        self._space.touch()
        return web.json_response({})

    async def _put_group(self, request: web.Request) -> web.Response:
        order = await request.json()
        self._space.groups = [group for group in self._space.groups if group["id"] != order["id"]] + [order]
        return web.json_response({})


def elements(message: Posted) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Everything that can be pressed at a message, with the block that it stands in."""
    parts = [*message.blocks, *(block for attachment in message.attachments for block in attachment.get("blocks") or ())]
    for block in parts:
        for element in block.get("elements") or () if block.get("type") == "actions" else ():
            yield block, element


def _answer(element: Mapping[str, Any], value: str | None) -> dict[str, Any]:
    kind = element["type"]
    if kind == "radio_buttons":
        chosen = next((one for one in element["options"] if one["value"] == value), element.get("initial_option"))
        return {"type": kind, "selected_option": chosen}
    if kind == "datepicker":
        return {"type": kind, "selected_date": value or element.get("initial_date")}
    return {"type": kind, "value": value or None}
