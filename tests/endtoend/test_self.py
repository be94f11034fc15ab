"""alertbot that cannot see says so, once, and says when it sees again: a real run, a sandbox portal and Slack."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

import msgspec

from alertbot.config import load
from alertbot.standing import as_json, standing
from tests.endtoend.world import world


async def test_a_rejected_key_is_told_once_across_a_restart_and_its_end_too(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        process = await office.start()
        await office.first_told()
        key = office.portal.key
        office.portal.put_key(msgspec.structs.replace(key, active=False))
        await office.told("API key rejected")
        with office.store() as store:
            now = standing(load(tmp_path / "alertbot.yaml", office.environment), store, time.time_ns() // 1_000)
        assert [one["rule"] for one in as_json(now)["troubles"]] == ["self.key_rejected"]
        await office.kill(process)
        await office.start()
        await office.until(lambda: len(office.logged("poll.failed")) == 2, "the second run does not fail")
        office.portal.put_key(key)
        await office.told("Over: API key rejected")
        await office.settled()
        assert len([one for one in office.slack.messages if "API key rejected" in one.text]) == 2
        assert key.token not in office.log


async def test_a_rotated_key_file_is_taken_without_a_restart_and_nobody_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        office.use_key_file()
        await office.start()
        await office.first_told()
        office.rotate_key("sk-another-one")
        await office.until(lambda: bool(office.logged("key.rotated")), "the new key is not taken")
        office.fail("still@example.com", 3)
        await office.told("still@example.com")
        assert office.about("API key rejected") == []
        assert "sk-another-one" not in office.log


async def test_sighup_reads_the_key_file_again(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        office.use_key_file()
        process = await office.start()
        await office.first_told()
        office.portal.put_key(msgspec.structs.replace(office.portal.key, token="sk-another-one", name="second"))
        (office.folder / "key").write_text("sk-another-one\n")
        process.send_signal(signal.SIGHUP)
        await office.until(lambda: any(line["key"] == "second" for line in office.logged("key")), "the key is not asked about")
        assert office.logged("secrets.read_again")[-1]["portals"] == ["main"]


async def test_a_portal_without_the_plan_and_a_clock_that_is_off_are_told(tmp_path: Path) -> None:
    async with world(tmp_path, history=30) as office:
        office.portal.settings = msgspec.structs.replace(office.portal.settings, plan="none", skew_s=600.0)
        await office.start()
        await office.told("Plan without the audit service")
        await office.told("Clocks differ")
        with office.store() as store:
            now = standing(load(tmp_path / "alertbot.yaml", office.environment), store, time.time_ns() // 1_000)
        (portal,) = as_json(now)["portals"]
        assert (portal["plan"], round(portal["clock_skew_s"], -1)) == ("none", 600)
        office.portal.settings = msgspec.structs.replace(office.portal.settings, skew_s=0.0)
        await office.told("Over: Clocks differ")


async def test_a_key_that_ends_soon_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        ends = office.portal.clock.now() + timedelta(days=2)
        office.portal.put_key(msgspec.structs.replace(office.portal.key, expires_at=ends))
        await office.start()
        told = await office.told("API key ends soon")
        assert f"{ends:%Y-%m-%d}" in told.text
