"""The outbox is emptied into Slack over real sockets: whatever goes wrong, each message stands once."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alertbot.errors import StoreBusy
from alertbot.outbox import Message, Policy, priority_of
from alertbot.slack.pace import Pace
from alertbot.slack.trouble import Troubles
from alertbot.store.border import store_url as parsed
from alertbot.store.store import Store
from tests.conftest import Postgres
from tests.slack.posting import QUICK, Office, calls, entry, office, standing

ONE_AT_A_TIME = Pace(each=timedelta(milliseconds=1), burst=1, slow=timedelta(seconds=30))
SHORT = timedelta(seconds=0.25)


async def troubles(desk: Office) -> dict[str, str]:
    """What the store's note says: channel → Slack's code."""
    note = await desk.in_store(desk.store.meta, Troubles.KEY)
    return {trouble.channel: trouble.code for trouble in Troubles.read(note)}


async def test_each_entry_stands_once_and_the_store_knows_where(store_url: str) -> None:
    async with office(store_url) as desk:
        await desk.put(*(entry(f"o{n}", channel="#security" if n % 2 else "#security-ops") for n in range(20)))
        found = await desk.until_sent()
        assert sorted(standing(desk.slack)) == sorted(found)
        places = {message.outbox_id: (message.channel, message.ts) for message in desk.slack.messages}
        assert {e.id: (e.slack_channel, e.slack_ts) for e in found.values()} == places


async def test_what_is_urgent_passes_what_waits(tmp_path: Path) -> None:
    async with office(tmp_path, pace=ONE_AT_A_TIME) as desk:
        desk.slack.fault(answer="ok", hold="before")
        await desk.put(entry("first"))
        async with asyncio.timeout(10):
            await desk.slack.faults.until_held()
        await desk.put(entry("low", priority=priority_of("low")), entry("older"), entry("newer"))
        await desk.put(entry("critical", priority=priority_of("critical")))
        desk.slack.faults.release()
        await desk.until_sent()
        assert standing(desk.slack) == ["first", "critical", "older", "newer", "low"]


async def test_a_new_entry_is_on_its_way_within_50_ms(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        waits = []
        for number in range(8):
            await desk.put(entry(f"o{number}"))
            committed = time.time()
            await desk.until_sent()
            waits.append(desk.slack.calls[-1].at - committed)
        assert sorted(waits)[len(waits) // 2] < 0.05, waits


FAULTS: dict[str, dict[str, Any]] = {
    "500": {"answer": "status", "status": 500},
    "500 after it was done": {"answer": "status", "status": 500, "recorded": "yes"},
    "503 of a proxy": {"answer": "html", "status": 503},
    "internal_error": {"error": "internal_error"},
    "internal_error after it was done": {"error": "internal_error", "recorded": "yes"},
    "fatal_error after it was done": {"error": "fatal_error", "recorded": "yes"},
    "no answer": {"answer": "silence"},
    "no answer, though it was done": {"answer": "silence", "recorded": "yes"},
    "no answer, and done late": {"answer": "silence", "recorded": "late", "late_s": 0.5},
    "reset": {"answer": "reset"},
    "reset after it was done": {"answer": "reset", "recorded": "yes"},
    "a page instead of JSON": {"answer": "html", "recorded": "yes"},
    "an empty answer": {"answer": "empty", "recorded": "yes"},
    "half an answer": {"answer": "cut", "recorded": "yes"},
    "JSON of another kind": {"answer": "list", "recorded": "yes"},
    "429": {"answer": "status", "status": 429, "retry_after": 1},
    "ratelimited": {"error": "ratelimited"},
    "service_unavailable": {"error": "service_unavailable"},
    "request_timeout": {"error": "request_timeout"},
    "invalid_auth, for a while": {"error": "invalid_auth"},
    "invalid_blocks": {"error": "invalid_blocks"},
    "a code that nobody knows": {"error": "something_new"},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_whatever_slack_answers_each_entry_stands_once(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with office(tmp_path, patience=SHORT) as desk:
        desk.slack.fault(**fault, times=2)
        await desk.put(entry("o1"), entry("o2"), entry("o3", channel="#security-ops"))
        await desk.until_sent()
        assert sorted(standing(desk.slack)) == ["o1", "o2", "o3"]


DEATHS = [("claim", "after"), ("lookups", "after"), ("settle", "before"), ("settle", "after")]
OF_EACH_CLASS = (
    *("500 after it was done", "internal_error", "no answer", "no answer, and done late", "reset after it was done"),
    *("half an answer", "ratelimited", "service_unavailable", "invalid_auth, for a while", "invalid_blocks"),
)


@pytest.mark.parametrize("fault", OF_EACH_CLASS)
async def test_whatever_slack_answers_and_wherever_it_dies_each_entry_stands_once(tmp_path: Path, fault: str) -> None:
    async with office(tmp_path, patience=SHORT) as desk:
        desk.slack.fault(**FAULTS[fault], skip=1, times=2)
        desk.deaths = list(DEATHS)
        rising = asyncio.create_task(desk.rise())
        await desk.put(entry("o1"), entry("o2"), entry("o3", channel="#security-ops"))
        await desk.until_sent()
        rising.cancel()
        assert desk.deaths == []
        assert sorted(standing(desk.slack)) == ["o1", "o2", "o3"]


async def test_a_message_that_appears_late_is_found_and_not_sent_again(tmp_path: Path) -> None:
    async with office(tmp_path, patience=SHORT, policy=dataclasses.replace(QUICK, patience=timedelta(seconds=2))) as desk:
        number = desk.slack.fault(answer="silence", recorded="late")
        await desk.put(entry("o1"))
        await desk.until(lambda found: found["o1"].state == "unknown")
        assert standing(desk.slack) == []
        desk.slack.faults.release(number)
        await desk.until_sent()
        assert standing(desk.slack) == ["o1"]
        assert calls(desk.slack, "chat.postMessage") == 1


async def test_an_unknown_outcome_holds_up_nobody(tmp_path: Path) -> None:
    pace = Pace(each=timedelta(milliseconds=1), burst=100, slow=timedelta(seconds=0.05))
    async with office(tmp_path, pace=pace, patience=timedelta(seconds=60)) as desk:
        number = desk.slack.fault(answer="ok", hold="before")
        await desk.put(entry("held"), *(entry(f"o{n}") for n in range(5)))
        found = await desk.until_sent("o0", "o1", "o2", "o3", "o4")
        assert found["held"].state == "sending"
        desk.slack.faults.release(number)
        await desk.until_sent()
        assert sorted(standing(desk.slack)) == ["held", "o0", "o1", "o2", "o3", "o4"]


async def test_a_failed_look_is_not_taken_for_an_empty_channel(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.slack.fault(error="internal_error", recorded="yes")
        desk.slack.fault(method="conversations.history", answer="status", status=500, times=3)
        await desk.put(entry("o1"))
        await desk.until_sent()
        assert standing(desk.slack) == ["o1"]
        assert calls(desk.slack, "conversations.history") == 4


async def test_replies_and_updates_go_to_the_message_that_they_name(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put(
            entry("first"),
            entry("reply", kind="reply", thread_of="first", priority=0),
            entry("better", kind="correction", update_of="first"),
            entry("best", kind="correction", update_of="first", priority=0),
        )
        found = await desk.until_sent()
        first, reply = desk.slack.messages
        assert (first.outbox_id, first.text, first.edits) == ("first", "alert best", 2)
        assert (reply.outbox_id, reply.thread_ts) == ("reply", first.ts)
        assert found["best"].slack_ts == first.ts


async def test_a_reply_of_unknown_outcome_is_looked_for_in_its_thread(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.slack.fault(error="internal_error", recorded="yes", skip=1)
        await desk.put(entry("first"), entry("reply", thread_of="first"))
        await desk.until_sent()
        assert standing(desk.slack) == ["first", "reply"]
        assert calls(desk.slack, "conversations.replies") == 1


async def test_content_that_slack_refuses_stands_as_plain_text(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        broken = ({"type": "section", "text": {"type": "plain_text", "text": "x" * 3_001}},)
        message = Message(text="the alert", blocks=broken)
        await desk.put(entry("o1", message=message), entry("o2"))
        await desk.until_sent()
        texts = {each.outbox_id: (each.text, bool(each.blocks)) for each in desk.slack.messages}
        assert texts == {"o1": ("the alert", False), "o2": ("alert o2", True)}


async def test_a_channel_that_is_closed_to_the_bot_gives_way_to_the_fallback_and_is_noted(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.slack.space.add_channel("security", archived=True)
        await desk.put(entry("o1"))
        await desk.until_sent()
        (message,) = desk.slack.space.of("security-ops")
        assert message.text == "Meant for #security, where Slack does not let alertbot post.\nalert o1"
        assert await troubles(desk) == {"#security": "is_archived"}
        desk.slack.space.add_channel("security")
        await desk.put(entry("o2"))
        await desk.until_sent()
        await desk.stop()
        assert await troubles(desk) == {}


async def test_where_no_channel_takes_it_an_entry_waits_until_people_have_mended_it(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        for name in ("security", "security-ops"):
            desk.slack.space.add_channel(name, archived=True)
        await desk.put(entry("o1"))
        await desk.until(lambda found: found["o1"].attempts >= 2)
        desk.slack.space.add_channel("security")
        await desk.until_sent()
        assert [message.text for message in desk.slack.messages] == ["alert o1"]


async def test_a_wrong_token_holds_everything_and_is_noted_once(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        right, desk.slack.token = desk.slack.token, "xoxb-another"
        await desk.put(*(entry(f"o{n}", channel=f"#{n}") for n in range(30)))
        await desk.until(lambda found: sum(each.attempts for each in found.values()) >= 12)
        assert await troubles(desk) == {"": "invalid_auth"}
        for n in range(30):
            desk.slack.space.add_channel(str(n))
        desk.slack.token = right
        await desk.until_sent()
        assert len(set(standing(desk.slack))) == len(desk.slack.messages) == 30
        await desk.stop()
        assert await troubles(desk) == {}


async def test_after_hours_without_slack_everything_stands_once(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        server = desk.slack.server  # type: ignore[attr-defined]
        await server.stop()
        await desk.put(*(entry(f"o{n}", priority=n % 3) for n in range(40)))
        await desk.until(lambda found: sum(each.attempts for each in found.values()) >= 5)
        assert "no connection" in str(await desk.in_store(desk.store.meta, Troubles.KEY))
        await server.start()
        await desk.until_sent()
        order = standing(desk.slack)
        assert len(order) == len(set(order)) == 40
        assert [int(str(id_)[1:]) % 3 for id_ in order[1:]] == sorted(int(str(id_)[1:]) % 3 for id_ in order[1:])


async def test_a_crash_while_a_post_is_under_way_posts_it_once(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        for number, hold in enumerate(("before", "after")):
            desk.slack.fault(answer="ok", hold=hold)
            await desk.put(entry(f"o{number}"))
            async with asyncio.timeout(10):
                await desk.slack.faults.until_held()
            await desk.crash()
            assert (await desk.entries())[f"o{number}"].state == "sending"
            desk.slack.faults.release()
            desk.start()
            await desk.until_sent()
        assert standing(desk.slack) == ["o0", "o1"]


async def test_stopping_waits_for_what_is_under_way_and_begins_nothing_more(tmp_path: Path) -> None:
    async with office(tmp_path, pace=ONE_AT_A_TIME) as desk:
        number = desk.slack.fault(answer="ok", hold="after")
        await desk.put(entry("o1"), entry("o2"))
        async with asyncio.timeout(10):
            await desk.slack.faults.until_held()
        desk.delivery.stop()
        desk.slack.faults.release(number)
        await desk.stop()
        assert {each.id: each.state for each in (await desk.entries()).values()} == {"o1": "sent", "o2": "waiting"}


async def test_stopping_does_not_wait_for_a_slack_that_never_answers(tmp_path: Path) -> None:
    async with office(tmp_path, patience=timedelta(seconds=60)) as desk:
        desk.slack.fault(answer="silence", recorded="yes")
        await desk.put(entry("o1"))
        async with asyncio.timeout(10):
            await desk.slack.faults.until_held()
        start = time.monotonic()
        await desk.stop()
        assert time.monotonic() - start < 4.5
        assert (await desk.entries())["o1"].state == "sending"
        desk.start()
        await desk.until_sent()
        assert standing(desk.slack) == ["o1"]


async def test_what_was_posted_is_written_down_as_soon_as_the_store_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alertbot.store.database.BUSY_SECONDS", 0.05)
    async with office(tmp_path) as desk:
        number = desk.slack.fault(answer="ok", hold="after")
        await desk.put(entry("o1"))
        async with asyncio.timeout(10):
            await desk.slack.faults.until_held()
        other = sqlite3.connect(tmp_path / "alertbot.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        desk.slack.faults.release(number)
        async with asyncio.timeout(10):
            await desk.slack.space.until(lambda messages: len(messages) == 1)
        assert (await desk.entries())["o1"].state == "sending"
        other.execute("ROLLBACK")
        other.close()
        await desk.until_sent()
        assert calls(desk.slack, "chat.postMessage") == 1


async def test_delivery_ends_when_another_bot_has_the_store(postgres: Postgres) -> None:
    url = postgres.create(filled=True)
    async with office(url) as desk:
        await desk.put(entry("o1"))
        await desk.until_sent()
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{parsed(url).database}' AND pid <> pg_backend_pid()"
        )
        with Store.open(url, write=True) as another:
            another.announce([entry("o2")], {})
            desk.delivery.wake()
            assert desk.task is not None
            with pytest.raises(StoreBusy):
                await asyncio.wait_for(desk.task, 10)
            desk.task = None
        assert standing(desk.slack) == ["o1"]


WEBHOOK_FAULTS: dict[str, dict[str, Any]] = {
    "500": {"answer": "status", "status": 500},
    "500 after it was done": {"answer": "status", "status": 500, "recorded": "yes"},
    "no answer, though it was done": {"answer": "silence", "recorded": "yes"},
    "reset after it was done": {"answer": "reset", "recorded": "yes"},
}


@pytest.mark.parametrize("fault", WEBHOOK_FAULTS.values(), ids=WEBHOOK_FAULTS.keys())
async def test_through_a_webhook_it_stands_at_least_once_and_a_repeat_says_so(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with office(tmp_path, webhook=True, patience=SHORT) as desk:
        desk.slack.fault(method="webhook", **fault)
        await desk.put(entry("o1"), entry("o2"))
        await desk.until_sent()
        texts = [message.text for message in desk.slack.messages]
        assert [text for text in texts if "o2" in text] == ["alert o2"]
        first = [text for text in texts if "o1" in text]
        assert len(first) == (2 if fault.get("recorded") else 1)
        assert "may be a repeat" in first[-1]
        assert first[:-1] == ["alert o1"] * (len(first) - 1)


async def test_a_crash_while_posting_through_a_webhook_repeats_with_a_mark(tmp_path: Path) -> None:
    async with office(tmp_path, webhook=True) as desk:
        desk.slack.fault(method="webhook", answer="ok", hold="after")
        await desk.put(entry("o1"))
        async with asyncio.timeout(10):
            await desk.slack.faults.until_held()
        await desk.crash()
        desk.start()
        await desk.until_sent()
        plain, marked = [message.text for message in desk.slack.messages]
        assert plain == "alert o1"
        assert "may be a repeat" in marked


async def test_a_webhook_refuses_replies_and_updates_and_they_are_kept(tmp_path: Path) -> None:
    async with office(tmp_path, webhook=True) as desk:
        await desk.put(entry("first"), entry("reply", thread_of="first"), entry("update", update_of="first"))
        found = await desk.until(lambda found: all(each.state in ("sent", "refused") for each in found.values()))
        assert {each.id: each.state for each in found.values()} == {"first": "sent", "reply": "refused", "update": "refused"}
        assert "neither reply nor update" in str(found["reply"].error)
        assert len(desk.slack.messages) == 1


async def test_without_the_right_to_look_it_is_sent_again_in_the_end_and_marked(tmp_path: Path) -> None:
    async with office(tmp_path, policy=Policy(patience=timedelta(seconds=0.1), look_after=timedelta(seconds=0.01))) as desk:
        desk.slack.fault(error="internal_error", recorded="yes")
        desk.slack.fault(method="conversations.history", error="missing_scope", times=None)
        await desk.put(entry("o1"))
        await desk.until_sent()
        plain, marked = [message.text for message in desk.slack.messages]
        assert (plain, "may be a repeat" in marked) == ("alert o1", True)
