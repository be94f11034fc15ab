"""The demo as people start it: the office's story, and 24 days of real logins."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alertbot.incidents import Incident
from alertbot.moments import from_us
from alertbot.outbox import OutboxEntry
from alertbot.store.store import Store
from tests.endtoend.world import ROOT, ended

REAL = Path(os.environ.get("ALERTBOT_REAL") or ROOT.parent / "shared" / "real")

MOST_MESSAGES = 40
"""What somebody would read in three weeks."""


async def demo(folder: Path, *arguments: str) -> str:
    """A demo that ends with 0; what it showed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    output = folder / "output"
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alertbot", "demo", *arguments), cwd=folder, env=environment, stdout=out, stderr=out
        )
    try:
        code = await ended(process, patience=300)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    shown = output.read_text(encoding="utf-8")
    assert code == 0, shown
    assert "Traceback" not in shown
    assert "Nothing lost, nothing doubled." in shown
    return shown


async def test_the_office_is_attacked_and_every_attack_is_found(tmp_path: Path) -> None:
    began = time.monotonic()
    shown = await demo(tmp_path)
    took = time.monotonic() - began
    print(f"\nthe demo took {took:.0f} s")
    assert "kill -9" in shown
    assert "attacks played that were found" in shown
    assert "WRONG" not in shown
    assert took < 120  # a minute, and another for machines that do much else


class Played:
    """What the demo's store holds at the end."""

    def __init__(self, incidents: Sequence[Incident], outbox: Sequence[OutboxEntry], history: Sequence[str]) -> None:
        self.incidents = incidents
        self.outbox = outbox
        self.history = history

    def about(self, rule: str, key: str) -> list[Incident]:
        """The incidents of a rule and key."""
        return [incident for incident in self.incidents if incident.rule == rule and key in incident.key]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The real logins, played once: two days of them are history, the rest is live."""
    if not (REAL / "logins.jsonl").is_file():
        pytest.skip(f"there are no real logins at {REAL}; ALERTBOT_REAL names their folder")
    folder = tmp_path_factory.mktemp("real")
    arguments = ("--events", f"{REAL}/logins.jsonl", "--people", f"{REAL}/people.json", "--history", "2d")
    asyncio.run(demo(folder, *arguments, "--keep", "kept"))
    with Store.open(f"sqlite:///{folder}/kept/alertbot.db", write=False) as store:
        history = [stored.finding for stored in store.findings("main") if stored.history]
        described = [f"{found.rule} {'/'.join(found.key)} {from_us(found.at_us):%d %B}" for found in history]
        return Played(store.incidents(portal="main"), store.entries(), described)


def test_guessing_one_account_for_an_hour_is_one_incident(played: Played) -> None:
    people = json.loads((REAL / "people.json").read_text(encoding="utf-8"))
    victim = next(person["id"] for person in people if person["email"].startswith("elastic_user_0@"))
    [incident] = played.about("password-guessing", victim)
    assert from_us(incident.at_us).date() == datetime(2017, 3, 30, tzinfo=UTC).date()
    assert incident.count > 100
    [told] = [each for each in played.incidents if each.id == (incident.held_by or incident.id)]
    assert told.posts == 1


def test_guessing_root_is_one_incident_of_its_120_failures(played: Played) -> None:
    on_the_day = [
        incident
        for incident in played.about("password-guessing", "root@example.com")
        if from_us(incident.at_us).date() == datetime(2017, 4, 5, tzinfo=UTC).date()
    ]
    [incident] = on_the_day
    assert incident.count == 120


def test_failures_without_a_login_are_told_by_their_address(played: Played) -> None:
    [incident] = played.about("failures-from-one-address", "34.204.227.175")
    assert from_us(incident.at_us).date() == datetime(2017, 4, 6, tzinfo=UTC).date()
    assert incident.count == 43


def test_the_spray_of_the_first_days_is_history_counted_and_not_sent(played: Played) -> None:
    assert len([found for found in played.history if found == "password-spraying 91.197.232.109 28 March"]) == 2
    assert not any("91.197.232.109" in incident.key for incident in played.incidents)
    [first] = [entry for entry in played.outbox if entry.kind == "first_start"]
    assert "found in that time, none of it sent" in first.message.text
    [listed] = [entry for entry in played.outbox if entry.kind == "first_start_list"]
    assert "HIGH · 2 × One address tries many accounts" in str(listed.message.blocks)


def test_each_incident_has_one_message_and_there_are_few(played: Played) -> None:
    openings = [entry.incident for entry in played.outbox if entry.kind == "opening"]
    assert sorted(map(str, openings)) == sorted(i.id for i in played.incidents if i.stands_for_itself or i.posts)
    in_the_channel = [entry for entry in played.outbox if entry.thread_of is None and entry.update_of is None]
    assert len(in_the_channel) <= MOST_MESSAGES
    print(f"\n{len(openings)} incidents told, {len(in_the_channel)} messages in the channel")
