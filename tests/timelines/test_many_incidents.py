"""What on-call sees when very much happens at once, and after a time in which nothing could be read or told."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import msgspec

from alertbot.event import Event
from alertbot.respond import Desk
from alertbot.responses import Actor
from alertbot.rules.model import Burst, Distinct, Each, Sequence_, Step
from alertbot.store.store import Store
from tests.engine.build import FAILED, MINUTE, SUCCEEDED, event, rule
from tests.timelines.telling import Story

GUESSING = replace(rule(Burst(2, 10 * MINUTE), name="guessing"), title="Password guessing", level="high")
ENTERED = replace(
    rule(Sequence_(30 * MINUTE, (Step(2, FAILED), Step(1, SUCCEEDED))), None, name="entered", inhibits=("guessing",)),
    title="Many failures, then a login",
    level="critical",
)
EACH = replace(rule(Each(), FAILED, name="each"), title="A failure")


def spray(accounts: range, minute: float, known: range = range(0), **more: object) -> list[Event]:
    """Two failures of each account within a second."""
    events = []
    for number in accounts:
        who = {
            "account": f"u{number}",
            "login": f"u{number}@example.com",
            "ip": f"203.0.113.{number % 3}",
            "known": number in known,
        }
        for turn in range(2):
            after = timedelta(minutes=minute, milliseconds=number + turn)
            events.append(event(2 * number + turn + 1, after, **(who | more)))
    return events


async def test_a_spray_of_thousands_is_one_message_and_a_list_and_every_incident_is_stored(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, ENTERED)
    await story.poll(1, *spray(range(2_000), 0))
    assert story.kinds == ["storm"]
    (storm,) = story.channel
    assert storm.text.startswith(
        "HIGH, storm · Password guessing · 2,000 incidents, 2,000 accounts · 4,000 events from 3 addresses"
    )
    assert "203.0.113.0" in storm.words
    (listed,) = storm.thread
    assert listed.message.file is not None
    rows = list(csv.DictReader(io.StringIO(listed.message.file.content)))
    assert len(rows) == len({row["account"] for row in rows}) == len(story.incidents()) == 2_000
    assert {story.reasons(one)[-1] for one in story.incidents()[:5]} == {"summed_up"}
    await story.poll(1.5, *spray(range(2_000, 5_000), 0.6))
    assert (story.kinds, storm.edits) == (["storm"], 1)
    assert "5,000 incidents" in storm.text
    assert [reply.kind for reply in storm.thread] == ["storm_list"]
    for minute in (2.6, 2.7, 3, 30):
        await story.poll(minute)
        assert [reply.kind for reply in storm.thread] == ["storm_list"] * 2
    assert "All 5,000 incidents so far" in storm.thread[1].text
    assert "storm, over" in storm.text
    assert len(story.incidents()) == 5_000


async def test_known_people_are_told_first_and_singly_up_to_five_a_minute(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING)
    await story.poll(1, *spray(range(100), 0, known=range(40, 47)))
    assert story.kinds == ["opening"] * 5 + ["storm"]
    assert [text.split(" · ")[2] for text in story.texts[:5]] == [f"u{n}@example.com" for n in range(40, 45)]
    await story.poll(1.5)
    assert len(story.channel) == 6
    read = {one.id: one for one in story.incidents()}
    await story.poll(2.5)
    told_now = [one for one in story.incidents() if one.message != read[one.id].message]
    assert len(told_now) == 2
    assert all(one.revision > read[one.id].revision for one in told_now), "who read it before would undo that it was told"
    assert [text.split(" · ")[2] for text in story.texts[6:]] == ["u45@example.com", "u46@example.com"]
    assert all(one.message or one.summary for one in story.incidents())


async def test_what_a_storm_told_of_is_settled_at_once_and_nothing_else(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, ENTERED)
    await story.poll(1, *spray(range(1_200), 0, known=range(3)))
    desk = Desk(story.store, story.rules)
    assert desk.resolve_summed("entered", Actor("ben"), story.clock_us, "real") == 0
    assert desk.resolve_summed("guessing", Actor("ben"), story.clock_us, "real", "blocked") == 1_197
    assert desk.resolve_summed("guessing", Actor("ben"), story.clock_us, "real", "blocked") == 0
    assert [one.key[0] for one in story.store.open_incidents_of_people()] == ["u0", "u1", "u2"]
    settled = next(one for one in story.incidents() if one.key == ("u9",))
    assert (settled.work, settled.word, story.reasons(settled)[-1]) == ("resolved", "blocked", "resolved")


async def test_a_success_among_the_attacked_accounts_is_a_message_of_its_own(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, ENTERED)
    await story.poll(1, *spray(range(500), 0))
    entered = event(90_000, timedelta(minutes=1), "success", account="u77", login=None, known=True, email="u77@example.com")
    await story.poll(2, entered)
    assert story.kinds == ["storm", "opening"]
    assert story.texts[1].startswith("CRITICAL · Many failures, then a login · u77@example.com")


async def test_a_login_from_an_address_that_sprays_is_told_with_what_is_worse(filled_sqlite_copy: Store) -> None:
    spraying = replace(
        rule(Distinct(("account",), 5, 10 * MINUTE), name="spraying", by=("ip",)), title="One address tries many", level="high"
    )
    entered = replace(rule(Each(), SUCCEEDED, name="entered"), title="A login", level="low")
    story = Story(filled_sqlite_copy, spraying, entered)
    await story.poll(1, *spray(range(0, 30, 3), 0))
    login = event(900, timedelta(minutes=1), "success", account="u77", ip="203.0.113.0", login=None, email="u77@example.com")
    await story.poll(2, login)
    sprayed, alone = story.channel
    assert "Same address" not in sprayed.words
    link = "⚠ *Same address* as <https://slack.example/1.0|One address tries many>, HIGH: see whether it is part of that."
    assert link in alone.words
    await story.poll(3, msgspec.structs.replace(login, id=901, at_us=login.at_us + 1))
    assert alone.edits == 1
    assert link in alone.words


async def test_whoever_has_a_turn_in_a_storm_is_told_only_if_it_is_still_open(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, ENTERED)
    await story.poll(1, *spray(range(100), 0, known=range(40, 49)))
    entered = event(90_000, timedelta(minutes=1), "success", account="u45", login=None, known=True, email="u45@example.com")
    await story.poll(1.2, entered)
    desk = Desk(story.store, story.rules)
    waiting = {one.key[0]: one.id for one in story.incidents() if one.rule == "guessing"}
    desk.resolve(waiting["u46"], Actor("ben"), story.clock_us, "false_alarm")
    story.silence("u47", minutes=30)
    await story.poll(2.5)
    assert [text.split(" · ")[2] for text in story.texts[7:]] == ["u48@example.com"]
    await story.look(32)
    assert "u47@example.com" in {text.split(" · ")[2] for text in story.texts[8:]}


async def test_a_success_among_failures_of_one_rule_is_never_joined(filled_sqlite_copy: Store) -> None:
    anything = replace(
        rule(Each(), None, name="any"), title="From there", condition=replace(FAILED, test=lambda e: True, equals=())
    )
    story = Story(filled_sqlite_copy, anything)
    events = [event(n, timedelta(seconds=n), account=f"u{n}", login=f"u{n}") for n in range(1, 50)]
    await story.poll(
        1, *events, event(99, timedelta(seconds=20), "success", account="victim", login=None, email="victim@x.org")
    )
    assert story.kinds == ["opening", "storm"]
    assert "victim@x.org" in story.texts[0]


async def test_thirty_in_a_minute_are_a_storm_however_polls_cut_them(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING)
    for second in range(8):
        await story.poll(1 + second / 60, *spray(range(5 * second, 5 * second + 5), 1 + second / 60))
    assert story.kinds == ["opening"] * 30 + ["storm"]


async def test_a_storm_of_a_rule_leaves_other_rules_alone_and_ends(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, GUESSING, ENTERED)
    await story.poll(1, *spray(range(50), 0))
    await story.poll(120, *spray(range(1_000, 1_001), 119))
    assert story.kinds == ["storm", "opening"]
    assert "storm, over" in story.texts[0]


async def test_after_silence_of_the_portal_old_findings_are_one_summary(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, EACH)
    await story.poll(0)
    old = [event(n, timedelta(minutes=10 * n), account=f"u{n}", login=f"u{n}") for n in range(1, 6)]
    await story.poll(300, *old, event(9, timedelta(minutes=299), account="now", login="now"))
    assert sorted(story.kinds) == ["old_news", "opening"]
    summary = next(each for each in story.channel if each.kind == "old_news")
    assert summary.text.startswith("MEDIUM, summary · 5 incidents while alertbot could not read the portal · 5 medium")
    assert "u1" not in summary.text + summary.words
    assert "u1" in summary.thread[0].words
    assert "login-history" in summary.words
    assert {one.summed_as for one in story.incidents()} == {"old_news", None}


async def test_old_findings_are_news_while_the_portal_answers(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, EACH)
    await story.poll(0)
    await story.poll(290)
    await story.poll(300, *[event(n, timedelta(minutes=n), account=f"u{n}", login=f"u{n}") for n in range(1, 6)])
    assert story.kinds == ["opening"] * 5


async def test_what_was_summed_up_as_old_and_goes_on_is_told(filled_sqlite_copy: Store) -> None:
    slow = replace(EACH, quiet=timedelta(hours=6))
    story = Story(filled_sqlite_copy, slow)
    await story.poll(0)
    await story.poll(300, *[event(n, timedelta(minutes=200 + n), account=f"u{n}", login=f"u{n}") for n in range(1, 4)])
    assert story.kinds == ["old_news"]
    await story.poll(310, event(8, timedelta(minutes=309), account="u2", login="u2"))
    assert story.kinds == ["old_news", "opening"]
    assert "u2" in story.texts[1]


async def test_after_hours_without_slack_people_get_what_goes_on_and_then_a_summary(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, EACH)
    for number in range(8):
        story.rules["each"] = EACH
        await story.poll(10 * number, event(number + 1, 10 * number * MINUTE, account=f"u{number}", login="x"), deliver=False)
        story.slack_is_down()
    for minute in range(80, 300, 10):
        await story.poll(minute, deliver=False)
    await story.poll(300, event(50, 299 * MINUTE, account="now", login="now"), deliver=False)
    await story.poll(301, event(51, 300 * MINUTE, account="now", login="now"), deliver=False)
    story.deliver()
    assert story.kinds == ["opening", "late"]
    assert "now" in story.texts[0]
    assert "2 events" in story.texts[0] or "2 failures" in story.texts[0]
    assert "8 incidents while Slack could not be reached" in story.texts[1]
    assert not story.waiting()
    assert {one.summed_as for one in story.incidents()} == {"late", None}
