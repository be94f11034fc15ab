"""What opens in quiet hours is told in the morning, once and together; what rises out of them at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from alertbot.cli.incidents import as_json, state
from alertbot.event import Event
from alertbot.respond import Desk
from alertbot.responses import Actor, resolve
from alertbot.rules.model import Burst, Each, Raise
from alertbot.settings import Route
from alertbot.silences import Scope, new_silence
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import Store
from tests.engine.build import FAILED, MINUTE, event, rule, selection
from tests.timelines.telling import Story

EVENING, NIGHT, MORNING = 659, 700, 1_200
"""Minutes after 11:00 in Berlin: a minute before 22:00, 22:40, and 07:00 of the next day."""

EACH = replace(rule(Each(), FAILED, name="each"), title="A failure", level="low")
GUESSING = replace(
    rule(Burst(3, 10 * MINUTE), name="guessing"), title="Password guessing", level="low",
    raises=(Raise(selection(role="owner"), "critical"), Raise(selection(role="admin"), "informational")),
)  # fmt: skip
ROUTES = (
    Route.model_validate({"match": {"level": ["critical", "high"]}, "channel": "#oncall"}),
    Route.model_validate({"match": {"level": ["low", "informational"]}, "quiet_hours": "22:00-07:00"}),
)


def failure(number: int, minute: float, account: str = "anna", **more: object) -> Event:
    return event(number, timedelta(minutes=minute), account=account, login=account, **more)


def guessed(first: int, minute: float, **more: object) -> list[Event]:
    return [failure(first + n, minute + n / 6, **more) for n in range(3)]


@pytest.fixture
def story(filled_sqlite_copy: Store) -> Story:
    return Story(filled_sqlite_copy, EACH, routes=ROUTES)


@pytest.fixture
def guessing(filled_sqlite_copy: Store) -> Story:
    return Story(filled_sqlite_copy, GUESSING, routes=ROUTES)


async def test_what_opens_in_the_night_is_one_summary_in_the_morning(story: Story) -> None:
    await story.poll(EVENING, failure(1, EVENING - 1, "early"))
    assert story.kinds == ["opening"]
    for number in range(3):
        await story.poll(NIGHT + number, failure(10 + number, NIGHT + number, f"u{number}"))
    await story.look(MORNING - 1 / 60)
    assert story.kinds == ["opening"]
    held = [one for one in story.incidents() if one.quiet_until_us is not None]
    assert [(one.work, one.message, story.reasons(one)[:2]) for one in held] == [
        ("new", None, ["opened", "held_by_quiet_hours"])
    ] * 3
    await story.look(MORNING)
    assert story.kinds == ["opening", "quiet_hours"]
    summary = story.channel[1]
    assert summary.text.startswith("LOW, summary · 3 incidents in quiet hours · 3 low · 22:40")
    assert "LOW · 3 × A failure" in summary.words
    assert "Told together after the quiet hours; 3 still going on" in summary.words
    assert "u1" not in summary.text + summary.words
    (listed,) = summary.thread
    assert all(one.id in listed.words and one.key[0] in listed.words for one in held)
    assert {one.summed_as for one in story.incidents()} == {"quiet_hours", None}
    await story.look(MORNING + 1)
    assert len(story.channel) == 2


async def test_what_the_summary_told_of_and_goes_on_gets_nothing_more(story: Story) -> None:
    await story.poll(MORNING - 10, failure(1, MORNING - 10))
    await story.look(MORNING)
    await story.poll(MORNING + 5, failure(2, MORNING + 5))
    await story.poll(MORNING + 90)
    assert story.kinds == ["quiet_hours"]
    (incident,) = story.incidents()
    assert (incident.count, incident.phase, incident.work) == (2, "over", "new")
    await story.poll(MORNING + 300, failure(3, MORNING + 300))
    assert story.kinds == ["quiet_hours", "opening"]  # a new one, in the day


async def test_what_waits_is_open_work_meanwhile(story: Story) -> None:
    await story.poll(NIGHT, failure(1, NIGHT))
    (incident,) = story.store.open_incidents_of_people()
    assert (incident.work, incident.quiet_until_us) == ("new", story.clock_us + (MORNING - NIGHT) * 60_000_000)
    assert state(incident) == "going on, nobody has looked, held by quiet hours"
    assert as_json(incident)["quiet_until"] == "2026-01-16T06:00:00Z"


async def test_a_rise_beyond_the_levels_of_the_route_is_told_at_once_and_not_again(guessing: Story) -> None:
    await guessing.poll(NIGHT, *guessed(1, NIGHT - 1))
    assert guessing.kinds == []
    await guessing.poll(NIGHT + 20, *guessed(10, NIGHT + 15, role="owner"))
    assert guessing.kinds == ["opening"]
    assert guessing.texts[0].startswith("CRITICAL · Password guessing · anna · 6 failures")
    assert {entry.channel for entry in guessing.store.entries()} == {"#oncall"}
    await guessing.look(MORNING)
    assert guessing.kinds == ["opening"]


async def test_a_message_of_the_day_is_kept_up_to_date_and_a_return_waits(story: Story) -> None:
    await story.poll(EVENING, failure(1, EVENING))
    await story.poll(NIGHT, failure(2, NIGHT))
    (message,) = story.channel
    assert "2 failures" in message.text
    await story.poll(NIGHT + 100)
    await story.poll(NIGHT + 200, failure(3, NIGHT + 200))
    assert story.kinds == ["opening"]
    await story.look(MORNING)
    assert story.kinds == ["opening", "quiet_hours"]


async def test_what_is_settled_before_the_morning_is_not_told(story: Story) -> None:
    await story.poll(NIGHT, failure(1, NIGHT))
    (incident,) = story.incidents()
    Desk(story.store, story.rules).step(incident.id, lambda one: resolve(one, Actor("ben", None), story.clock_us, "expected"))
    await story.look(MORNING)
    assert story.kinds == []
    assert story.incidents()[0].quiet_until_us is None


async def test_many_at_once_in_the_night_are_no_storm_but_part_of_the_summary(story: Story) -> None:
    await story.poll(NIGHT, *[failure(n, NIGHT, f"u{n}") for n in range(1, 61)])
    await story.look(MORNING)
    assert story.kinds == ["quiet_hours"]
    assert "60 incidents in quiet hours" in story.texts[0]


async def test_through_a_webhook_the_summary_has_no_thread(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, EACH, routes=ROUTES, by_webhook=True)
    await story.poll(NIGHT, failure(1, NIGHT))
    await story.look(MORNING)
    assert story.kinds == ["quiet_hours"]
    assert not story.channel[0].thread


async def test_each_channel_has_its_summary(filled_sqlite_copy: Store) -> None:
    routes = [
        Route.model_validate({"channel": "#a", "quiet_hours": "22:00-07:00", "continue": True, "match": {"rule": "each"}}),
        Route.model_validate({"channel": "#b", "quiet_hours": "22:00-07:00"}),
    ]
    other = replace(EACH, name="other")
    story = Story(filled_sqlite_copy, EACH, other, routes=routes)
    await story.poll(NIGHT, failure(1, NIGHT))
    await story.look(MORNING)
    told = {entry.channel: entry for entry in story.store.entries() if entry.kind == "quiet_hours"}
    assert sorted(told) == ["#a", "#b"]
    assert "1 incident in quiet hours" in told["#a"].message.text
    assert "2 incidents in quiet hours" in told["#b"].message.text
    assert {one.rule: one.summary for one in story.incidents()} == {"each": told["#a"].id, "other": told["#b"].id}


@pytest.mark.parametrize("restarts", [(NIGHT + 60,), (MORNING,), (NIGHT + 60, MORNING, MORNING + 1)])
async def test_a_restart_neither_forgets_nor_repeats_it(filled_sqlite_copy: Store, restarts: tuple[int, ...]) -> None:
    story = Story(filled_sqlite_copy, EACH, routes=ROUTES)
    await story.poll(NIGHT, failure(1, NIGHT), failure(2, NIGHT, "ben"))
    kinds: list[str] = []
    for minute in (*restarts, MORNING + 2):
        story = Story(filled_sqlite_copy, EACH, routes=ROUTES)
        await story.look(minute)
        kinds += story.kinds
    assert kinds == ["quiet_hours"]


class _Died(Exception):
    """In the middle of a transaction."""


@pytest.mark.parametrize("table", ["incidents", "incident_log", "outbox"])
async def test_a_death_in_the_middle_of_it_leaves_nothing_and_the_next_look_tells_it_once(story: Story, table: str) -> None:
    await story.poll(NIGHT, failure(1, NIGHT), failure(2, NIGHT, "ben"))

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(f"INSERT INTO {table} "):
            raise _Died

    listen(Engine, "after_cursor_execute", die)
    try:
        with pytest.raises(_Died):
            await story.look(MORNING)
    finally:
        remove(Engine, "after_cursor_execute", die)
    assert all(one.quiet_until_us is not None for one in story.incidents())
    assert not story.store.entries()
    await story.look(MORNING + 1)
    await story.look(MORNING + 2)
    assert story.kinds == ["quiet_hours"]
    assert [story.reasons(one).count("summed_up") for one in story.incidents()] == [1, 1]


async def test_what_a_silence_lets_go_in_the_night_waits_for_the_morning(story: Story) -> None:
    await story.look(NIGHT - 10)
    silence = new_silence(
        Scope("rule", "", rule="each"),
        portal="test",
        since_us=story.clock_us,
        until_us=story.clock_us + 30 * 60_000_000,
        by="ben",
        reason="a test",
    )
    story.store.respond(PeopleCommit(silences=[silence]))
    await story.poll(NIGHT, failure(1, NIGHT))
    await story.look(NIGHT + 20)
    assert story.kinds == ["silence_over"]
    assert story.reasons(story.incidents()[0]) == ["opened", "held_by_silence", "silence_over", "held_by_quiet_hours"]
    await story.look(MORNING)
    assert story.kinds == ["silence_over", "quiet_hours"]


async def test_who_was_down_in_the_morning_tells_it_later(filled_sqlite_copy: Store) -> None:
    story = Story(filled_sqlite_copy, EACH, routes=ROUTES)
    await story.poll(NIGHT, failure(1, NIGHT))
    story = Story(filled_sqlite_copy, EACH, routes=())
    await story.look(MORNING + 600)
    assert story.kinds == ["quiet_hours"]
