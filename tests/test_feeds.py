"""Which feeds are read for rules, and which rules can judge when only some of them are known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alertbot.event import Feed
from alertbot.feeds import Feeds, FeedState, Stage, earliest, gaps_between, is_begun_only, judging, looked_at, looking_at
from alertbot.portal.ranges import Range
from alertbot.rules.model import Each, Rule, Sequence_, Step
from tests.engine.build import ANY, event, rule

AUDIT: frozenset[Feed] = frozenset({"audit"})
RULES: dict[str, Rule] = {
    one.name: one
    for one in (
        rule(Each(), name="entered"),
        rule(Each(), name="acted", feeds=AUDIT),
        rule(Sequence_(timedelta(hours=1), (Step(1, rule="acted"), Step(1, ANY))), None, name="acted-then-entered"),
        rule(Sequence_(timedelta(hours=1), (Step(1, rule="acted-then-entered"), Step(1, ANY))), None, name="deeper"),
    )
}


def state(feed: Feed, stage: Stage, owed_us: int | None = None) -> FeedState:
    return FeedState(feed, None, is_new=False, stage=stage, owed_us=owed_us)  # type: ignore[arg-type]


def feeds(login: Stage, audit: Stage | None = None, /, **owed: int) -> Feeds:
    states = [state("login", login, owed.get("login"))]
    states += [state("audit", audit, owed.get("audit"))] if audit else []
    return Feeds({one.feed: one for one in states})


def test_the_logins_are_always_read_and_the_audit_trail_where_a_rule_looks_at_it() -> None:
    assert looked_at([]) == looked_at([RULES["entered"]]) == {"login"}
    assert looked_at(RULES.values()) == {"login", "audit"}


def test_a_rule_judges_when_all_is_known_that_it_and_those_it_waits_for_look_at() -> None:
    assert set(judging(RULES, frozenset({"login"}))) == {"entered"}
    assert judging(RULES, frozenset({"login", "audit"})) == RULES
    assert [one.name for one in looking_at(RULES, "audit")] == ["acted", "acted-then-entered", "deeper"]


@pytest.mark.parametrize(
    ("login", "audit", "can", "done"),
    [
        (Stage.WHOLE, None, True, True),
        (Stage.PART, None, False, False),
        (Stage.WHOLE, Stage.UNREAD, False, False),
        (Stage.WHOLE, Stage.PART, True, False),
        (Stage.WHOLE, Stage.FAILED, True, True),
        (Stage.FAILED, Stage.WHOLE, False, True),
        (Stage.AT_WORK, Stage.AT_WORK, True, True),
    ],
)
def test_an_audit_trail_that_is_long_or_fails_keeps_no_login_from_being_judged(
    login: Stage, audit: Stage | None, can: bool, done: bool
) -> None:
    both = feeds(login, audit)
    assert (both.can_build, both.is_all_read) == (can, done)


def test_what_is_owed_wants_an_engine_once_it_can_be_known() -> None:
    assert not feeds(Stage.AT_WORK, Stage.AT_WORK).want_an_engine
    assert feeds(Stage.AT_WORK, Stage.WHOLE).want_an_engine
    assert feeds(Stage.AT_WORK, Stage.AT_WORK, login=5).want_an_engine
    assert not feeds(Stage.AT_WORK, Stage.FAILED, audit=5).want_an_engine, "it would find no more than the one at work"
    assert feeds(Stage.AT_WORK, Stage.PART, login=9, audit=5).owed_us({}) == 5
    assert feeds(Stage.AT_WORK, Stage.PART, login=9, audit=5).owed_us({"audit": None}) == 9


def test_a_feed_that_was_read_stays_so_when_a_read_fails() -> None:
    for before, after in ((Stage.UNREAD, Stage.FAILED), (Stage.PART, Stage.FAILED), (Stage.AT_WORK, Stage.AT_WORK)):
        one = state("audit", before)
        one.failed()
        assert one.stage is after


def test_the_mark_of_a_first_read_and_what_lies_between_ranges() -> None:
    assert is_begun_only([Range(5, 5), Range(9, 12)])
    assert not is_begun_only([Range(5, 5)])
    assert not is_begun_only([Range(5, 8), Range(9, 12)])
    assert gaps_between([Range(0, 4), Range(9, 12), Range(20, 21)]) == ((4, 9), (12, 20))
    assert earliest([None, 7_000_000_000_000_000_000], [event(1, timedelta())]) == event(1, timedelta()).at_us
    assert earliest([None]) is None
