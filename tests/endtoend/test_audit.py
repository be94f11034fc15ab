"""The audit trail as the second feed of the real program: joined with the logins, read beside them, whole after kills."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from alertbot.sandbox.faults import Fault, FaultKind
from tests.endtoend.test_kill import Play, die
from tests.endtoend.test_outage import portal_status
from tests.endtoend.world import RULES, World, words, world

STRANGE = """
title: First login from a new address
name: new-address
level: low
detection:
  entered: {outcome: success}
first_seen: {of: ip, learn: 0s}
"""
EXPORTED = """
title: An export after a strange login
name: exported
level: critical
detection:
  export: {feed: audit, event: [FolderDownloaded, AuditTrailReportDownloaded]}
sequence:
  within: 30m
  steps:
    - {match: rule:new-address}
    - {match: export}
respond: End the sessions of {name}.
---
title: Rooms deleted
name: rooms-gone
logsource: {service: audit}
detection:
  gone: {event: RoomDeleted}
burst: {count: 3, within: 10m}
"""
JOINED = f"{STRANGE}---\n{EXPORTED}"
ANYWHERE = """
title: First seen in whatever somebody does
name: anywhere
level: informational
detection:
  any: {feed: [login, audit]}
first_seen: {of: ip, learn: 0s}
"""


async def test_a_strange_login_and_an_export_within_half_an_hour_are_one_message(tmp_path: Path) -> None:
    async with world(tmp_path, rules=JOINED, history=3) as office:
        office.act("u-ben", "FolderDownloaded", "Plans", ago=4_000)
        bot = await office.start()
        await office.first_told()
        assert not office.about("An export after")
        office.enter("anna@example.com", ip="203.0.113.9", ago=20)
        office.act("u-anna", "FolderDownloaded", "Salaries", ago=10, delay=timedelta(seconds=11))  # it is written down later
        office.act("u-ben", "AuditTrailReportDownloaded")
        told = await office.told("An export after a strange login")
        assert "Anna Berg" in words(told)
        assert "End the sessions of Anna Berg" in words(told)
        assert "audit-trail|Audit trail>" in words(told)
        for room in ("a", "b", "c"):
            office.act("u-ben", "RoomDeleted", room)
        told = await office.told("Rooms deleted")
        assert "3 actions" in told.text
        await office.settled()
        await office.stop(bot)
        count = office.count()
        count.agrees()
        assert count.accounts("exported") == {"u-anna"}


async def test_an_audit_trail_that_cannot_be_read_keeps_no_login_from_being_told(tmp_path: Path) -> None:
    """What it hid meanwhile is found when it is read again."""
    async with world(tmp_path, rules=f"{RULES}---\n{JOINED}", history=3) as office:
        bot = await office.start()
        await office.first_told()
        away = office.portal.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/events/filter", times=10_000))
        await office.until(lambda: bool(office.logged("poll.failed")), "the audit trail is read")
        office.fail("anna@example.com", 3)
        await office.told("Password guessing")
        office.enter("anna@example.com", ip="203.0.113.9", ago=2)
        office.act("u-anna", "FolderDownloaded", "Salaries")
        await office.told("First login from a new address")
        assert not office.about("An export after")
        await office.stop(bot)
        office.portal.faults.release(away)
        bot = await office.start()
        await office.told("An export after a strange login")
        await office.settled()
        await office.stop(bot)
        office.count().agrees()


async def test_a_rule_that_first_needs_the_audit_trail_knows_its_past_and_tells_none_of_it(tmp_path: Path) -> None:
    """The audit trail is not read before, and not any more when the rule is gone; the logins are watched all the time."""
    async with world(tmp_path, rules=RULES, history=3) as office:
        office.enter("anna@example.com", ip="192.0.2.77", ago=200_000)
        for number in range(230):
            office.act("u-ben", "RoomDeleted", f"old {number}", ago=86_400 + number)
        bot = await office.start()
        await office.first_told()
        assert not any("/events/" in asked.path for asked in office.portal.requests)
        office.write_rules(f"{RULES}---\n{JOINED}---\n{ANYWHERE}")
        await office.until(lambda: found(office, "rooms-gone") == 1, "its past is not known")
        assert found(office, "anywhere") >= 2, "of either feed"
        office.fail("anna@example.com", 3)
        await office.told("Password guessing")
        for room in ("a", "b", "c"):
            office.act("u-anna", "RoomDeleted", room)
        told = await office.told("Rooms deleted")
        assert "Anna Berg" in words(told)
        await office.settled()
        assert len(office.about("Rooms deleted")) == 1
        office.count().agrees()
        assert portal_status(office)["read_to"].keys() == {"login", "audit"}
        office.write_rules(RULES)
        await office.until(lambda: portal_status(office)["read_to"].keys() == {"login"}, "it is still read")
        asked = sum("/events/" in one.path for one in office.portal.requests)
        office.fail("ben@example.com", 3)
        await office.told("Password guessing", times=2)
        assert sum("/events/" in one.path for one in office.portal.requests) <= asked + 1
        office.act("u-anna", "RoomDeleted", "unseen")
        office.write_rules(f"{RULES}---\n{JOINED}")
        await office.settled()
        assert len(office.about("Rooms deleted")) == 1, "what happened while no rule looked is history"
        await office.stop(bot)


def found(office: World, rule: str) -> int:
    with office.store() as store:
        return sum(one.finding.rule == rule for one in store.findings("main"))


class BothFeeds(Play):
    """Each scene has actions beside its logins: some are written down late, and each person does one thing that counts."""

    def scene(self) -> None:
        super().scene()
        office = self.office
        office.enter("anna@example.com", ip=f"203.0.113.{len(office.portal.shown('audit')) % 250}", ago=3)
        office.act("u-anna", "FolderDownloaded", "Plans", ago=2, delay=timedelta(seconds=4))
        office.act("u-ben", "RoomDeleted", "Plans")


STEPS = (
    *(("poll.read", 1), ("poll.read", 2), ("poll.committed", 1), ("build.loaded", 1), ("poll.read", 4)),
    *(("poll.committed", 3), ("poll.decided", 5), ("sql.commit", 4), ("build.done", 1), ("poll.committed", 6)),
)


async def test_killed_while_both_feeds_are_read_everything_is_there_once(tmp_path: Path) -> None:
    async with world(tmp_path, rules=f"{RULES}---\n{JOINED}", history=30) as office:
        for number in range(250):
            office.act("u-ben", "FolderDownloaded", f"old {number}", ago=90_000 + number)
        play = BothFeeds(office)
        for step, times in STEPS:
            await die(office, play, step, times)
        bot = await office.start()
        await office.told("An export after a strange login")
        await office.settled()
        await office.stop(bot)
        count = office.count()
        count.agrees()
        assert count.accounts("exported") == {"u-anna"}
