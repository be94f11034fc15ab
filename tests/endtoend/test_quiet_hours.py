"""The real program keeps quiet in quiet hours: across a kill too, and not about what is too severe to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.endtoend.world import World, world

RULES = """
title: Password guessing
name: guessing
level: low
detection:
  failed: {outcome: failure}
burst: {count: 3, within: 10m}
---
title: A login from Hanoi
name: hanoi
level: critical
detection:
  there: {outcome: success, country: Vietnam}
"""


async def test_a_kill_in_quiet_hours_tells_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES, history=3) as there:
        there.configure(routes=[{"match": {"level": ["low", "informational"]}, "quiet_hours": _around_now()}])
        process = await there.start()
        await there.first_told()
        there.fail("ben@example.com", 3)
        await there.until(lambda: _held(there) == 1, "nothing is held")
        await there.kill(process)
        process = await there.start()
        there.fail("anna@example.com", 3)
        await there.until(lambda: _held(there) == 2, "what was held is forgotten")
        there.enter("ben@example.com", country="Vietnam")
        await there.told("A login from Hanoi")
        await there.settled()
        assert not [one for one in there.about("Password guessing") if one.thread_ts is None]
        await there.stop(process)


def _around_now() -> str:
    """A window that began an hour ago and ends in three; the portal's zone is UTC."""
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=1):%H:00}-{now + timedelta(hours=3):%H:00}"


def _held(there: World) -> int:
    with there.store() as store:
        return sum(one.quiet_until_us is not None and one.message is None for one in store.incidents())
