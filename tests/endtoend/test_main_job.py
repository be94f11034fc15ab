"""Real logins in, Slack messages out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from alertbot.sandbox.faults import Fault, FaultKind
from tests.endtoend.world import block_words, words, world


async def test_history_is_read_and_counted_and_none_of_it_is_sent(tmp_path: Path) -> None:
    async with world(tmp_path, history=250) as office:
        for number in range(3):
            office.fail(f"old{number}@example.com", 3, ago=7_200 - number)
        for number in range(5):
            office.fail(f"sprayed{number}@example.com", ip="192.0.2.9", ago=3_600 - number)
        bot = await office.start()
        first = await office.first_told()
        await office.settled()
        await office.stop(bot)
        assert "3 rules" in first.text
        assert "264 events" in first.text
        assert "3 high, 1 medium found in that time, none of it sent" in first.text
        [reply] = office.slack.space.replies(first.ts)
        assert "HIGH · 3 × Password guessing" in words(reply)
        assert "MEDIUM · 1 × One address tries many accounts" in words(reply)
        assert len(office.slack.messages) == 2
        count = office.count()
        count.agrees()
        assert not count.incidents


async def test_a_portal_without_history_is_watched_from_its_first_event_on(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        bot = await office.start()
        first = await office.first_told()
        assert "nothing to alert on in that time" in first.text
        office.fail("anna@example.com", 3)
        await office.told("HIGH · Password guessing")
        await office.settled()
        await office.stop(bot)
        office.count().agrees()


async def test_an_attack_is_told_within_the_poll_interval_and_a_second(tmp_path: Path) -> None:
    took = []
    async with world(tmp_path, history=250) as office:
        bot = await office.start()
        await office.first_told()
        for number in range(4):
            began = time.monotonic()
            office.fail(f"victim{number}@example.com", 3)
            await office.told(f"victim{number}@example.com")
            took.append(time.monotonic() - began)
        await office.settled()
        await office.stop(bot)
        office.count().agrees()
    print(f"\nfrom the portal to Slack, polled each second: {', '.join(f'{seconds:.2f} s' for seconds in took)}")
    assert max(took) < 3  # a second's poll and a second; the third is for machines that do much else


async def test_each_message_says_who_what_where_and_when_in_its_text_and_in_its_blocks(tmp_path: Path) -> None:
    async with world(tmp_path, history=10) as office:
        bot = await office.start()
        await office.first_told()
        office.fail(" ANNA@example.com", 3, ip="203.0.113.7")
        known = await office.told("Password guessing")
        office.fail("root", 4, ip="203.0.113.8", ago=1)
        typed = await office.told("root")
        office.enter("anna@example.com", ip="203.0.113.9")
        broken = await office.told("Failures, then a login")
        await office.settled()
        await office.stop(bot)
        for message, level, title, persons, address, times in (
            (known, "HIGH", "Password guessing", ("Anna Berg", "Anna@example.com"), "203.0.113.7", "3 failures"),
            (typed, "HIGH", "Password guessing", ("root",), "203.0.113.8", "4 failures"),
            (broken, "CRITICAL", "Failures, then a login", ("Anna Berg", "Anna@example.com"), "203.0.113.9", "4 "),
        ):
            incident = next(i for i in office.count().incidents if i.id in words(message))
            for said in (message.text, block_words(message)):
                assert level in said
                assert title in said
                assert persons[-1] in said
                assert address in said
                assert times in said
            assert all(person in block_words(message) for person in persons)
            for moment_us in (incident.first_us, incident.last_us):
                second = moment_us // 1_000_000
                assert f"{time.strftime('%H:%M', time.gmtime(second))}" in message.text
                assert str(second) in block_words(message), "a moment that Slack shows in the reader's own zone"


async def test_variables_alone_configure_it(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        (tmp_path / "alertbot.yaml").unlink()
        office.environment["ALERTBOT_STORE"] = "sqlite:///other.db"
        bot = await office.start()
        assert "3 rules" in (await office.first_told()).text
        await office.stop(bot)
    assert (tmp_path / "other.db").is_file()
    assert not (tmp_path / "alertbot.db").exists()


async def test_a_webhook_alone_is_enough(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.fail("old@example.com", 3, ago=7_200)
        for variable in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL", "SLACK_API_URL"):
            del office.environment[variable]
        office.environment["SLACK_WEBHOOK_URL"] = office.slack.webhook_url
        bot = await office.start()
        first = await office.first_told()
        assert "HIGH · 1 × Password guessing" in words(first), "the list is in the message"
        office.fail("anna@example.com", 3)
        message = await office.told("Anna Berg")
        assert message.text
        assert message.blocks
        await office.settled()
        await office.stop(bot)
        office.count().agrees(posts_once=False)
        assert len(office.slack.messages) == 2


@pytest.mark.parametrize("hanging", ["portal", "slack", "both"])
async def test_sigterm_ends_it_with_0_within_five_seconds_whoever_hangs(tmp_path: Path, hanging: str) -> None:
    async with world(tmp_path, history=3) as office:
        bot = await office.start()
        await office.first_told()
        if hanging != "portal":
            office.slack.fault(answer="silence", recorded="no", times=None)
            office.fail("anna@example.com", 3)
            await office.slack.faults.until_held()
        if hanging != "slack":
            office.portal.faults.add(Fault(kind=FaultKind.HOLD, times=None))
            await office.portal.faults.until_held()
        took = await office.stop(bot)
        print(f"\nSIGTERM while {hanging} hangs: {took:.1f} s")


async def test_sigterm_ends_it_while_nobody_has_answered_yet(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.portal.faults.add(Fault(kind=FaultKind.HOLD, times=None))
        bot = await office.start()
        await office.portal.faults.until_held()
        await office.stop(bot)
