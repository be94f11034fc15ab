"""Silence is told by the portal's clock, without any event that follows it."""

from __future__ import annotations

from pathlib import Path

from tests.endtoend.world import world

QUIET = """
title: Nobody logs in any more
name: nobody
level: medium
detection:
  entered: {outcome: success}
absence: {within: 3s}
"""


async def test_a_silence_is_told_once_by_the_clock_and_again_after_the_next_login(tmp_path: Path) -> None:
    async with world(tmp_path, rules=QUIET, history=3) as office:
        office.configure(portal={"lateness": "1s"})
        await office.start()
        await office.first_told()
        office.enter("ben@example.com")
        await office.told("Nobody logs in any more")
        await office.settled()
        with office.store() as store:
            news = [stored for stored in store.findings("main") if not stored.history]
            incidents = store.incidents(portal="main")
        assert len(incidents) == 1
        assert len({stored.finding.firing for stored in news}) == len(news)
