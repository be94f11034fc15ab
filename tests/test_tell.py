"""From what is to be told to outbox entries: which message is new, which changes, and what each of them is called."""

from __future__ import annotations

import dataclasses
from zoneinfo import ZoneInfo

import msgspec

from alertbot.incidents import Incident, Occasion, Telling
from alertbot.incidents.storm import Storm
from alertbot.outbox import LATER, UPDATE, OutboxEntry, entry_id, priority_of
from alertbot.settings import Route, RouteMatch
from alertbot.slack.state import Standing
from alertbot.slack.summary import Roundup
from alertbot.tell import Material, Outlet, roundup_entries, single, storm_entries
from tests.slack.test_message import PORTAL_URL, START, incident, known, rule

NOW = START + 1_000_000
HERE = Outlet("main", "#security", ZoneInfo("Europe/Berlin"), PORTAL_URL)
HOOK = Outlet("main", "#security", ZoneInfo("Europe/Berlin"), PORTAL_URL, by_webhook=True)
EVIDENCE = Material(evidence=tuple(known(number) for number in range(3)))
FIRST = entry_id("opening", "x")


def told(
    one: Incident, occasion: Occasion, outlet: Outlet = HERE, material: Material = EVIDENCE
) -> tuple[Incident, list[OutboxEntry]]:
    return single(outlet, Telling(one, occasion), rule(), material, NOW)


def an_incident(**more: object) -> Incident:
    return incident(list(EVIDENCE.evidence), **({"id": "x"} | more))


def kinds(entries: list[OutboxEntry]) -> list[str]:
    return [entry.kind for entry in entries]


def test_an_opening_is_a_message_by_the_priority_of_its_level_and_what_else_is_known():
    before = tuple(known(number, outcome="success") for number in range(3))
    one, entries = told(an_incident(), Occasion.OPENING, material=Material(evidence=EVIDENCE.evidence, before=before))
    assert kinds(entries) == ["opening", "background"]
    assert (entries[0].id, entries[0].priority, entries[1].thread_of) == (FIRST, priority_of("high"), FIRST)
    assert entries[1].priority == LATER
    assert (one.message, one.posts, one.familiar) == (FIRST, 1, True)


def test_a_change_updates_the_message_that_lives():
    one, entries = told(an_incident(message=FIRST, posts=1, revision=7), Occasion.UPDATE)
    assert [(e.kind, e.update_of, e.not_before_us > NOW) for e in entries] == [(UPDATE, FIRST, True)]
    again, more = told(msgspec.structs.replace(one, revision=8), Occasion.UPDATE)
    assert again.message == FIRST
    assert more[0].id != entries[0].id


def test_a_rise_and_a_return_are_messages_of_their_own_that_close_the_one_before():
    for occasion, kind in ((Occasion.RISE, "rise"), (Occasion.RETURN, "return")):
        one, (posted, closed) = told(an_incident(message=FIRST, posts=1), occasion)
        assert (posted.kind, closed.kind, closed.update_of) == (kind, UPDATE, FIRST)
        assert (one.message, one.earlier, one.again, one.posts) == (posted.id, FIRST, kind, 2)
        assert FIRST in posted.message.links
        assert posted.id in closed.message.links
        assert closed.message.text.startswith("SEE BELOW")


def test_the_end_is_said_in_the_message_and_in_its_thread():
    _, entries = told(an_incident(message=FIRST, posts=1, phase="over"), Occasion.CLOSING)
    assert [(e.kind, e.update_of, e.thread_of) for e in entries] == [(UPDATE, FIRST, None), ("closing", None, FIRST)]
    assert "Nobody has looked at it yet." in entries[1].message.text


def test_an_incident_that_took_a_message_over_shows_in_it():
    held = an_incident(id="y", title="Password guessing")
    material = Material(evidence=EVIDENCE.evidence, standing=Standing(held=(held,)))
    one, entries = told(an_incident(message="m1"), Occasion.OPENING, material=material)
    assert [(e.kind, e.update_of) for e in entries] == [(UPDATE, "m1")]
    assert (one.message, one.posts) == ("m1", 0)
    assert "Told together with this" in str(entries[0].message.blocks)


def test_an_incident_without_a_message_changes_none():
    assert told(an_incident(summary="s"), Occasion.UPDATE)[1] == []


def test_a_webhook_gets_openings_and_rises_alone():
    assert kinds(told(an_incident(), Occasion.OPENING, HOOK)[1]) == ["opening"]
    assert kinds(told(an_incident(message="m1"), Occasion.OPENING, HOOK)[1]) == ["opening"]
    assert kinds(told(an_incident(message="m1", posts=1), Occasion.RISE, HOOK)[1]) == ["rise"]
    for occasion in (Occasion.UPDATE, Occasion.RETURN, Occasion.CLOSING):
        assert told(an_incident(message="m1", posts=1), occasion, HOOK)[1] == []


def test_a_rule_that_is_gone_from_the_files_still_closes_its_incident():
    one = an_incident(message=FIRST, posts=1, phase="over")
    _, entries = single(HERE, Telling(one, Occasion.CLOSING), None, EVIDENCE, NOW)
    assert kinds(entries) == [UPDATE, "closing"]


def test_the_same_decision_written_twice_has_the_same_entries():
    for occasion in Occasion:
        one = an_incident(message=FIRST, posts=1)
        assert told(one, occasion) == told(one, occasion)


# -- many at once ----------------------------------------------------------------------------------------------------------


def storm(**more: object) -> Storm:
    usual = {"id": "ab", "portal": "main", "rule": "guess", "title": "Guessing", "level": "high", "since_us": 0, "last_us": 0}
    return Storm(**(usual | more))  # type: ignore[arg-type]


def members(count: int) -> list[Incident]:
    return [an_incident(id=f"i{number}") for number in range(count)]


def test_a_storm_has_one_message_and_a_list_that_is_written_anew_when_it_has_doubled():
    begun, entries = storm_entries(HERE, storm(), members(20), None, is_new=True, over=False, now_us=NOW)
    assert kinds(entries) == ["storm", "storm_list"]
    assert (begun.listed, entries[1].thread_of) == (20, "ab")
    later = NOW + 61_000_000
    assert kinds(storm_entries(HERE, begun, members(39), None, is_new=False, over=False, now_us=later)[1]) == [UPDATE]
    assert kinds(storm_entries(HERE, begun, members(50), None, is_new=False, over=False, now_us=NOW + 1)[1]) == [UPDATE]
    assert kinds(storm_entries(HERE, begun, members(40), None, is_new=False, over=False, now_us=later)[1]) == [
        UPDATE,
        "storm_list",
    ]
    assert kinds(storm_entries(HERE, begun, members(21), None, is_new=False, over=True, now_us=NOW + 1)[1]) == [
        UPDATE,
        "storm_list",
    ]
    assert kinds(storm_entries(HERE, begun, members(20), None, is_new=False, over=True, now_us=later)[1]) == [UPDATE]


def test_through_a_webhook_a_storm_is_told_once():
    begun, entries = storm_entries(HOOK, storm(), members(20), None, is_new=True, over=False, now_us=NOW)
    assert kinds(entries) == ["storm"]
    assert "in the thread" not in str(entries[0].message.blocks)
    assert storm_entries(HOOK, begun, members(90), None, is_new=False, over=True, now_us=NOW)[1] == []


def test_a_summary_of_old_things_grows_while_it_waits():
    gathered = Roundup(id="ab", portal="main", why="late", incidents=("i0", "i1"))
    first = roundup_entries(HERE, gathered, members(2), is_new=True, now_us=NOW)
    assert [(e.kind, e.thread_of) for e in first] == [("late", None), ("late_list", "ab")]
    more = msgspec.structs.replace(gathered, revision=1)
    second = roundup_entries(HERE, more, members(3), is_new=False, now_us=NOW)
    assert [(e.kind, e.update_of) for e in second] == [(UPDATE, "ab"), (UPDATE, first[1].id)]
    assert kinds(roundup_entries(HOOK, gathered, members(2), is_new=True, now_us=NOW)) == ["late"]


def test_summaries_go_where_their_rule_and_level_are_told():
    routes = (
        Route(match=RouteMatch(level=("high",)), channel="#oncall", **{"continue": True}),
        Route(match=RouteMatch(rule=("guess",)), channel="#guesses"),
    )
    routed = dataclasses.replace(HERE, routes=routes)
    begun, entries = storm_entries(routed, storm(), members(20), None, is_new=True, over=False, now_us=NOW)
    assert [(e.kind, e.channel) for e in entries] == [("storm", "#oncall"), ("copy", "#guesses"), ("storm_list", "#oncall")]
    _, later = storm_entries(routed, begun, members(20), None, is_new=False, over=False, now_us=NOW)
    assert [(e.kind, e.update_of) for e in later] == [(UPDATE, "ab"), (UPDATE, entries[1].id)]
    gathered = Roundup(id="cd", portal="main", why="late", incidents=("i0", "i1"))
    assert {e.channel for e in roundup_entries(routed, gathered, members(2), is_new=True, now_us=NOW)} == {"#oncall"}
