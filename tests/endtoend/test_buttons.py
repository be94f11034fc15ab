"""People press buttons and the real program does what they say, once, for those who may, and shows what became of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import yaml

from alertbot.incidents import Incident
from alertbot.sandbox.slack_hands import elements
from alertbot.sandbox.slack_workspace import Posted
from tests.endtoend.world import World, words, world

ANNA, BEN, CARLA = "U024BE7LH", "U024BE7LJ", "U024BE7LK"
SLACK = {"responders": ["S0614TZR7"], "end_sessions": [ANNA]}


def buttons(message: Posted) -> list[str]:
    """What can be pressed at a message."""
    return [element["action_id"].removeprefix("alertbot.") for _, element in elements(message)]


async def told_of_anna(office: World) -> Posted:
    office.fail("anna@example.com", 3)
    return await office.told("HIGH · Password guessing")


def incident(office: World) -> Incident:
    with office.store() as store:
        [found] = store.incidents()
    return found


def all_incidents(office: World) -> list[Incident]:
    with office.store() as store:
        return store.incidents()


def story(office: World) -> list[str]:
    """The reasons in the log of the first incident."""
    with office.store() as store:
        return [str(entry.reason) for entry in store.incident_log(store.incidents()[0].id)]


async def shows(office: World, message: Posted, text: str) -> None:
    await office.until(lambda: text in words(message), f"the message does not show {text!r}: {words(message)}")


async def whispered(office: World, text: str) -> Posted:
    found = office.slack.space.ephemeral
    await office.until(lambda: any(text in words(one) for one in found), f"nobody was told {text!r}: {found}")
    return next(one for one in found if text in words(one))


async def test_an_alert_is_acknowledged_resolved_undone_and_reopened_in_place(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(slack=SLACK)
        bot = await office.start()
        await office.first_told()
        message = await told_of_anna(office)
        assert buttons(message) == ["acknowledge", "resolve", "silence", "end_sessions"]
        answer = await office.slack.hands.press(message, "alertbot.acknowledge", user=BEN)
        assert answer.after_s < 0.5
        await shows(office, message, f"<@{BEN}>* has it")
        assert buttons(message) == ["resolve", "silence", "undo", "end_sessions"]
        await office.slack.hands.press(message, "alertbot.resolve", user=ANNA, option="false_alarm")
        await shows(office, message, "Resolved as *false alarm*")
        assert buttons(message) == ["undo", "reopen", "end_sessions"]
        await office.slack.hands.press(message, "alertbot.undo", user=ANNA)
        await shows(office, message, f"<@{BEN}>* has it")
        await office.slack.hands.press(message, "alertbot.undo", user=BEN)
        await shows(office, message, "Undone: nobody has it")
        await office.slack.hands.press(message, "alertbot.resolve", user=ANNA, option="real")
        await shows(office, message, "Resolved as *real*")
        await office.slack.hands.press(message, "alertbot.reopen", user=BEN)
        await shows(office, message, "Reopened by")
        await office.settled()
        await office.stop(bot)
        assert story(office) == ["opened", "acknowledged", "resolved", "undone", "undone", "resolved", "reopened"]
        assert len(office.about("Password guessing")) == 1
        office.count().agrees()


async def test_who_is_no_responder_is_refused_alone_and_recorded(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(slack=SLACK)
        bot = await office.start()
        await office.first_told()
        message = await told_of_anna(office)
        await office.slack.hands.press(message, "alertbot.acknowledge", user=CARLA)
        refused = await whispered(office, "not among the responders")
        assert refused.seen_by == CARLA
        await office.slack.hands.press(message, "alertbot.end_sessions", user=BEN)
        assert (await whispered(office, "does not name you")).seen_by == BEN
        await office.settled()
        await office.stop(bot)
        assert incident(office).work == "new"
        assert story(office) == ["opened", "refused", "refused"]
        assert not office.portal.ended_sessions


async def test_sessions_are_ended_once_however_many_press(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(slack={**SLACK, "end_sessions": [ANNA, BEN]})
        bot = await office.start()
        await office.first_told()
        message = await told_of_anna(office)
        presses = [office.slack.hands.press(message, "alertbot.end_sessions", user=user) for user in (ANNA, BEN, ANNA, BEN)]
        await asyncio.gather(*presses)
        await shows(office, message, "All sessions ended")
        await office.settled()
        await office.stop(bot)
        assert office.portal.ended_sessions == ["u-anna"]
        assert "end_sessions" not in buttons(message)
        assert story(office).count("sessions_ended") == 1


async def test_a_silence_holds_back_what_comes_and_its_end_tells_it(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(slack=SLACK)
        bot = await office.start()
        await office.first_told()
        message = await told_of_anna(office)
        await office.slack.hands.press(message, "alertbot.silence", user=ANNA)
        await office.until(lambda: bool(office.slack.hands.forms), "no form was opened")
        [form] = office.slack.hands.forms.values()
        wrong = await office.slack.hands.send(form, {"what": "rule", "long": "date", "why": ""})
        assert set(wrong.payload["errors"]) == {"why", "until"}
        await office.slack.hands.send(form, {"what": "rule", "long": "8h", "why": "a test of ours"})
        await shows(office, message, "Silenced until")
        office.fail("ben@example.com", 4)
        await office.until(lambda: len(all_incidents(office)) == 2, "there is no second incident")
        office.fail("anna@example.com", 2)
        await office.until(lambda: sum(one.count for one in all_incidents(office)) == 9, "not counted")
        await office.settled()
        assert len(office.about("Password guessing")) == 1
        await office.slack.hands.press(message, "alertbot.lift", user=BEN)
        await office.told("Silence lifted by ben")
        await office.told("HIGH · Password guessing · ben@example.com")
        await office.settled()
        await office.stop(bot)
        remark = office.about("Silence lifted by ben")[0]
        assert "held back: 2 incidents, 6 events · 2 still going on" in remark.text
        office.count().agrees()


async def test_an_expected_alert_becomes_a_wish_with_an_exception_to_paste(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(slack=SLACK)
        bot = await office.start()
        await office.first_told()
        message = await told_of_anna(office)
        await office.slack.hands.press(message, "alertbot.resolve", user=ANNA, option="expected")
        await office.until(lambda: bool(office.slack.hands.forms), "no form was opened")
        [form] = office.slack.hands.forms.values()
        await office.slack.hands.send(form, {"word": "her new phone"})
        await shows(office, message, "Resolved as *expected*")
        offered = await office.told("Expected from now on?")
        assert offered.thread_ts == message.ts
        await office.settled()
        await office.stop(bot)
        with office.store() as store:
            [wish] = store.wishes()
        entry: dict[str, Any] = yaml.safe_load(wish.entry)
        assert entry["except"][0]["match"] == {"account": "u-anna", "ip": "203.0.113.7"}
        assert entry["except"][0]["why"] == "her new phone (anna)"
