"""Rows that come late are put in order: findings are those of a pass in order, and what was told is corrected."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.endtoend.world import FAILURE, SUCCESS, World, world

FIRST_SEEN = """
title: First login from a new address
name: new-address
level: low
quiet: 1s
detection:
  entered: {outcome: success}
first_seen: {of: ip, memory: 90d, learn: 0s}
"""

GUESSING = """
title: Password guessing
name: guessing
level: high
detection:
  failed: {outcome: failure}
burst: {count: 3, within: 10m}
"""


def row(office: World, login: str, action: int, ip: str, ago: float) -> None:
    """A row that is shown now, whatever its date."""
    date = office.portal.clock.now() - timedelta(seconds=ago)
    raw = {"login": login, "actionId": action, "ip": ip, "country": "Germany", "date": date.isoformat()}
    office.portal.add(raw, delay=timedelta(seconds=ago))


async def test_a_row_three_hours_late_is_found_by_a_start_that_looks_back_so_far(tmp_path: Path) -> None:
    """The portal shows two failures at once; the first of the three is shown three hours after its date."""
    async with world(tmp_path, rules=GUESSING.replace("10m", "4h"), history=3) as office:
        row(office, "old@example.com", FAILURE, "203.0.113.7", 20_000)
        bot = await office.start()
        await office.first_told()
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 5)
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 4)
        row(office, "ben@example.com", FAILURE, "203.0.113.7", 3)
        await office.settled()
        await office.stop(bot)
        assert len(office.slack.messages) == 1
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 3 * 3_600)
        office.configure(portal={"lateness": "4h"})
        bot = await office.start()
        message = await office.told("Password guessing")
        assert "3 failures" in message.text
        await office.settled()
        await office.stop(bot)
        count = office.count()
        count.agrees()
        [finding] = count.findings
        assert finding.last_us - finding.first_us > timedelta(hours=2, minutes=59) / timedelta(microseconds=1)


async def test_a_late_row_before_what_is_settled_is_put_in_order_by_a_rebuild(tmp_path: Path) -> None:
    """A server with a wrong clock dates a row into the future: all before it is settled, and the next late row is too late."""
    async with world(tmp_path, rules=GUESSING, history=3) as office:
        bot = await office.start(arguments=("run", "--log-level", "debug"))
        await office.first_told()
        row(office, "ben@example.com", SUCCESS, "198.51.100.1", -4 * 3_600)
        await office.settled()
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 3)
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 2)
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 1)
        await office.told("3 failures")
        await office.settled()
        built = len(office.logged("build.done"))
        row(office, "anna@example.com", FAILURE, "203.0.113.7", 60)
        await office.until(lambda: len(office.logged("build.done")) > built, "nothing is built anew")
        await office.settled()
        await office.stop(bot)
        count = office.count()
        count.agrees()
        [finding] = count.findings
        [incident] = count.incidents
        assert finding.count == 4
        assert incident.findings == {finding.id: 4}
        assert not incident.withdrawn
        assert len(office.slack.space.of("#security")) == 2, "the first message and one alert"


async def test_an_incident_that_no_finding_supports_any_more_is_withdrawn(tmp_path: Path) -> None:
    """An address is new, until the portal shows late that it was there a minute before."""
    async with world(tmp_path, rules=FIRST_SEEN) as office:
        for person in ("anna@example.com", "ben@example.com"):
            row(office, person, SUCCESS, "198.51.100.1", 86_400)
        bot = await office.start()
        await office.first_told()
        row(office, "anna@example.com", SUCCESS, "203.0.113.7", 0)
        await office.told("First login from a new address")
        await office.settled()
        row(office, "anna@example.com", SUCCESS, "203.0.113.7", 60)
        await office.until(lambda: any(i.withdrawn for i in office.count().incidents), "nothing is withdrawn")
        await office.settled()
        await office.stop(bot)
        count = office.count()
        count.agrees()
        earlier, withdrawn = sorted(count.incidents, key=lambda incident: incident.at_us)
        assert withdrawn.withdrawn
        assert not withdrawn.findings
        assert not earlier.withdrawn
        assert [found.id for found in count.findings if found.id in earlier.findings]
