"""The sandbox Slack brings presses as the real one does, so that what works here works there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from alertbot.sandbox import slack_page
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.sandbox.slack_workspace import Posted

BUTTON = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "v1"}
SELECT = {
    "type": "static_select",
    "action_id": "choose",
    "placeholder": {"type": "plain_text", "text": "Choose"},
    "options": [{"text": {"type": "plain_text", "text": "One"}, "value": "v1.one"}],
}
FORM = {
    "type": "modal",
    "callback_id": "form",
    "private_metadata": "m1",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "Send"},
    "close": {"type": "plain_text", "text": "Cancel"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Why"},
            "element": {"type": "plain_text_input", "action_id": "why"},
        }
    ],
}


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    sandbox = SandboxSlack()
    async with Server(sandbox):
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def message(slack: SandboxSlack) -> Posted:
    channel = slack.space.channel("#security")
    assert channel is not None
    return slack.space.post(channel, {"text": "x", "blocks": [{"type": "actions", "elements": [BUTTON, SELECT]}]})


async def called(http: aiohttp.ClientSession, slack: SandboxSlack, method: str, token: str, **wanted: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{slack.api_url}{method}", headers=headers, json=wanted) as answer:
        return await answer.json()


async def connected(http: aiohttp.ClientSession, slack: SandboxSlack) -> aiohttp.ClientWebSocketResponse:
    answer = await called(http, slack, "apps.connections.open", slack.app_token)
    return await http.ws_connect(answer["url"])


async def test_only_an_app_token_opens_a_connection(http: aiohttp.ClientSession, slack: SandboxSlack) -> None:
    refused = await called(http, slack, "apps.connections.open", slack.token)
    assert refused == {"ok": False, "error": "not_allowed_token_type"}
    ws = await connected(http, slack)
    hello = await ws.receive_json()
    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    await ws.close()


async def test_a_ticket_is_good_once(http: aiohttp.ClientSession, slack: SandboxSlack) -> None:
    url = (await called(http, slack, "apps.connections.open", slack.app_token))["url"]
    first = await http.ws_connect(url)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(url)
    await first.close()


async def test_a_press_comes_as_slack_sends_it_and_waits_for_its_acknowledgement(
    http: aiohttp.ClientSession, slack: SandboxSlack
) -> None:
    ws = await connected(http, slack)
    await ws.receive_json()
    posted = message(slack)
    pressing = asyncio.create_task(slack.hands.press(posted, "choose", option="one"))
    envelope = await ws.receive_json()
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("interactive", True)
    payload = envelope["payload"]
    assert payload["type"] == "block_actions"
    assert payload["actions"][0]["selected_option"]["value"] == "v1.one"
    assert payload["container"]["message_ts"] == posted.ts
    assert payload["user"]["username"] == "anna"
    assert not pressing.done()
    await ws.send_json({"envelope_id": envelope["envelope_id"]})
    assert (await pressing).payload == {}
    await ws.close()


async def test_a_form_opens_with_a_fresh_trigger_once_and_stays_open_while_something_is_wrong(
    http: aiohttp.ClientSession, slack: SandboxSlack
) -> None:
    ws = await connected(http, slack)
    await ws.receive_json()
    posted = message(slack)
    trigger = slack.hands.pressing(posted, "go")["trigger_id"]
    assert (await called(http, slack, "views.open", slack.token, trigger_id=trigger, view=FORM))["ok"]
    again = await called(http, slack, "views.open", slack.token, trigger_id=trigger, view=FORM)
    assert again["error"] == "expired_trigger_id"
    [form] = slack.hands.forms.values()
    for payload, left in (({"response_action": "errors", "errors": {"why": "Say why."}}, 1), ({}, 0)):
        sending = asyncio.create_task(slack.hands.send(form, {"why": "because"}))
        envelope = await ws.receive_json()
        assert envelope["payload"]["view"]["state"]["values"]["why"]["why"]["value"] == "because"
        await ws.send_json({"envelope_id": envelope["envelope_id"], "payload": payload})
        await sending
        assert len(slack.hands.forms) == left
    assert form.errors == {"why": "Say why."}
    await ws.close()


@pytest.mark.parametrize("broken", [{"type": "home"}, {**FORM, "title": {"type": "plain_text", "text": "x" * 25}}, None])
async def test_a_form_that_slack_would_refuse_is_refused(http: aiohttp.ClientSession, slack: SandboxSlack, broken: Any) -> None:
    trigger = slack.hands.pressing(message(slack), "go")["trigger_id"]
    assert not (await called(http, slack, "views.open", slack.token, trigger_id=trigger, view=broken))["ok"]


async def test_the_page_presses_for_the_person_that_it_names(http: aiohttp.ClientSession, slack: SandboxSlack) -> None:
    ws = await connected(http, slack)
    await ws.receive_json()
    posted = message(slack)
    order = {"user": "U024BE7LJ", "channel": posted.channel, "ts": posted.ts, "action_id": "go"}
    pressing = asyncio.create_task(http.post(f"{slack.url}/sandbox/press", json=order))
    envelope = await ws.receive_json()
    assert envelope["payload"]["user"]["id"] == "U024BE7LJ"
    await ws.send_json({"envelope_id": envelope["envelope_id"]})
    assert (await pressing).status == 200
    await ws.close()
    async with http.post(f"{slack.url}/sandbox/press", json={**order, "action_id": "nothing"}) as answer:
        assert answer.status == 404


async def test_the_page_has_buttons_people_whispers_and_forms(http: aiohttp.ClientSession, slack: SandboxSlack) -> None:
    posted = message(slack)
    slack.space.post(slack.space.channels[posted.channel], {"text": "psst", "user": "U024BE7LJ"})
    trigger = slack.hands.pressing(posted, "go")["trigger_id"]
    slack.hands.open_form(trigger, FORM)
    async with http.get(slack.url) as answer:
        page = await answer.text()
    assert '<button data-action="go">' in page
    assert '<option value="v1.one">' in page
    assert "Only ben sees this" in page
    assert '<option value="U024BE7LK">carla</option>' in page
    assert 'data-form="V' in page
    async with http.get(f"{slack.url}/sandbox/page") as answer:
        part = json.loads(await answer.text())
    assert part["forms"] == slack_page.forms_part(slack.hands.forms.values())
