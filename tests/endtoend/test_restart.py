"""Whatever ends and comes back, each message stands once and nothing is missing."""

from __future__ import annotations

from pathlib import Path

from alertbot.sandbox.faults import Fault, FaultKind
from tests.endtoend.world import World, ended, world


async def stopped_and_counted(office: World) -> None:
    """The last program of a test is told to stop, and all is counted."""
    await office.settled()
    await office.stop(office.processes[-1])
    office.count().agrees()


async def test_a_restart_sends_nothing_again_and_tells_what_came_meanwhile(tmp_path: Path) -> None:
    async with world(tmp_path, history=120) as office:
        bot = await office.start()
        await office.first_told()
        office.fail("before@example.com", 3)
        await office.told("before@example.com")
        await office.stop(bot)
        office.fail("meanwhile@example.com", 3)
        office.fail("before@example.com", 2)
        bot = await office.start()
        await office.told("meanwhile@example.com")
        office.fail("after@example.com", 3)
        await office.told("after@example.com")
        await stopped_and_counted(office)
        told = [message.text.split(" · ")[2] for message in office.slack.space.of("#security")[1:]]
        assert told == ["before@example.com", "meanwhile@example.com", "after@example.com"]


async def test_a_second_run_on_the_same_store_ends_with_2_and_names_the_first(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        first = await office.start()
        await office.first_told()
        second = await office.start()
        assert await ended(second) == 2
        assert f"Another alertbot run (process {first.pid} on " in office.log
        office.processes.reverse()
        office.fail("anna@example.com", 3)
        await office.told("Anna Berg")
        await stopped_and_counted(office)


async def test_a_portal_that_was_away_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    async with world(tmp_path, history=10) as office:
        await office.start()
        await office.first_told()
        await office.sandbox.portal_server.stop()
        for number in range(130):
            office.fail(f"a{number % 5}@example.com")
        await office.sandbox.portal_server.start()
        await office.told("a4@example.com")
        for kind in (FaultKind.CUT, FaultKind.STATUS, FaultKind.HTML, FaultKind.BUSY):
            office.portal.faults.add(Fault(kind=kind, path="/filter"))
        office.fail("afterwards@example.com", 3)
        await office.told("afterwards@example.com")
        await stopped_and_counted(office)


async def test_slack_that_fails_gets_each_message_once(tmp_path: Path) -> None:
    faults: list[dict[str, object]] = [
        {"answer": "status", "status": 500, "recorded": "yes"},
        {"answer": "status", "status": 503, "recorded": "no"},
        {"answer": "status", "status": 429, "retry_after": 1, "times": 2},
        {"answer": "error", "error": "internal_error", "recorded": "yes"},
        {"answer": "reset", "recorded": "yes"},
        {"answer": "cut", "recorded": "yes"},
    ]
    async with world(tmp_path, history=2) as office:
        await office.start()
        await office.first_told()
        for number, fault in enumerate(faults):
            office.slack.fault(**fault)
            office.fail(f"a{number}@example.com", 3)
            await office.told(f"a{number}@example.com")
        await stopped_and_counted(office)


async def test_slack_that_was_away_gets_what_waited(tmp_path: Path) -> None:
    async with world(tmp_path, history=2) as office:
        await office.start()
        await office.first_told()
        await office.sandbox.slack_server.stop()
        office.fail("one@example.com", 3)
        await office.until(lambda: bool(office.logged("slack.trouble")), "it does not say so")
        await office.sandbox.slack_server.start()
        await office.told("one@example.com")
        await stopped_and_counted(office)
        assert len(office.logged("slack.trouble")) == 1


async def test_a_store_that_is_locked_for_a_while_loses_nothing(tmp_path: Path) -> None:
    import sqlite3

    async with world(tmp_path, history=2) as office:
        await office.start()
        await office.first_told()
        other = sqlite3.connect(tmp_path / "alertbot.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        office.fail("one@example.com", 3)
        await office.until(lambda: bool(office.logged("poll.failed")), "it does not say so")
        other.execute("ROLLBACK")
        other.close()
        await office.told("one@example.com")
        await stopped_and_counted(office)
        assert "another program" in office.logged("poll.failed")[0]["error"]
