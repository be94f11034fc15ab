"""The sandbox Slack answers as Slack would, fails as it is told to, and keeps all that was posted."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.sandbox.slack_workspace import Rate

TEXT = {"type": "mrkdwn", "text": "hello"}


@pytest.fixture
async def slack():
    sandbox = SandboxSlack()
    async with Server(sandbox):
        yield sandbox


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def call(http, slack, method, token=None, **wanted):
    headers = {"Authorization": f"Bearer {token or slack.token}"}
    writes = method.startswith("chat.")
    sent = {"json": wanted} if writes else {"params": {name: str(value) for name, value in wanted.items()}}
    async with http.post(f"{slack.api_url}{method}", headers=headers, **sent) as answer:
        assert answer.status in (200, 429)
        return await answer.json()


async def test_a_wrong_token_is_an_error_with_status_200(http, slack):
    assert await call(http, slack, "auth.test", token="xoxb-wrong") == {"ok": False, "error": "invalid_auth"}
    async with http.post(f"{slack.api_url}auth.test") as answer:
        assert (await answer.json())["error"] == "not_authed"


async def test_forms_are_taken_as_well_as_json(http, slack):
    form = {"token": slack.token, "channel": "security", "blocks": json.dumps([{"type": "section", "text": TEXT}])}
    async with http.post(f"{slack.api_url}chat.postMessage", data=form) as answer:
        assert (await answer.json())["ok"]
    assert slack.messages[0].blocks == [{"type": "section", "text": TEXT}]


async def test_methods_that_read_ignore_json(http, slack):
    headers = {"Authorization": f"Bearer {slack.token}"}
    body = {"channel": slack.space.channel("#security").id}
    async with http.post(f"{slack.api_url}conversations.history", json=body, headers=headers) as answer:
        assert (await answer.json())["error"] == "channel_not_found"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"channel": "#nowhere"}, "channel_not_found"),
        ({"channel": "#private"}, "channel_not_found"),
        ({"channel": "#closed"}, "is_archived"),
        ({"channel": "#strangers"}, "not_in_channel"),
        ({"text": " "}, "no_text"),
        ({"thread_ts": "1.2"}, "thread_not_found"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "divider", "block_id": "a"}] * 2}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": TEXT}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": TEXT | {"emoji": True}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [TEXT] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2_001}]}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "sausage"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "actions", "elements": [{"type": "button", "text": TEXT}]}]}, "invalid_blocks"),
        ({"blocks": "{"}, "invalid_blocks_format"),
        ({"attachments": [{"blocks": [{"type": "section"}]}]}, "invalid_blocks"),
        ({"attachments": [{}] * 101}, "too_many_attachments"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
    ],
)
async def test_what_slack_refuses_is_refused(http, slack, change, code):
    slack.space.add_channel("private", private=True, member=False)
    slack.space.add_channel("closed", archived=True)
    slack.space.add_channel("strangers", member=False)
    answer = await call(http, slack, "chat.postMessage", **({"channel": "#security", "text": "hello"} | change))
    assert answer["error"] == code
    assert slack.messages == []


async def test_metadata_comes_back_only_when_asked_for(http, slack):
    metadata = {"event_type": "x", "event_payload": {"id": "1"}}
    posted = await call(http, slack, "chat.postMessage", channel="#security", text="hello", metadata=metadata)
    history = await call(http, slack, "conversations.history", channel=posted["channel"])
    assert "metadata" not in history["messages"][0]
    history = await call(http, slack, "conversations.history", channel=posted["channel"], include_all_metadata=True)
    assert history["messages"][0]["metadata"] == metadata


async def test_history_is_newest_first_in_pages_without_replies(http, slack):
    first = await call(http, slack, "chat.postMessage", channel="#security", text="0")
    await call(http, slack, "chat.postMessage", channel="#security", text="reply", thread_ts=first["ts"])
    for number in range(1, 5):
        await call(http, slack, "chat.postMessage", channel="#security", text=f"{number}")
    page = await call(http, slack, "conversations.history", channel=first["channel"], limit=3)
    assert [each["text"] for each in page["messages"]] == ["4", "3", "2"]
    cursor = page["response_metadata"]["next_cursor"]
    page = await call(http, slack, "conversations.history", channel=first["channel"], limit=3, cursor=cursor)
    assert [each["text"] for each in page["messages"]] == ["1", "0"]
    assert not page["has_more"]
    thread = await call(http, slack, "conversations.replies", channel=first["channel"], ts=first["ts"])
    assert [each["text"] for each in thread["messages"]] == ["0", "reply"]
    late = await call(http, slack, "conversations.history", channel=first["channel"], oldest=first["ts"])
    assert [each["text"] for each in late["messages"]] == ["4", "3", "2", "1"]


async def test_an_update_forgets_what_it_is_not_given(http, slack):
    posted = await call(
        http, slack, "chat.postMessage", channel="#security", text="a", blocks=[{"type": "section", "text": TEXT}]
    )
    place = {"channel": posted["channel"], "ts": posted["ts"]}
    assert (await call(http, slack, "chat.update", **place, text="b"))["ok"]
    assert (slack.messages[0].text, slack.messages[0].blocks) == ("b", [])
    assert (await call(http, slack, "chat.update", **place, text="x" * 4_001))["error"] == "msg_too_long"
    assert (await call(http, slack, "chat.update", channel=posted["channel"], ts="1.2", text="b"))[
        "error"
    ] == "message_not_found"


async def test_a_channel_takes_only_so_many_posts_a_second(http):
    now = 1_000.0
    slack = SandboxSlack(rate=Rate(per_second=0.5, burst=2), clock=lambda: now)
    async with Server(slack):
        answers = [await call(http, slack, "chat.postMessage", channel="#security", text="x") for _ in range(3)]
        assert [answer["ok"] for answer in answers] == [True, True, False]
        assert answers[2]["error"] == "ratelimited"
        assert (await call(http, slack, "chat.postMessage", channel="#security-ops", text="x"))["ok"]
        now += 2
        assert (await call(http, slack, "chat.postMessage", channel="#security", text="x"))["ok"]
    assert len({each.ts for each in slack.messages}) == 4


async def test_a_webhook_posts_or_says_what_is_wrong_in_plain_text(http, slack):
    async with http.post(
        slack.webhook_url, json={"text": "hello", "thread_ts": "1", "metadata": {"event_type": "x", "event_payload": {}}}
    ) as answer:
        assert (answer.status, await answer.text()) == (200, "ok")
    assert (slack.messages[0].text, slack.messages[0].thread_ts, slack.messages[0].metadata) == ("hello", None, None)
    for body, said in ((b"{", "invalid_payload"), (b'{"text": ""}', "no_text")):
        async with http.post(slack.webhook_url, data=body) as answer:
            assert (answer.status, await answer.text()) == (400, said)
    async with http.post(f"{slack.url}/services/T/B/C", json={"text": "hello"}) as answer:
        assert (answer.status, await answer.text()) == (404, "no_service")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_held_call_goes_on_although_its_caller_is_gone(http, slack, moment):
    number = slack.fault(answer="ok", hold=moment)
    caller = asyncio.create_task(call(http, slack, "chat.postMessage", channel="#security", text="x"))
    await slack.faults.until_held()
    assert len(slack.messages) == (moment == "after")
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    slack.faults.release(number)
    await slack.space.until(lambda messages: len(messages) == 1)


async def test_faults_are_ordered_and_messages_read_from_another_process(http, slack):
    order = [
        {"answer": "error", "error": "is_archived", "skip": 1},
        {"method": "conversations.*", "answer": "status", "status": 429},
    ]
    async with http.post(f"{slack.url}/sandbox/faults", json=order) as answer:
        assert await answer.json() == {"numbers": [1, 2]}
    answers = [await call(http, slack, "chat.postMessage", channel="#security", text=text) for text in "abc"]
    assert [answer["ok"] for answer in answers] == [True, False, True]
    assert (await call(http, slack, "conversations.list"))["error"] == "ratelimited"
    async with http.get(f"{slack.url}/sandbox/messages", params={"channel": "#security"}) as answer:
        assert [each["text"] for each in (await answer.json())["messages"]] == ["a", "c"]
    async with http.get(f"{slack.url}/sandbox/requests", params={"after": "3"}) as answer:
        assert [each["method"] for each in (await answer.json())["requests"]] == ["conversations.list"]
    async with http.get(f"{slack.url}/sandbox") as answer:
        assert (await answer.json())["messages"] == 2
    async with http.post(f"{slack.url}/sandbox/faults", json={"answer": "shrug"}) as answer:
        assert answer.status == 400
        assert "shrug" in (await answer.json())["error"]


async def test_orders_from_outside_change_channels_and_rate_and_forget_messages(http, slack):
    async with http.post(f"{slack.url}/sandbox/channels", json={"name": "#security", "archived": True}) as answer:
        assert (await answer.json())["archived"]
    assert (await call(http, slack, "chat.postMessage", channel="#security", text="x"))["error"] == "is_archived"
    async with http.post(f"{slack.url}/sandbox/rate", json={"per_second": 1, "burst": 1}) as answer:
        assert answer.status == 200
    answers = [await call(http, slack, "chat.postMessage", channel="#security-ops", text="x") for _ in range(2)]
    assert [answer["ok"] for answer in answers] == [True, False]
    async with http.delete(f"{slack.url}/sandbox/messages") as answer:
        assert answer.status == 200
    assert slack.messages == []


async def test_a_missing_scope_is_told_with_what_is_needed_and_provided(http):
    slack = SandboxSlack(scopes="chat:write")
    async with Server(slack):
        answer = await call(http, slack, "conversations.list")
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "channels:read,groups:read",
        "chat:write",
    )


async def test_no_token_is_kept_in_the_log_of_calls(http, slack):
    form = {"token": "xoxb-very-secret", "channel": "security"}
    async with http.post(f"{slack.api_url}chat.postMessage", data=form) as answer:
        assert answer.status == 200
    assert "secret" not in repr(slack.calls)
