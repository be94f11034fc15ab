"""What people do is stored whole or not at all, beside a `run` that works, and nobody overwrites what they have not seen."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from alertbot.errors import StaleIncident, StoreBusy, StoreError
from alertbot.handling import Silenced
from alertbot.respond import Desk
from alertbot.responses import acknowledge, reopen, resolve
from alertbot.silences import Scope, Silence, new_silence
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import Store
from tests.people import ANNA, BEN, MINUTE_US, NOW_US, a_rule, incident

STATE = PortalState(name="main")


def filled(store: Store) -> None:
    store.commit_poll(PollCommit(state=STATE, incidents=[incident()]))


def a_silence(minutes: int = 60) -> Silence:
    return new_silence(
        Scope("rule", "", rule="guessing"),
        portal="main",
        since_us=NOW_US,
        until_us=NOW_US + minutes * MINUTE_US,
        by="ben",
        reason="known",
    )


def test_a_step_that_was_decided_by_an_older_state_is_refused_whole(store: Store) -> None:
    filled(store)
    one = acknowledge(incident(), BEN, NOW_US)
    assert one.incident is not None
    store.respond(PeopleCommit(read={incident().id: 1}, incidents=[one.incident], log=one.log))
    other = resolve(incident(), ANNA, NOW_US, "real")
    assert other.incident is not None
    with pytest.raises(StaleIncident, match="try again"):
        store.respond(PeopleCommit(read={incident().id: 1}, incidents=[other.incident], log=other.log, silences=[a_silence()]))
    assert store.incident(incident().id) == one.incident
    assert store.silences() == []
    assert [entry.reason for entry in store.incident_log(incident().id)] == ["acknowledged"]


def test_a_poll_that_was_decided_by_an_older_state_is_refused_whole(store: Store) -> None:
    filled(store)
    Desk(store, {}).step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
    poll = PollCommit(state=PortalState(name="main", last_poll_us=9), read={incident().id: 1}, incidents=[incident(revision=2)])
    with pytest.raises(StaleIncident):
        store.commit_poll(poll)
    assert store.portal("main").last_poll_us is None
    found = store.incident(incident().id)
    assert found is not None
    assert found.work == "acknowledged"


def test_many_at_once_lose_no_step(store_url: str) -> None:
    with Store.open(store_url, write=True) as running:
        filled(running)

        def act(number: int) -> None:
            with Store.visit(store_url) as visitor:
                desk = Desk(visitor, {})
                for _ in range(3):
                    desk.step(incident().id, lambda one: acknowledge(one, BEN, NOW_US + number))
                    desk.undo(incident().id, ANNA, NOW_US + number)

        threads = [threading.Thread(target=act, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = running.incident(incident().id)
        assert found is not None
        assert found.turn == len(running.incident_log(incident().id)) == found.revision - 1


def test_people_act_beside_a_run_and_a_second_run_is_still_refused(store_url: str) -> None:
    with Store.open(store_url, write=True) as running:
        filled(running)
        with Store.visit(store_url) as visitor:
            Desk(visitor, {}).step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
        with pytest.raises(StoreBusy):
            Store.open(store_url, write=True)
        assert [one.work for one in running.incidents_to_restate()] == ["acknowledged"]
    with Store.visit(store_url) as visitor, Store.open(store_url, write=True) as running:
        assert visitor.incident(incident().id) == running.incident(incident().id)


def test_a_visitor_makes_no_store_and_changes_no_schema(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"alertbot run (makes|fills) it"):
        Store.visit(empty_url)
    assert list(tmp_path.iterdir()) == []


def test_what_was_restated_waits_no_more(store: Store) -> None:
    filled(store)
    assert store.incidents_to_restate() == []
    Desk(store, {}).step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
    [one] = store.incidents_to_restate()
    store.respond(PeopleCommit(read={one.id: one.revision}, incidents=[one], restate=None))
    assert len(store.incidents_to_restate()) == 1
    store.respond(PeopleCommit(read={one.id: one.revision}, incidents=[one], restate=False))
    assert store.incidents_to_restate() == []


def test_what_nobody_looks_at_is_found_when_it_is_due(store: Store) -> None:
    filled(store)
    due_us = incident().escalate_at_us
    assert due_us is not None
    assert store.incidents_to_escalate(due_us - 1) == []
    assert [one.id for one in store.incidents_to_escalate(due_us)] == [incident().id]
    Desk(store, {}).step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
    assert store.incidents_to_escalate(due_us) == []


def test_silences_are_found_until_their_end_was_noticed(store: Store) -> None:
    one = a_silence(minutes=1)
    store.respond(PeopleCommit(silences=[one, a_silence(minutes=2)]))
    assert [each.until_us for each in store.silences()] == [NOW_US + MINUTE_US, NOW_US + 2 * MINUTE_US]
    assert store.silences(ended_by_us=NOW_US) == []
    assert store.silences(ended_by_us=NOW_US + MINUTE_US) == [one]
    lifted = Desk(store, {}).lift(one.id, ANNA, NOW_US + 5)
    assert lifted is not None
    assert store.silences(ended_by_us=NOW_US + 5) == [lifted]
    assert Desk(store, {}).lift(one.id, ANNA, NOW_US + 6) is None
    assert Desk(store, {}).lift("nothing", ANNA, NOW_US + 6) is None
    held = incident(silenced=Silenced(silence=one.id, since_us=NOW_US, told=5))
    store.commit_poll(PollCommit(state=STATE, incidents=[held]))
    assert store.incidents_silenced(one.id) == [held]


def test_what_quiet_hours_hold_is_found_when_they_end_unless_a_silence_holds_it(store: Store) -> None:
    hour_us = 60 * MINUTE_US
    silenced = Silenced(silence="0a1b2c3d4e5f", since_us=NOW_US, told=0)
    held = [
        incident(id="early", quiet_until_us=NOW_US + hour_us),
        incident(id="late", quiet_until_us=NOW_US + 2 * hour_us),
        incident(id="silent", quiet_until_us=NOW_US + hour_us, silenced=silenced),
        incident(id="told"),
    ]
    store.commit_poll(PollCommit(state=STATE, incidents=held))
    assert store.incidents_after_quiet_hours(NOW_US + hour_us - 1) == []
    assert [one.id for one in store.incidents_after_quiet_hours(NOW_US + hour_us)] == ["early"]
    assert [one.id for one in store.incidents_after_quiet_hours(NOW_US + 9 * hour_us)] == ["early", "late"]
    assert [one.id for one in store.incidents_silenced("0a1b2c3d4e5f")] == ["silent"]
    step = PeopleCommit(incidents=[incident(id="early"), incident(id="late")], restate=None)
    store.respond(step)
    assert store.incidents_after_quiet_hours(NOW_US + 9 * hour_us) == []


def test_a_wish_goes_with_the_resolve_that_made_it(store: Store) -> None:
    filled(store)
    desk = Desk(store, {"guessing": a_rule()})
    desk.resolve(incident().id, BEN, NOW_US, "expected", "her phone")
    [wish] = store.wishes()
    assert (wish.rule, wish.by, wish.why) == ("guessing", "ben", "her phone")
    [offer] = store.entries(incident=incident().id)
    assert (offer.kind, offer.thread_of) == ("wish", "opening1")
    desk.undo(incident().id, BEN, NOW_US)
    assert store.wishes() == []


def test_what_is_not_there_is_told(store: Store) -> None:
    filled(store)
    desk = Desk(store, {})
    assert desk.step("nothing", lambda one: reopen(one, BEN, NOW_US)) is None
    assert desk.case("nothing") is None
    assert store.silence("nothing") is None


def test_hostile_words_are_stored_as_they_can_be(store: Store) -> None:
    filled(store)
    word = "a\x00b\ud800c'); DROP TABLE wishes;--"
    Desk(store, {}).resolve(incident().id, BEN, NOW_US, "expected", word)
    found = store.incident(incident().id)
    assert found is not None
    assert found.resolution == "expected"
    assert "DROP TABLE" in store.wishes()[0].why
