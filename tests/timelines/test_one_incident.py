"""What on-call sees of one incident from its first minute to its last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alertbot.event import Event
from alertbot.rules.model import Burst, Each, FirstSeen, Raise, Sequence_, Step
from alertbot.store.store import Store
from tests.engine.build import FAILED, MINUTE, SUCCEEDED, event, rule, selection
from tests.timelines.telling import Story

GUESSING = replace(
    rule(Burst(3, 10 * MINUTE), name="guessing"), title="Password guessing", description="Somebody tries passwords. More.",
    raises=(Raise(selection(role="owner"), "critical"),),
)  # fmt: skip
ENTERED = replace(
    rule(Sequence_(30 * MINUTE, (Step(3, FAILED), Step(1, SUCCEEDED))), None, name="entered", inhibits=("guessing",)),
    title="Many failures, then a login",
    level="critical",
)


def failures(first: int, minute: float, count: int = 3, **more: object) -> list[Event]:
    return [event(first + n, timedelta(minutes=minute, seconds=10 * n), **more) for n in range(count)]


@pytest.fixture
def story(filled_sqlite_copy: Store) -> Story:
    return Story(filled_sqlite_copy, GUESSING, ENTERED)


async def test_one_message_lives_from_the_opening_to_the_end(story: Story) -> None:
    await story.poll(1, *failures(1, 0))
    assert story.texts == ["MEDIUM · Password guessing · anna · 3 failures in 20 s · 203.0.113.7 · 11:00 CET · test"]
    assert "Somebody tries passwords." in story.channel[0].words
    await story.poll(2, *failures(10, 1, 4))
    await story.poll(3, *failures(20, 2, 4))
    (message,) = story.channel
    assert message.edits == 2
    assert "11 failures" in message.text
    assert "Going on" in message.words
    assert "nobody has looked yet" in message.words
    await story.poll(64)
    assert "MEDIUM, over · Password guessing" in message.text
    assert "*Over*, quiet since" in message.words
    assert [reply.kind for reply in message.thread] == ["closing"]
    assert "Nobody has looked at it yet." in message.thread[0].text
    (incident,) = story.incidents()
    assert (incident.phase, incident.work) == ("over", "new")
    assert story.reasons(incident) == ["opened", "extended", "extended", "over"]


async def test_what_happens_while_an_update_waits_is_one_update(story: Story) -> None:
    await story.poll(1, *failures(1, 0))
    for second in range(5):
        await story.poll(1.5 + second / 60, *failures(10 + 5 * second, 1 + second / 60, 2), deliver=False)
    assert [entry.kind for entry in story.waiting()] == ["update"]
    story.deliver()
    (message,) = story.channel
    assert (message.edits, "13 failures" in message.text) == (1, True)


async def test_a_message_that_slack_has_not_taken_yet_is_posted_as_it_stands_then(story: Story) -> None:
    await story.poll(1, *failures(1, 0), deliver=False)
    story.slack_is_down()
    await story.poll(30, *failures(10, 5, 6), deliver=False)
    await story.poll(31, deliver=False)
    story.deliver()
    (message,) = story.channel
    assert (message.kind, message.edits) == ("opening", 0)
    assert "9 failures" in message.text


async def test_a_login_after_the_failures_takes_over_and_is_posted_anew(story: Story) -> None:
    await story.poll(1, *failures(1, 0))
    await story.poll(2, event(9, timedelta(minutes=1, seconds=30), "success"))
    guessing, entered = story.channel
    assert entered.text.startswith("CRITICAL · Many failures, then a login · anna")
    assert guessing.text.startswith("TAKEN OVER · Password guessing")
    assert "<https://slack.example/" in guessing.words
    assert "Told together with this: Password guessing (3)" in entered.words
    await story.poll(3, *failures(20, 2, 3))
    assert len(story.channel) == 2
    one, two = story.incidents()
    assert story.reasons(one)[:2] == ["opened", "taken_over"]
    assert story.reasons(two)[:2] == ["opened", "took_over"]


async def test_a_rise_of_level_is_posted_anew_and_closes_the_message_before(story: Story) -> None:
    await story.poll(1, *failures(1, 0))
    await story.poll(20, *failures(10, 15, role="owner"))
    before, now = story.channel
    assert now.text.startswith("CRITICAL, raised · Password guessing")
    assert before.text.startswith("SEE BELOW · Password guessing")
    assert "the message before" in now.words
    assert "newer message" in before.words
    await story.poll(21, *failures(20, 16, role="owner"))
    assert (len(story.channel), now.edits) == (2, 1)
    assert now.text.startswith("CRITICAL, raised · ")


async def test_what_comes_back_after_a_pause_is_a_new_message_that_links_back(story: Story) -> None:
    await story.poll(1, *failures(1, 0))
    await story.poll(70)
    await story.poll(200, *failures(10, 199))
    before, again = story.channel
    assert "It was told before: <https://slack.example/1.0|the message before>" in again.words
    assert "It came back: <https://slack.example/" in before.words
    first, second = story.incidents()
    assert (second.follows, first.followed_by) == (first.id, second.id)
    assert story.reasons(second) == ["opened_again"]


async def test_a_late_login_that_changes_what_happened_withdraws_in_the_message(filled_sqlite_copy: Store) -> None:
    new_address = rule(FirstSeen((("ip",),), 90 * MINUTE, 10 * MINUTE), SUCCEEDED, name="new-address")
    story = Story(filled_sqlite_copy, replace(new_address, title="New address"))
    await story.poll(20, event(1, 0 * MINUTE, "success"), event(2, 20 * MINUTE, "success", ip="198.51.100.1"))
    await story.poll(21, event(3, 5 * MINUTE, "success", ip="198.51.100.1"))
    (message,) = story.channel
    assert message.text.startswith("WITHDRAWN · New address · anna")
    assert "what the portal showed late has changed what happened" in message.words
    (incident,) = story.incidents()
    assert story.reasons(incident) == ["opened", "withdrawn"]


async def test_the_thread_says_what_else_is_known(filled_sqlite_copy: Store) -> None:
    each = replace(rule(Each(), FAILED, name="each"), title="A failure")
    story = Story(filled_sqlite_copy, each)
    usual = [
        event(n, timedelta(days=n), "success", city="Berlin", country_code="DE", known=True, name="Anna Berg")
        for n in range(1, 13)
    ]
    await story.poll(18_000, *usual)
    there = {"city": "Hanoi", "country_code": "VN", "ip": "198.51.100.9", "known": True, "name": "Anna Berg"}
    await story.poll(18_001, event(50, timedelta(minutes=18_000), **there))
    (message,) = story.channel
    assert "*new for this account*" in message.words
    (known,) = message.thread
    assert known.kind == "background"
    assert "What the account did before this" in known.words
    assert known.words.count("logged in") == 10
    assert "*Usual places*  Berlin DE (12)" in known.words
    assert "*Usual hours*" in known.words
    other = {"account": "ben", "login": "ben", "ip": "198.51.100.9"}
    await story.poll(18_002, event(51, timedelta(minutes=18_001), **other))
    assert "Open besides this" in story.channel[1].thread[0].words
    assert "same address" in story.channel[1].thread[0].words
    assert "Anna" not in story.channel[1].words


async def test_through_a_webhook_only_openings_and_rises_are_posted(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, by_webhook=True)
    await story.poll(1, *failures(1, 0))
    await story.poll(2, *failures(10, 1, 4))
    await story.poll(20, *failures(20, 15, role="owner"))
    await story.poll(100)
    assert story.kinds == ["opening", "rise"]
    assert all(not message.thread and not message.edits for message in story.channel)
