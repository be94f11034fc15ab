"""Rules change while a portal is watched: nothing is lost or told twice, and each version judges what came in its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alertbot.errors import PortalError
from alertbot.rules.model import Burst, Each, Rule
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.store.store import Store
from tests.engine.build import ANY, MINUTE, rule
from tests.sandbox.serving import portal
from tests.watching import InStore, fail, told, until, watching


def burst(count: int, **more: Any) -> Rule:
    """So many failures of an account in ten minutes; the count is its version."""
    return rule(Burst(count, 10 * MINUTE), version=str(count), **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as opened:
        yield opened


def in_force(store: Store, name: str = "rule") -> str:
    """The version that is in force now."""
    return [one.version for one in store.rule_versions("main") if one.rule == name][-1]


async def test_words_are_in_force_at_once_whatever_is_built_for_other_rules(store: Store) -> None:
    served, in_store = portal(), InStore()
    fail(served, "old", *range(2_000, 4_000))
    async with watching(store, served, [burst(3), burst(9, name="other")], in_store=in_store) as watch:
        in_store.hold()
        await watch.change_rules([burst(3, mode="shadow"), burst(8, name="other")])
        await in_store.is_held()
        fail(served, "shadow", 9, 8, 7)
        await watch.poll()
        assert told(store) == []
        await watch.change_rules([burst(3), burst(8, name="other")])
        fail(served, "beside", 6, 5, 4)
        await watch.poll()
        assert told(store) == ["beside"]
        await watch.change_rules([burst(3, mode="shadow"), burst(8, name="other")])
        in_store.go_on()
        await until(lambda: in_force(store, "other") == "8")
        fail(served, "after", 3, 2, 1)
        await watch.poll()
        assert told(store) == ["beside"]


async def test_words_that_change_during_a_rebuild_for_late_rows_stay_changed(store: Store) -> None:
    served, in_store = portal(), InStore()
    fail(served, "old", *range(2_000, 4_000))
    async with watching(store, served, [burst(3)], in_store=in_store) as watch:
        fail(served, "clock", 20, -4 * 3_600)  # all before it is settled: what comes now is too late
        await watch.poll()
        in_store.hold()
        fail(served, "late", 30)
        await watch.poll()
        await in_store.is_held()
        await watch.change_rules([burst(3, mode="shadow")])
        in_store.go_on()
        await until(lambda: store.portal("main").rebuild_from_us is None)
        fail(served, "after", 6, 5, 4)
        await watch.poll()
        await until(lambda: any(one.finding.key == ("after",) for one in store.findings("main")))
        assert told(store) == []


async def test_an_edit_that_is_taken_back_before_it_was_in_force_never_is(store: Store) -> None:
    """A typing error that is mended at once: nobody is told by it, however far its engine is."""
    served, in_store = portal(), InStore()
    fail(served, "old", *range(2_000, 4_000))
    async with watching(store, served, [burst(3)], in_store=in_store) as watch:
        in_store.hold()
        await watch.change_rules([burst(2)])
        await in_store.is_held()
        await watch.change_rules([burst(3)])
        fail(served, "typed", 9, 8)
        await watch.poll()
        in_store.go_on()
        await until(lambda: watch._successor is None)
        fail(served, "attacked", 7, 6, 5)
        await watch.poll()
    assert told(store) == ["attacked"]
    assert [one.version for one in store.rule_versions("main")] == ["3"]


async def test_of_two_edits_in_a_row_the_second_takes_over(store: Store) -> None:
    served, in_store = portal(), InStore()
    fail(served, "old", *range(2_000, 4_000))
    async with watching(store, served, [burst(3)], in_store=in_store) as watch:
        in_store.hold()
        await watch.change_rules([burst(2)])
        await in_store.is_held()
        await watch.change_rules([burst(4)])
        fail(served, "beside", 9, 8, 7)
        await watch.poll()
        assert told(store) == ["beside"], "the rules before them judge meanwhile"
        in_store.go_on()
        await until(lambda: in_force(store) == "4")
        fail(served, "beside", 6)
        fail(served, "after", 6, 5, 4)
        await watch.poll()
    assert told(store) == ["beside"]
    assert {one.version for one in store.rule_versions("main")} == {"3", "4"}


async def test_a_rule_that_goes_back_to_a_former_version_goes_on_with_its_incident(store: Store) -> None:
    served = portal()
    async with watching(store, served, [burst(3)]) as watch:
        fail(served, "anna", 60, 59, 58)
        await watch.poll()
        assert told(store) == ["anna"]
        for version in (5, 3):
            await watch.change_rules([burst(version)])
            await until(lambda version=version: in_force(store) == str(version))
        fail(served, "anna", 50)
        await watch.poll()
        [incident] = store.incidents()
        assert (told(store), list(incident.findings.values()), incident.withdrawn) == (["anna"], [4], False)
    assert [one.version for one in store.rule_versions("main")] == ["5", "3"]


@pytest.mark.parametrize("ago_s", [10, 25])
async def test_what_is_shown_only_after_a_change_is_judged_though_its_date_is_that_of_the_last_one_or_before(
    store: Store, ago_s: int
) -> None:
    served = portal()
    async with watching(store, served, [burst(3)]) as watch:
        fail(served, "anna", 30, 29)
        fail(served, "ben", 10, 10, 10)
        await watch.poll()
        await watch.change_rules([burst(2)])
        await until(lambda: in_force(store) == "2")
        assert told(store) == ["ben"]
        fail(served, "anna", ago_s)
        fail(served, "eve", ago_s, ago_s)
        await watch.poll()
        assert sorted(told(store)) == ["anna", "ben", "eve"]


async def test_what_came_while_the_bot_was_down_is_judged_by_the_version_of_the_start(store: Store) -> None:
    served = portal()
    async with watching(store, served, [burst(3)]) as watch:
        fail(served, "before", 41, 40)
        fail(served, "last", 39)
        await watch.poll()
    fail(served, "anna", 39, 39)  # in the second of the last one that was judged
    fail(served, "ben", 20, 19)
    async with watching(store, served, [burst(2)]):
        assert sorted(told(store)) == ["anna", "ben"]
        [history] = [one for one in store.findings("main") if one.finding.key == ("before",)]
        assert history.history


async def test_what_happens_while_a_rule_is_off_is_history_when_it_is_on_again(store: Store) -> None:
    served = portal()
    async with watching(store, served, [burst(3), burst(9, name="other")]) as watch:
        fail(served, "before", 60, 59, 58)
        await watch.poll()
        await watch.change_rules([burst(3, mode="off"), burst(9, name="other")])
        await until(lambda: in_force(store) == "")
        fail(served, "meanwhile", 50, 49, 48)
        fail(served, "half", 40, 39)
        await watch.poll()
        await watch.change_rules([burst(3), burst(9, name="other")])
        await until(lambda: in_force(store) == "3")
        assert told(store) == ["before"]
        fail(served, "half", 30)
        fail(served, "meanwhile", 29)
        await watch.poll()
        assert sorted(told(store)) == ["before", "half", "meanwhile"]


async def test_versions_that_follow_on_each_other_without_an_event_keep_their_order_over_a_restart(store: Store) -> None:
    served = portal()
    fail(served, "old", 60)
    async with watching(store, served, [burst(9)]) as watch:
        for version in (8, 2, 7):
            await watch.change_rules([burst(version)])
            await until(lambda version=version: in_force(store) == str(version))
    before = store.rule_versions("main")
    async with watching(store, served, [burst(7)]):
        assert store.rule_versions("main") == before


async def test_a_change_takes_effect_while_the_portal_is_away(store: Store) -> None:
    served = portal()
    async with watching(store, served, [burst(3)]) as watch:
        served.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/filter", times=3))
        with pytest.raises(PortalError):
            await watch.poll()
        await watch.change_rules([burst(2)])
        with pytest.raises(PortalError):
            await watch.poll()
        await until(lambda: in_force(store) == "2")
        served.faults.clear()
        fail(served, "anna", 6, 5)
        await watch.poll()
        assert told(store) == ["anna"]


async def test_a_feed_that_no_rule_looks_at_any_more_is_left_though_its_rule_was_never_in_force(store: Store) -> None:
    served = portal()
    deleted = rule(Each(), ANY, name="deleted", feeds=frozenset({"audit"}))
    async with watching(store, served, [burst(3)]) as watch:
        await watch.change_rules([burst(3), deleted])
        assert watch.reads("audit")
        await watch.change_rules([burst(3)])
        served.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/events/filter"))
        with pytest.raises(PortalError):
            await watch.poll("audit")
        await until(lambda: not watch.reads("audit"))
        assert [one for one in store.rule_versions("main") if one.rule == "deleted"] == []
