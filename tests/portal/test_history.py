"""Reading a history: every event once, in spite of disorder, delay, crowds, faults, kills and failed commits."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alertbot.errors import KeyRejected, PortalError, PortalTransient
from alertbot.moments import from_us
from alertbot.portal.notes import NoteKind
from alertbot.portal.ranges import Range

from .model import SECOND, START, Bot, Dead, MemoryPortal

MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def _filled(count: int, every_us: int, portal: MemoryPortal | None = None) -> MemoryPortal:
    """A portal with `count` events up to now."""
    portal = portal or MemoryPortal()
    for number in range(count):
        portal.add(portal.now_us - number * every_us)
    return portal


def _assert_each_once(bot: Bot) -> None:
    shown = {row_id for row_id, _ in bot.portal.shown()}
    assert set(bot.store.times) == shown
    assert set(bot.store.times.values()) <= {1}


async def test_the_first_start_reads_the_history_back() -> None:
    """A first start reads as far back as it should and no further, and covers all of it."""
    portal = _filled(1_000, 60 * MINUTE)
    bot = Bot(portal, history="30d")
    batches = await bot.poll()
    assert set(bot.store.times) == {row_id for row_id, at in portal.shown() if at >= portal.now_us - 30 * DAY}
    assert batches[-1].complete
    assert batches[-1].coverage == (Range(portal.now_us - 30 * DAY, portal.now_us),)
    assert batches[-1].portal_now == START


async def test_an_empty_portal_is_read_completely() -> None:
    """No events are a complete read too, and the first event is news."""
    portal = MemoryPortal()
    bot = Bot(portal)
    (batch,) = await bot.poll()
    assert (batch.events, batch.complete) == ((), True)
    portal.move(10)
    row_id = portal.add(portal.now_us)
    (batch,) = await bot.poll()
    assert [event.id for event in batch.events] == [row_id]


async def test_a_quiet_poll_asks_once() -> None:
    """Where nothing happens, a poll is one request and an empty, complete batch."""
    portal = _filled(500, MINUTE)
    bot = Bot(portal)
    await bot.poll()
    asked = len(portal.asked)
    portal.move(10)
    bot.passed += 10
    (batch,) = await bot.poll()
    assert (batch.events, batch.complete, len(portal.asked) - asked) == ((), True, 1)


async def test_a_poll_asks_from_the_newest_event_less_lateness() -> None:
    """The question begins `lateness` before the newest stored event, also after hours of quiet."""
    portal = _filled(5, MINUTE)
    bot = Bot(portal, lateness="5m")
    await bot.poll()
    portal.move(4 * 3600)
    await bot.poll()
    await bot.poll()
    assert portal.asked[-1]["from"] == from_us(to := portal.rows[1][0] - 5 * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ"), to


async def test_late_events_are_found() -> None:
    """An event that is shown minutes after its date is read, and the cursor does not pass it."""
    portal = _filled(300, SECOND)
    bot = Bot(portal)
    await bot.poll()
    late = portal.add(portal.now_us - 200 * SECOND, portal.now_us + 30 * SECOND)
    portal.move(30)
    portal.add(portal.now_us)
    bot.passed += 61
    await bot.poll()
    assert bot.store.times[late] == 1
    _assert_each_once(bot)


async def test_what_lies_deep_is_read_once_a_minute() -> None:
    """In a storm a poll reads what is new, and everything within lateness once a minute."""
    portal = _filled(2_000, SECOND // 10)
    bot = Bot(portal)
    await bot.poll()
    pages: list[int] = []
    for _ in range(13):
        portal.move(10)
        bot.passed += 10
        _filled(100, SECOND // 10, portal)
        before = len(portal.asked)
        await bot.poll()
        pages.append(len(portal.asked) - before)
    assert sorted(pages)[:10] == [3] * 10 or max(sorted(pages)[:10]) <= 4
    assert sum(count > 10 for count in pages) == 2
    _assert_each_once(bot)


@pytest.mark.parametrize("count", [101, 250, 600])
async def test_a_second_of_many_rows_is_read_completely(count: int) -> None:
    """More events in one second than a page holds are all read, whatever order they come in."""
    portal = _filled(50, MINUTE)
    for _ in range(count):
        portal.add(portal.now_us - 30 * SECOND)
    _filled(120, SECOND // 7, portal)
    bot = Bot(portal)
    await bot.poll()
    _assert_each_once(bot)
    assert not bot.store.notes


async def test_a_crowd_in_a_running_poll_is_settled_within_a_minute() -> None:
    """A crowd among the news is read once at first, and completely with the next deep read."""
    portal = _filled(50, MINUTE)
    bot = Bot(portal)
    await bot.poll()
    for _ in range(8):
        portal.move(10)
        bot.passed += 10
        for _ in range(130):
            portal.add(portal.now_us - 2 * SECOND)
        await bot.poll()
    await bot.settle()
    _assert_each_once(bot)
    assert len(bot.store.coverage) == 1


async def test_rows_that_arrive_while_paging_hide_none() -> None:
    """New rows push others to the next page; none is missed, none comes twice."""
    portal = _filled(900, SECOND)
    portal.arriving = lambda: [portal.add(portal.now_us) for _ in range(7)] and None
    bot = Bot(portal)
    await bot.poll()
    await bot.settle()
    _assert_each_once(bot)


async def test_a_kill_in_a_first_start_is_resumed() -> None:
    """What was stored before the kill is not read again, and the rest is."""
    portal = _filled(9_000, 4 * MINUTE)
    bot = Bot(portal)
    with pytest.raises(Dead):
        await bot.poll(die_after=0)
    assert 1_000 < len(bot.store.times) < 2_100
    assert len(bot.store.coverage) == 2
    bot.start()
    asked = len(portal.asked)
    batches = await bot.poll()
    assert [batch.complete for batch in batches].index(True) == len(batches) - 1
    assert len(portal.asked) - asked < 110
    _assert_each_once(bot)
    assert len(bot.store.coverage) == 1


async def test_after_an_outage_the_ranges_meet() -> None:
    """What happened while the bot was down is read newest first, in many batches, and evaluated when it is whole."""
    portal = _filled(100, MINUTE)
    bot = Bot(portal)
    await bot.poll()
    portal.move(20 * 3600)
    _filled(6_000, 11 * SECOND, portal)
    bot.start()
    batches = await bot.poll()
    assert len(batches) > 2
    assert [batch.complete for batch in batches] == [False] * (len(batches) - 1) + [True]
    newest = [max(event.at_us for event in batch.events) for batch in batches]
    assert newest == sorted(newest, reverse=True)
    _assert_each_once(bot)
    assert len(bot.store.coverage) == 1
    assert not bot.store.notes


async def test_what_the_portal_deleted_is_a_gap() -> None:
    """History that was deleted before it could be read is told once, and stays a hole."""
    portal = _filled(50, MINUTE)
    portal.lifetime_days = 7
    bot = Bot(portal, history="1d")
    await bot.poll()
    end = bot.store.coverage[-1].end_us
    portal.move(10 * 86_400)
    _filled(300, MINUTE, portal)
    bot.start()
    await bot.poll()
    (note,) = bot.store.notes
    assert (note.kind, note.start_us, note.end_us) == (NoteKind.GAP, end, portal.now_us - 7 * DAY)
    assert len(bot.store.coverage) == 2
    bot.start()
    portal.move(60)
    (batch, *_) = await bot.poll()
    assert batch.complete
    assert len(bot.store.notes) == 1


async def test_a_gap_in_the_audit_trail_is_named_so_and_goes_by_its_own_lifetime() -> None:
    """The portal keeps the two histories for spans of their own."""
    portal = _filled(50, MINUTE)
    portal.lifetime_days = 7
    bot = Bot(portal, feed="audit", history="1d")
    await bot.poll()
    end = bot.store.coverage[-1].end_us
    portal.move(20 * 86_400)
    bot.start()
    await bot.poll()
    (note,) = bot.store.notes
    assert (note.kind, note.feed) == (NoteKind.GAP, "audit")
    assert (note.start_us, note.end_us) == (end, portal.now_us - 14 * DAY)
    assert "deleted its audit trail" in note.text
    portal.no_plan = True
    portal.move(60)
    _filled(25, SECOND, portal)
    bot.start()
    (batch,) = await bot.poll()
    assert [(note.kind, note.feed) for note in batch.notes] == [(NoteKind.NO_PLAN, "audit"), (NoteKind.GAP, "audit")]
    assert "The audit trail of the portal" in batch.notes[1].text


async def test_a_quiet_portal_has_no_gap() -> None:
    """Days without events are no gap where the portal was asked all the time."""
    portal = _filled(50, MINUTE)
    portal.lifetime_days = 7
    bot = Bot(portal, history="1d")
    for _ in range(12):
        await bot.poll()
        portal.move(86_000)
        bot.passed += 86_000
    bot.start()
    await bot.poll()
    assert not bot.store.notes
    assert len(bot.store.coverage) == 1


async def test_a_portal_without_the_plan_is_noticed_within_two_requests() -> None:
    """`/filter` that serves `/last` is seen through, said once, and does not page for ever."""
    portal = _filled(500, MINUTE)
    portal.no_plan = True
    bot = Bot(portal)
    (batch,) = await bot.poll()
    assert len(portal.asked) == 2
    assert ([note.kind for note in batch.notes], batch.complete, len(batch.events)) == ([NoteKind.NO_PLAN], True, 20)
    portal.move(10)
    portal.add(portal.now_us)
    (batch,) = await bot.poll()
    assert (len(portal.asked), len(batch.events), batch.notes) == (3, 1, ())


async def test_what_passes_between_two_looks_is_a_gap() -> None:
    """Without the plan, 20 rows of which none is known mean that others were missed."""
    portal = _filled(30, MINUTE)
    portal.no_plan = True
    bot = Bot(portal)
    await bot.poll()
    newest = portal.now_us
    portal.move(60)
    _filled(25, SECOND, portal)
    (batch,) = await bot.poll()
    (note,) = batch.notes
    assert (note.kind, note.start_us, note.end_us) == (NoteKind.GAP, newest, portal.now_us - 19 * SECOND)
    assert len(batch.events) == 20
    assert len(batch.coverage) == 2
    assert bot.reader.interval == timedelta(seconds=4.75)


async def test_without_the_plan_a_restart_finds_nothing_twice() -> None:
    """A quiet portal's last 20 rows, however old, are known after a restart."""
    portal = _filled(30, 6 * 60 * MINUTE)
    portal.no_plan = True
    bot = Bot(portal)
    await bot.poll()
    bot.start()
    (batch,) = await bot.poll()
    assert (batch.events, [note.kind for note in batch.notes]) == ((), [NoteKind.NO_PLAN])


async def test_a_plan_that_comes_back_is_noticed() -> None:
    """With the plan again, what was missed is read."""
    portal = _filled(100, MINUTE)
    portal.no_plan = True
    bot = Bot(portal)
    await bot.poll()
    portal.no_plan = False
    portal.move(70)
    bot.passed += 70
    (batch, *_) = await bot.poll()
    assert [note.kind for note in batch.notes] == [NoteKind.PLAN_BACK]


async def test_twenty_rows_are_no_proof() -> None:
    """A history of just 20 rows is not taken for a missing plan, also while others arrive."""
    portal = _filled(20, MINUTE)
    portal.arriving = lambda: portal.add(portal.now_us) and None
    bot = Bot(portal)
    await bot.poll()
    assert not bot.store.notes


async def test_a_clock_that_is_off_is_told_once() -> None:
    """A skew over `max_skew` is a note when it begins; null is silence."""
    portal = _filled(5, MINUTE)
    portal.skew = timedelta(minutes=-3)
    for max_skew, count in (("60s", 1), ("5m", 0), (None, 0)):
        bot = Bot(portal, max_skew=max_skew)
        await bot.poll()
        await bot.poll()
        assert len(bot.store.notes) == count
    bot = Bot(portal)
    await bot.poll()
    (note,) = bot.store.notes
    assert (note.kind, note.skew) == (NoteKind.SKEW, timedelta(minutes=-3))


async def test_an_event_from_the_future_does_not_stall_the_cursor() -> None:
    """An hour that is dated too late is read, and what comes after it as well."""
    portal = _filled(50, MINUTE)
    future = portal.add(portal.now_us + 60 * MINUTE)
    bot = Bot(portal)
    await bot.poll()
    for _ in range(5):
        portal.move(60)
        bot.passed += 60
        portal.add(portal.now_us)
        await bot.poll()
    assert bot.store.times[future] == 1
    _assert_each_once(bot)


async def test_a_failed_commit_changes_nothing() -> None:
    """What could not be stored is offered again, notes too."""
    portal = _filled(150, MINUTE)
    portal.skew = timedelta(hours=1)
    bot = Bot(portal)
    assert await bot.poll(lose=[0]) == []
    await bot.poll()
    _assert_each_once(bot)
    assert len(bot.store.notes) == 1


async def test_a_refusal_ends_the_poll() -> None:
    """What people must change is raised, and the next poll goes on."""
    portal = _filled(150, MINUTE)
    bot = Bot(portal)
    portal.faults = [None, "401"]
    with pytest.raises(KeyRejected):
        await bot.poll()
    await bot.poll()
    _assert_each_once(bot)


async def test_a_long_read_keeps_what_it_has_when_it_fails() -> None:
    """A catch-up that fails again and again still gets on."""
    portal = _filled(3_000, MINUTE)
    bot = Bot(portal)
    for _ in range(30):
        portal.faults = [None] * 9 + ["503"] * 20
        try:
            await bot.poll()
        except PortalTransient:
            continue
        break
    await bot.settle()
    _assert_each_once(bot)


FAULTS = [None, None, None, "time-out", "reset", "dead", "429", "500", "cut", "html", "empty"]
EVERY_US = [0, SECOND // 7, SECOND, 20 * SECOND]
STEP = st.one_of(
    st.tuples(st.just("move"), st.sampled_from([0.3, 1, 9, 10, 61, 240])),
    st.tuples(st.just("outage"), st.sampled_from([900, 7_200, 90_000])),
    st.tuples(st.just("events"), st.integers(1, 40), st.sampled_from(EVERY_US), st.integers(0, 200)),
    st.tuples(st.just("crowd"), st.sampled_from([99, 101, 140, 230]), st.just(0), st.integers(0, 200)),
    st.tuples(st.just("arriving"), st.integers(0, 5)),
    st.tuples(st.just("faults"), st.lists(st.sampled_from(FAULTS), max_size=12)),
    st.tuples(st.just("poll")),
    st.tuples(st.just("lose"), st.integers(0, 2)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("restart")),
)


IN_DOUBT_BEFORE_A_QUIET_TIME: list[Any] = [
    *(("crowd", 99, 0, 70), ("move", 0.3), ("move", 0.3), ("crowd", 99, 0, 0), ("move", 0.3), ("move", 0.3)),
    *(("events", 1, 0, 0), ("poll",), ("move", 0.9), ("outage", 900), ("kill", 1)),
    *(("faults", [None, "500", "500", "500", "cut"]), ("lose", 0), ("arriving", 1), ("kill", 0), ("faults", [])),
    *(("outage", 900), ("restart",), ("events", 10, 20 * SECOND, 1)),
]
"""Rows that arrive meanwhile make a crowd seem larger than it is, and nothing follows on it."""


@example(IN_DOUBT_BEFORE_A_QUIET_TIME, 1794)
@example([("crowd", 140, 0, 1), ("restart",), ("poll",)], 0)
@example([("outage", 7200), ("faults", [None, "time-out", "time-out"]), ("poll",), ("kill", 0)], 0)  # nothing new for hours
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=3, max_size=25), st.integers(0, 2**32))
def test_every_event_is_delivered_once(steps: list[Any], seed: int) -> None:
    """Whatever order, delay, crowd, fault, kill or failed commit there is: when all is quiet, each event came once."""
    asyncio.run(_play(steps, seed))


async def _play(steps: list[Any], seed: int) -> None:
    random.seed(seed)  # the pauses between tries
    portal = MemoryPortal(seed)
    bot = Bot(_filled(130, 40 * SECOND, portal), history="30d")
    for name, *values in steps:
        match name:
            case "move" | "outage":
                portal.move(values[0])
                bot.passed += values[0]
            case "events" | "crowd":
                count, every_us, delay_s = values
                for number in range(count):
                    portal.add(portal.now_us - number * every_us % (250 * SECOND), portal.now_us + delay_s * SECOND // 4)
            case "arriving":
                portal.arriving = lambda count=values[0]: [portal.add(portal.now_us) for _ in range(count)] and None
            case "faults":
                portal.faults = list(values[0])
            case "restart":
                bot.start()
            case _:
                await _try_to_poll(bot, name, *values)
    await bot.settle()
    _assert_each_once(bot)
    assert len(bot.store.coverage) == 1
    assert not [note for note in bot.store.notes if note.kind is not NoteKind.SKEW]


async def _try_to_poll(bot: Bot, how: str, number: int = 0) -> None:
    try:
        await bot.poll(lose=[number] if how == "lose" else (), die_after=number if how == "kill" else None)
    except Dead:
        bot.start()
    except PortalError:
        pass
