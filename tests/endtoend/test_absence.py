"""Silence is told by the portal's clock, without any event that follows it."""

from __future__ import annotations

from pathlib import Path

from tests.endtoend.world import World, world

QUIET = """
title: Nobody logs in any more
name: nobody
level: medium
detection:
  entered: {outcome: success}
absence: {within: 3s}
"""


async def test_each_silence_is_told_once_by_the_clock(tmp_path: Path) -> None:
    async with world(tmp_path, rules=QUIET) as office:
        office.configure(portal={"lateness": "1s"})
        await office.start()
        await office.first_told()
        for times in (1, 2):
            office.enter("ben@example.com")
            await office.until(lambda times=times: silences(office) == times, "the silence was not found")  # type: ignore[misc]
        await office.told("Nobody logs in any more")
        await office.settled()
        assert silences(office) == 2


def silences(office: World) -> int:
    """How many silences are stored, each of another last login."""
    with office.store() as store:
        return len({stored.finding.firing for stored in store.findings("main")})
