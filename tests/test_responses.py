"""What people do to incidents: each step says what it changes, and whoever comes too late changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot.handling import Sessions
from alertbot.incidents import Incident, Reason
from alertbot.responses import (
    ANEW,
    ASKED_FOR_S,
    WORD,
    Response,
    acknowledge,
    ask_to_end_sessions,
    reopen,
    resolve,
    sessions_answered,
    standing,
    undo,
)
from tests.people import ANNA, BEN, MINUTE_US, NOW_US, incident


def done(response: Response) -> Incident:
    assert response.incident is not None, response.said
    return response.incident


def test_who_acknowledges_has_it_and_it_escalates_no_more() -> None:
    response = acknowledge(incident(), BEN, NOW_US)
    one = done(response)
    assert (one.work, one.by, one.by_id, one.by_at_us, one.escalate_at_us) == ("acknowledged", "ben", BEN.id, NOW_US, None)
    assert [(entry.reason, entry.who) for entry in response.log] == [(Reason.ACKNOWLEDGED, "ben (U024BE7LJ)")]
    assert one.revision == incident().revision + 1


def test_the_second_to_acknowledge_is_told_who_was_first() -> None:
    response = acknowledge(done(acknowledge(incident(), BEN, NOW_US)), ANNA, NOW_US)
    assert not response.changes
    assert response.said == "Nothing changed: ben has it."


def test_an_acknowledgement_after_a_resolve_changes_nothing() -> None:
    response = acknowledge(done(resolve(incident(), BEN, NOW_US, "false_alarm")), ANNA, NOW_US)
    assert not response.changes
    assert "ben resolved it as false alarm" in response.said


def test_events_and_people_do_not_change_each_others_state() -> None:
    for phase in ("going_on", "over"):
        assert done(resolve(incident(phase=phase), BEN, NOW_US, "real")).phase == phase


def test_undoing_a_resolve_gives_it_back_to_who_had_it() -> None:
    had = done(acknowledge(incident(), BEN, NOW_US))
    resolved = done(resolve(had, ANNA, NOW_US + 1, "expected", "her phone"))
    assert (resolved.word, resolved.resolution) == ("her phone", "expected")
    back = done(undo(resolved, ANNA, NOW_US + 2))
    assert (back.work, back.by, back.by_id, back.word, back.resolution) == ("acknowledged", "ben", BEN.id, None, None)
    assert done(undo(back, ANNA, NOW_US + 3)).work == "new"


def test_what_is_nobodys_again_waits_anew() -> None:
    assert done(undo(done(acknowledge(incident(), BEN, NOW_US)), BEN, NOW_US)).escalate_at_us == ANEW
    assert done(reopen(done(resolve(incident(), BEN, NOW_US, "real")), BEN, NOW_US)).escalate_at_us == ANEW


def test_an_undo_of_an_earlier_step_changes_nothing() -> None:
    had = done(acknowledge(incident(), BEN, NOW_US))
    resolved = done(resolve(had, ANNA, NOW_US, "real"))
    assert not undo(resolved, BEN, NOW_US, turn=had.turn).changes
    assert undo(resolved, BEN, NOW_US, turn=resolved.turn).changes


def test_only_what_is_resolved_is_reopened() -> None:
    assert not reopen(incident(), BEN, NOW_US).changes
    one = done(reopen(done(resolve(incident(), BEN, NOW_US, "real")), ANNA, NOW_US, "it goes on"))
    assert (one.work, one.by, one.word) == ("new", "anna", "it goes on")


def test_sessions_are_asked_for_by_one_and_again_only_after_a_failure_or_a_crash() -> None:
    asked = done(ask_to_end_sessions(incident(), BEN, NOW_US))
    assert "just asked" in ask_to_end_sessions(asked, ANNA, NOW_US + MINUTE_US - 1).said
    assert ask_to_end_sessions(asked, ANNA, NOW_US + ASKED_FOR_S * 1_000_000).changes
    failed = done(sessions_answered(asked, "out of reach", NOW_US + 1, ended=False))
    assert ask_to_end_sessions(failed, ANNA, NOW_US + 2).changes
    ended = done(sessions_answered(asked, "done (200)", NOW_US + 1, ended=True))
    assert ended.sessions == Sessions(by="ben", by_id=BEN.id, at_us=NOW_US, answer="done (200)", ended=True)
    assert not ask_to_end_sessions(ended, ANNA, NOW_US + 10 * MINUTE_US).changes


@pytest.mark.parametrize(
    "act",
    [
        lambda one: acknowledge(one, BEN, NOW_US),
        lambda one: resolve(one, BEN, NOW_US, "real"),
        lambda one: reopen(one, BEN, NOW_US),
        lambda one: undo(one, BEN, NOW_US),
    ],
)
@pytest.mark.parametrize("where", ["merged_into", "held_by"])
def test_what_is_told_in_another_place_is_acted_on_there(act: Callable[[Incident], Response], where: str) -> None:
    response = act(incident(work="resolved", **{where: "0ther0ther"}))
    assert not response.changes
    assert "0ther0th" in response.said


STEPS: list[Callable[[Incident, int], Response]] = [
    lambda one, at_us: acknowledge(one, BEN, at_us),
    lambda one, at_us: resolve(one, ANNA, at_us, "real", "x" * 1_000),
    lambda one, at_us: resolve(one, BEN, at_us, "expected"),
    lambda one, at_us: undo(one, ANNA, at_us),
    lambda one, at_us: undo(one, ANNA, at_us, one.turn),
    lambda one, at_us: reopen(one, BEN, at_us),
    lambda one, at_us: ask_to_end_sessions(one, BEN, at_us),
    lambda one, at_us: sessions_answered(one, "done", at_us, ended=True),
]


@given(st.lists(st.sampled_from(range(len(STEPS))), max_size=12))
def test_any_steps_in_any_order_leave_an_incident_that_makes_sense(order: list[int]) -> None:
    one = incident()
    for at_us, step in enumerate(order, start=NOW_US):
        response = STEPS[step](one, at_us)
        again = STEPS[step](response.incident or one, at_us)
        undoes = step in (3, 4)
        assert undoes or step == 6 or not (response.changes and again.changes), "the same step twice does its work once"
        assert bool(response.log) == response.changes
        one = response.incident or one
        assert (one.work == "resolved") == (one.resolution is not None)
        assert one.work == "new" or one.escalate_at_us is None
        assert one.work == "new" or one.by is not None
        assert len(one.word or "") <= WORD
        assert one.phase == "going_on"
        assert standing(one)
