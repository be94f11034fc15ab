"""The same over PostgreSQL: the main job, a kill in the middle, and one `run` at a time."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.conftest import Postgres
from tests.endtoend.world import ended, world


async def test_over_postgresql_a_killed_run_loses_and_doubles_nothing(tmp_path: Path, postgres: Postgres) -> None:
    async with world(tmp_path, store=postgres.create(filled=False), history=120) as office:
        office.fail("old@example.com", 3, ago=7_200)
        for step in (("sql", 60), ("poll.decided", 1), ("sql.commit", 9)):
            assert await ended(await office.start(death=step)) == -signal.SIGKILL, office.log
        bot = await office.start()
        first = await office.first_told()
        assert "1 high found in that time, none of it sent" in first.text
        office.fail("one@example.com", 3)
        await office.told("one@example.com")
        await office.kill(bot)
        office.fail("two@example.com", 3)
        bot = await office.start()
        await office.told("two@example.com")
        second = await office.start()
        assert await ended(second) == 2
        assert f"Another alertbot run (process {bot.pid} on " in office.log
        office.processes.remove(second)
        await office.settled()
        await office.stop(bot)
        office.count().agrees()
