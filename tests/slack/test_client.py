"""One call to Slack: done, or the class of error that says what to do next. Over real HTTP, against the sandbox Slack."""

from __future__ import annotations

import asyncio
import socket
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from alertbot.errors import (
    SlackCredential,
    SlackError,
    SlackGone,
    SlackNeverLeft,
    SlackNotNow,
    SlackPayload,
    SlackPlace,
    SlackUnknownOutcome,
    SlackWait,
)
from alertbot.outbox import Message, Place
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.slack import answers
from alertbot.slack.client import REPEAT, SlackClient, WebhookClient
from alertbot.slack.message import notice

HEADER = {"type": "header", "text": {"type": "plain_text", "text": "HIGH", "emoji": False}}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*Who*", "verbatim": True}}
MESSAGE = Message(text="HIGH · title", blocks=(HEADER, SECTION), colour="#e8590c")
SHORT = timedelta(seconds=0.2)


@pytest.fixture
async def slack():
    sandbox = SandboxSlack()
    async with Server(sandbox):
        yield sandbox


@pytest.fixture
async def client(slack):
    async with SlackClient(slack.token, api_url=slack.api_url) as made:
        yield made


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


async def failure_of(call) -> SlackError:
    with pytest.raises(SlackError) as caught:
        await call
    return caught.value


async def test_a_post_says_where_it_stands_and_carries_nothing_but_an_opaque_id(slack, client):
    place = await client.post("#security", MESSAGE, outbox_id="abc")
    (posted,) = slack.messages
    assert place == Place(posted.channel, posted.ts)
    assert posted.metadata == {"event_type": "alertbot_message", "event_payload": {"id": "abc"}}


async def test_blocks_up_to_the_header_stand_above_the_coloured_bar(slack, client):
    await client.post("#security", MESSAGE, outbox_id="abc")
    (posted,) = slack.messages
    assert posted.blocks == [HEADER]
    assert [(bar["color"], bar["blocks"]) for bar in posted.attachments] == [("#e8590c", [SECTION])]


async def test_nothing_in_a_post_is_parsed_or_unfurled(slack, client):
    await client.post("#security", MESSAGE, outbox_id="abc")
    sent = slack.calls[-1].arguments
    wanted = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False, "mrkdwn": False}
    assert {name: sent[name] for name in wanted} == wanted


async def test_an_update_sends_all_that_slack_would_forget(slack, client):
    place = await client.post("#security", MESSAGE, outbox_id="abc")
    await client.update(place.channel, place.ts, Message(text="over"))
    (posted,) = slack.messages
    assert (posted.text, posted.blocks, posted.attachments) == ("over", [], [])
    assert posted.outbox_id == "abc"
    sent = slack.calls[-1].arguments
    assert (sent["parse"], sent["link_names"]) == ("none", False)


async def test_a_message_is_found_by_its_id_across_pages_and_in_threads(slack, client):
    first = await client.post("#security", MESSAGE, outbox_id="first")
    reply = await client.post("#security", MESSAGE, outbox_id="reply", thread_ts=first.ts)
    channel = slack.space.channel("#security")
    for number in range(450):
        slack.space.post(channel, {"text": "noise", "metadata": {"event_type": "other", "event_payload": {"id": f"{number}"}}})
    async with SlackClient(slack.token, api_url=slack.api_url) as fresh:  # it has to learn the channel's id
        assert await fresh.find("#security", "first", since=long_ago()) == first
        assert await fresh.find("#security", "7", since=long_ago()) is None
        assert await fresh.find("#security", "reply", since=long_ago()) is None
        assert await fresh.find("#security", "reply", since=long_ago(), thread_ts=first.ts) == reply
        assert await fresh.find("#security", "first", since=datetime.now(UTC) + timedelta(hours=1)) is None


async def test_a_channel_that_slack_does_not_show_is_a_wrong_place(client):
    assert isinstance(await failure_of(client.find("#nowhere", "x", since=long_ago())), SlackPlace)


async def test_the_identity_tells_team_and_scopes(client):
    identity = await client.identity()
    assert identity.team == "Sandbox"
    assert "chat:write" in identity.scopes


CLASSES = {
    SlackWait: ["ratelimited", "rate_limited"],
    SlackUnknownOutcome: ["fatal_error", "internal_error"],
    SlackNotNow: [
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "org_login_required",
        "message_limit_exceeded",
    ],
    SlackPayload: [
        "msg_too_long",
        "msg_blocks_too_long",
        "invalid_blocks",
        "invalid_blocks_format",
        "no_text",
        "too_many_attachments",
        "attachment_payload_limit_exceeded",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_too_large",
        "invalid_arguments",
        "a_code_that_is_new",
    ],
    SlackPlace: [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "restricted_action_read_only_channel",
        "messages_tab_disabled",
    ],
    SlackCredential: [
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "access_denied",
        "accesslimited",
        "ekm_access_denied",
    ],
    SlackGone: ["message_not_found", "cant_update_message", "edit_window_closed"],
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
async def test_each_code_is_of_its_class(slack, client, kind, code):
    slack.fault(error=code)
    error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert type(error) is kind
    assert error.code == code
    assert slack.messages == []
    if isinstance(error, SlackUnknownOutcome):
        assert error.answered


@pytest.mark.parametrize("answer", ["html", "empty", "cut", "list"])
@pytest.mark.parametrize("status", [200, 502])
async def test_an_answer_that_cannot_be_read_counts_as_an_answer(slack, client, answer, status):
    slack.fault(answer=answer, recorded="yes", status=status)
    error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert isinstance(error, SlackUnknownOutcome)
    assert error.answered
    assert await client.find("#security", "abc", since=long_ago()) is not None


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("recorded", ["yes", "no"])
async def test_a_server_error_leaves_the_outcome_unknown(slack, client, status, recorded):
    slack.fault(answer="status", status=status, recorded=recorded)
    error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert isinstance(error, SlackUnknownOutcome)
    assert error.answered
    assert len(slack.messages) == (recorded == "yes")


async def test_too_many_calls_tell_how_long_to_wait(slack, client):
    slack.fault(answer="status", status=429, retry_after=7)
    error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert isinstance(error, SlackWait)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("told", ["", "soon", "-1", "nan", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_no_number_is_a_short_one(told):
    error = answers.of_body("chat.postMessage", 429, {"Retry-After": told}, None)
    assert isinstance(error, SlackWait)
    assert error.retry_after == timedelta(seconds=1)


async def test_no_answer_in_time_leaves_the_outcome_unknown(slack):
    slack.fault(answer="silence", recorded="late")
    async with SlackClient(slack.token, api_url=slack.api_url, timeout=SHORT) as client:
        error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert isinstance(error, SlackUnknownOutcome)
    assert not error.answered
    assert slack.messages == []
    slack.faults.release()
    await slack.space.until(lambda messages: len(messages) == 1)


@pytest.mark.parametrize("recorded", ["yes", "no"])
async def test_a_reset_leaves_the_outcome_unknown(slack, client, recorded):
    slack.fault(answer="reset", recorded=recorded)
    error = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert isinstance(error, SlackUnknownOutcome)
    assert not error.answered
    assert len(slack.messages) == (recorded == "yes")


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_what_could_not_connect_never_left():
    url = f"http://127.0.0.1:{closed_port()}"
    async with SlackClient("xoxb-secret", api_url=f"{url}/api/") as client, WebhookClient(f"{url}/services/secret") as webhook:
        for call in (client.post("#security", MESSAGE, outbox_id="abc"), webhook.post(MESSAGE)):
            error = await failure_of(call)
            assert isinstance(error, SlackNeverLeft)
            assert "secret" not in str(error)


async def test_a_call_is_made_once_whatever_the_answer(slack, client):
    slack.fault(answer="status", status=429, retry_after=0, times=None)
    await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
    assert len(slack.calls) == 1


async def test_a_missing_scope_is_named(slack):
    slack.space.scopes = "chat:write"
    async with SlackClient(slack.token, api_url=slack.api_url) as client:
        error = await failure_of(client.find("C1ABC", "x", since=long_ago()))
    assert isinstance(error, SlackCredential)
    assert "channels:history" in str(error)
    assert "has chat:write" in str(error)


async def test_no_error_and_no_repr_holds_a_secret(slack):
    async with SlackClient("xoxb-very-secret", api_url=slack.api_url) as client:
        assert "secret" not in repr(client)
        error: BaseException | None = await failure_of(client.post("#security", MESSAGE, outbox_id="abc"))
        assert isinstance(error, SlackCredential)
        while error is not None:
            assert "secret" not in f"{error!r} {error}"
            error = error.__cause__ or error.__context__
    assert "B0SANDBOX" not in repr(WebhookClient(slack.webhook_url))


async def test_a_webhook_posts_and_a_repeat_says_that_it_may_be_one(slack):
    async with WebhookClient(slack.webhook_url) as webhook:
        await webhook.post(MESSAGE)
        await webhook.post(MESSAGE, maybe_repeat=True)
        await webhook.post(notice("plain"), maybe_repeat=True)
    first, second, third = slack.messages
    assert REPEAT not in first.text
    assert second.text.startswith(REPEAT)
    assert second.blocks[0]["elements"][0]["text"] == REPEAT
    assert second.blocks[1] == HEADER
    assert third.blocks[0]["elements"][0]["text"] == REPEAT


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "invalid_payload", SlackPayload),
        (400, "invalid_blocks", SlackPayload),
        (400, "no_text", SlackPayload),
        (403, "action_prohibited", SlackPlace),
        (403, "invalid_token", SlackCredential),
        (404, "channel_not_found", SlackPlace),
        (404, "no_service", SlackCredential),
        (410, "channel_is_archived", SlackPlace),
        (429, "rate_limited", SlackWait),
        (500, "rollup_error", SlackUnknownOutcome),
        (500, "<html>", SlackUnknownOutcome),
        (200, "", SlackUnknownOutcome),
        (302, "", SlackUnknownOutcome),
    ],
)
def test_each_answer_of_a_webhook_is_of_its_class(status, words, kind):
    assert type(answers.of_text("the webhook", status, {}, words)) is kind


async def test_a_webhook_that_is_gone_or_broken_is_told_by_class(slack):
    async with WebhookClient(f"{slack.url}/services/T/B/gone") as webhook:
        error = await failure_of(webhook.post(MESSAGE))
        assert isinstance(error, SlackCredential)
        assert "gone" not in str(error)
    async with WebhookClient(slack.webhook_url, timeout=SHORT) as webhook:
        slack.fault(method="webhook", answer="reset", recorded="yes")
        slack.fault(method="webhook", answer="silence")
        for _ in range(2):
            error = await failure_of(webhook.post(MESSAGE))
            assert isinstance(error, SlackUnknownOutcome)
            assert not error.answered
    slack.faults.release()


async def test_a_proxy_of_the_environment_is_not_asked_for_what_it_must_not_see(slack, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    async with SlackClient(slack.token, api_url=slack.api_url) as client:
        await client.post("#security", MESSAGE, outbox_id="abc")
    assert len(slack.messages) == 1


async def test_a_slack_on_this_machine_is_never_asked_through_a_proxy(slack, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    async with SlackClient(slack.token, api_url=slack.api_url) as client, WebhookClient(slack.webhook_url) as webhook:
        await client.post("#security", MESSAGE, outbox_id="abc")
        await webhook.post(MESSAGE)
    assert len(slack.messages) == 2


async def test_calls_side_by_side_share_one_connection_pool(slack, client):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await asyncio.gather(*(client.post("#security", MESSAGE, outbox_id=f"{number}") for number in range(20)))
    assert len({each.outbox_id for each in slack.messages}) == 20
