"""The watch over one portal: what a poll leaves in the store, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alertbot.cli import execute
from alertbot.errors import NotAllowed
from alertbot.rules.model import Burst, Each
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.sandbox.intake import parse_member
from alertbot.store.records import DROPPED
from alertbot.store.store import Store
from tests.engine.build import ANY, MINUTE, rule
from tests.sandbox.serving import NOW, portal
from tests.watching import fail, until, watched, watching

TURNS = 500
"""So many turns of the loop are far more than an engine needs that may be built."""


async def test_keys_that_a_flood_pushed_out_are_counted_and_shown_by_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    anna = parse_member({"id": "u-anna", "email": "anna@example.com"})
    served = portal(people=[anna])
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        async with watching(store, served, most_keys=20) as watch:
            assert store.meta(DROPPED + "main") == "{}"
            for number in range(90):
                date = (NOW - timedelta(seconds=90 - number)).isoformat()
                served.add({"login": f"made.up.{number}@example.org", "actionId": 1002, "date": date})
            await watch.poll()
        dropped = json.loads(store.meta(DROPPED + "main") or "")
    assert 60 <= dropped["rule"] <= 90
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCSPACE_URL", "https://acme.onlyoffice.com")
    monkeypatch.setenv("DOCSPACE_API_KEY", "sk-of-nobody")
    assert execute(["status"]) == 0
    assert f"rule has let go of {dropped['rule']} keys before their time" in " ".join(capsys.readouterr().out.split())
    assert execute(["status", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["portals"][0]["dropped"] == dropped


async def test_engines_are_built_in_turn_by_the_portals_that_share_a_room(filled_sqlite_copy: Store) -> None:
    room = asyncio.Semaphore(1)
    await room.acquire()  # another portal's engine is being built
    async with watched(filled_sqlite_copy, portal(), [rule(Burst(3, 10 * MINUTE))], builds=room) as watch:
        assert not watch.has_read("login")
        await watch.poll()
        assert watch.has_read("login")
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not watch.ready.is_set()
        room.release()
        await watch.ready.wait()


async def test_a_start_goes_quickly_through_what_is_settled_and_an_attack_goes_on_as_the_same_finding(tmp_path: Path) -> None:
    served = portal(people=[parse_member({"id": "u-anna", "email": "anna@example.com"})])

    def fail(*ago_minutes: int) -> None:
        for ago in ago_minutes:
            date = (NOW - timedelta(minutes=ago)).isoformat()
            served.add({"login": "anna@example.com", "actionId": 1002, "date": date})

    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store, capture_logs() as logged:
        fail(*range(600, 2, -2))
        async with watching(store, served):
            [before] = store.findings("main")
        fail(3)
        async with watching(store, served):
            assert [one.finding.id for one in store.findings("main") if one.gone] == []
        fail(2, 1)
        async with watching(store, served):
            found = store.findings("main")
    assert [line["since"] is not None for line in logged if line["event"] == "build.began"] == [False, True, True]
    assert [(one.finding.id, one.finding.count, one.gone) for one in found] == [(before.finding.id, 302, None)]


async def test_logins_are_judged_while_the_audit_trail_is_long_or_fails_and_its_rules_know_all_once_it_is_read(
    tmp_path: Path,
) -> None:
    """A first read of many pages breaks off in the middle: what it brought stays, and nothing waits for the rest."""
    served = portal()
    for number in range(3):
        served.add({"login": "eve", "actionId": 1002, "date": (NOW - timedelta(seconds=number)).isoformat()})
    for number in range(2_300):
        date = (NOW - timedelta(minutes=number)).isoformat()
        served.add({"userId": f"u{number}", "actionId": 5074, "date": date}, "audit")
    served.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/events/filter", skip=22, times=1))
    rules = [rule(Burst(3, 10 * MINUTE)), rule(Each(), ANY, name="deleted", feeds=frozenset({"audit"}))]
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        async with watched(store, served, rules) as watch:
            await watch.poll("login")
            with pytest.raises(NotAllowed):
                await watch.poll("audit")
            async with asyncio.timeout(20):
                await watch.ready.wait()
            assert {one.finding.rule for one in store.findings("main")} == {"rule"}
            assert 1_900 < len(list(store.events("main", feed="audit"))) < 2_300
            await watch.poll("audit")
            async with asyncio.timeout(20):
                while store.portal("main").rebuild_from_us is not None:  # noqa: ASYNC110 -- a store has no event to wait for
                    await asyncio.sleep(0.01)
            assert sum(one.finding.rule == "deleted" and one.history for one in store.findings("main")) == 2_300


async def test_what_comes_too_late_for_the_engine_is_put_in_order_by_one_rebuild_a_minute(tmp_path: Path) -> None:
    """Rules that change meanwhile do not wait for that, and their engine knows what came late too."""
    served = portal()
    clock = 0.0
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store, capture_logs() as logged:

        def owed() -> bool:
            return store.portal("main").rebuild_from_us is not None

        async with watching(store, served, monotonic=lambda: clock) as watch:
            fail(served, "clock", 20, -4 * 3_600)  # all before it is settled
            await watch.poll()
            fail(served, "late", 60)
            await watch.poll()
            await until(lambda: not owed())
            fail(served, "late", 59)
            await watch.poll()
            for _ in range(TURNS):
                await asyncio.sleep(0)
            fail(served, "late", 58)
            await watch.poll()
            assert owed()
            assert len([line for line in logged if line["event"] == "build.began"]) == 2
            await watch.change_rules([rule(Burst(2, 10 * MINUTE), version="2")])
            await until(lambda: not owed())
            [found] = [one.finding for one in store.findings("main") if one.finding.version == "2" and not one.gone]
            assert found.count == 3
