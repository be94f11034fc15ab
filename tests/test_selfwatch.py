"""Troubles of alertbot's own: what begins them, what ends them, and how often they are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.alarms import FRESH, Alarm, Post, tell
from alertbot.errors import (
    BadRequest,
    KeyRejected,
    NotAllowed,
    PlanMissing,
    PortalError,
    PortalMoved,
    PortalTLSError,
    PortalTransient,
    PortalUnreachable,
)
from alertbot.lookout import Kept
from alertbot.moments import span_us
from alertbot.outbox import UPDATE, OutboxEntry
from alertbot.selfwatch import Kind, Look, Selfwatch
from alertbot.settings import Route

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
NOW = 1_768_471_200 * SECOND
POLL = timedelta(seconds=10)
GOOD = Look(waited=POLL, poll=POLL, max_skew=timedelta(seconds=60))


class Story:
    """Portals over a time that the test passes in, and what people were told."""

    def __init__(self, **post: Any) -> None:
        self.now_us = NOW
        self.watch = Selfwatch()
        self.alarms: list[Alarm] = []
        self.post = Post(channel="#security", **post)
        self.sent: list[OutboxEntry] = []

    def fail(self, error: PortalError, *portals: str) -> None:
        for portal in portals or ("main",):
            self.watch.failed(portal, error, self.now_us)

    def succeed(self, *portals: str, **look: Any) -> None:
        for portal in portals or ("main",):
            self.watch.succeeded(portal, replace(GOOD, **look), self.now_us)

    def wait(self, span: timedelta | int) -> None:
        """Let time pass, with a look every second at first and then less often."""
        left = span if isinstance(span, int) else span_us(span)
        while left > 0:
            step = min(left, SECOND if left <= 10 * SECOND else 10 * SECOND if left <= 2 * MINUTE else MINUTE)
            left, self.now_us = left - step, self.now_us + step
            self.look()

    def look(self) -> None:
        self.watch.advance(self.now_us)
        self.alarms, entries = tell(self.watch.going_on, self.alarms, self.post, self.now_us)
        self.sent += entries

    def restart(self) -> None:
        """Take up what a store would have kept."""
        note = msgspec.json.encode(Kept(concerns=self.watch.concerns, alarms=tuple(self.alarms)))
        kept = msgspec.json.decode(note, type=Kept)
        self.watch, self.alarms = Selfwatch(kept.concerns), list(kept.alarms)

    @property
    def posts(self) -> list[str]:
        return [entry.message.text for entry in self.sent if entry.kind != UPDATE]

    @property
    def updates(self) -> list[str]:
        return [entry.message.text for entry in self.sent if entry.kind == UPDATE]


REFUSALS = {
    Kind.KEY_REJECTED: KeyRejected("The portal main rejects the API key (401)."),
    Kind.NO_ADMIN: NotAllowed("The portal main does not allow this (403)."),
    Kind.PLAN_MISSING: PlanMissing("The portal main has a plan without the audit service (402)."),
    Kind.PORTAL_MOVED: PortalMoved("The portal main has no such page (404)."),
    Kind.TLS: PortalTLSError("The portal main shows a certificate that is not to be trusted."),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_told_once_with_what_to_do_and_taken_back_once(kind: Kind) -> None:
    story = Story()
    for _ in range(30):
        story.fail(REFUSALS[kind])
        story.wait(MINUTE)
    assert len(story.posts) == 1
    (entry,) = story.sent
    assert entry.message.text.startswith("HIGH · ")
    assert str(REFUSALS[kind]) in entry.message.text
    assert str(kind) in str(entry.message.blocks)
    story.succeed()
    story.wait(MINUTE)
    assert story.posts[1:] == [text for text in story.posts if text.startswith("Over: ")]
    assert len(story.posts) == 2
    assert [text[:4] for text in story.updates] == ["OVER"]
    assert story.alarms == []


@pytest.mark.parametrize("error", [PortalUnreachable("no answer"), PortalTransient("500"), BadRequest("400")])
def test_what_may_pass_by_itself_is_told_after_five_minutes(error: PortalError) -> None:
    story = Story()
    story.fail(error)
    story.wait(timedelta(minutes=4, seconds=59))
    story.fail(error)
    assert story.sent == []
    story.wait(10 * SECOND)
    assert len(story.posts) == 1
    assert "Portal cannot be read" in story.posts[0]


def test_a_short_outage_is_not_told_at_all() -> None:
    story = Story()
    for _ in range(10):
        story.fail(PortalUnreachable("no answer"))
        story.wait(timedelta(minutes=4))
        story.succeed()
        story.wait(10 * SECOND)
    assert story.sent == []


def test_when_everything_is_down_one_message_names_all_portals() -> None:
    story = Story()
    portals = [f"portal-{number:03}" for number in range(200)]
    for number, portal in enumerate(portals):
        story.fail(PortalUnreachable("no answer"), portal)
        if number % 20 == 0:
            story.wait(SECOND)
    story.wait(timedelta(minutes=30))
    assert len(story.posts) == 1
    assert len(story.updates) <= 10
    said = str(story.sent[-1].message.blocks)
    assert all(portal in said for portal in portals)
    story.succeed(*portals[:100])
    story.wait(MINUTE)
    assert len(story.posts) == 1
    assert "100 portals" in story.updates[-1]
    story.succeed(*portals[100:])
    story.wait(MINUTE)
    assert len(story.posts) == 2


def test_a_portal_that_joins_later_is_told_anew_with_all_and_the_old_message_leads_there() -> None:
    story = Story()
    story.fail(REFUSALS[Kind.KEY_REJECTED], "main")
    story.wait(FRESH + timedelta(minutes=5))
    story.fail(REFUSALS[Kind.KEY_REJECTED], "acme")
    story.wait(MINUTE)
    assert len(story.posts) == 2
    assert "main and acme" in story.posts[1]
    first, second, update = story.sent
    assert second.message.links == (first.id,)
    assert (update.update_of, update.message.links) == (first.id, (second.id,))


def test_different_troubles_are_different_messages_and_a_later_step_ends_the_earlier_trouble() -> None:
    story = Story()
    story.fail(REFUSALS[Kind.TLS])
    story.wait(MINUTE)
    story.fail(REFUSALS[Kind.KEY_REJECTED])
    story.wait(MINUTE)
    assert sorted(text.partition(" · ")[2][:11] for text in story.posts) == ["API key rej", "Certificate", "main · all "]
    assert {one.kind for one in story.watch.going_on} == {Kind.KEY_REJECTED}


def test_a_network_failure_says_nothing_about_the_key() -> None:
    story = Story()
    story.fail(REFUSALS[Kind.KEY_REJECTED])
    story.wait(MINUTE)
    story.fail(PortalUnreachable("no answer"))
    story.wait(MINUTE)
    assert len(story.posts) == 1
    assert [one.kind for one in story.watch.going_on] == [Kind.KEY_REJECTED]


def test_a_plan_that_shows_twenty_events_only_is_told_though_polls_succeed() -> None:
    story = Story()
    for _ in range(5):
        story.succeed(no_plan=True)
        story.wait(10 * SECOND)
    assert len(story.posts) == 1
    assert "Plan without the audit service" in story.posts[0]
    story.succeed()
    story.wait(MINUTE)
    assert len(story.posts) == 2


def test_clocks_that_differ_are_told_and_null_never() -> None:
    story = Story()
    story.succeed("main", skew=timedelta(minutes=3))
    story.succeed("demo", skew=timedelta(minutes=3), max_skew=None)
    story.wait(MINUTE)
    assert len(story.posts) == 1
    assert "180 s ahead" in story.posts[0]
    assert "demo" not in story.posts[0]
    story.succeed("main", skew=timedelta(seconds=2))
    story.wait(MINUTE)
    assert "Over: Clocks differ" in story.posts[1]


def test_a_poll_that_takes_longer_than_five_is_lag() -> None:
    story = Story()
    story.succeed(waited=timedelta(seconds=59))
    story.wait(10 * SECOND)
    assert story.sent == []
    story.watch.waits("main", timedelta(seconds=61), POLL, story.now_us)
    story.wait(10 * SECOND)
    story.succeed(waited=timedelta(seconds=75))
    story.wait(MINUTE)
    assert len(story.posts) == 1
    story.succeed()
    story.wait(MINUTE)
    assert len(story.posts) == 2


def test_gaps_are_one_message_however_many_and_the_same_one_counts_once() -> None:
    story = Story()
    for number in range(20):
        story.watch.missed("main", "login", f"gap {number}", NOW + number, story.now_us)
        story.watch.missed("main", "login", f"gap {number}", NOW + number, story.now_us)
        story.wait(MINUTE)
    assert len(story.posts) == 1
    assert "20 gaps, the newest: gap 19" in story.updates[-1]
    story.wait(timedelta(hours=2))
    assert len(story.posts) == 2
    assert "stays missing" in story.posts[1]
    story.watch.missed("main", "login", "gap 19", NOW + 19, story.now_us)
    story.wait(MINUTE)
    assert len(story.posts) == 2


def test_a_gap_in_the_audit_trail_is_told_by_its_own_name_beside_one_in_the_logins() -> None:
    story = Story()
    story.watch.missed("main", "login", "logins", NOW + 9, story.now_us)
    story.watch.missed("main", "audit", "actions", NOW + 1, story.now_us)
    story.wait(MINUTE)
    assert [post.split(" · ")[1] for post in story.posts] == ["Gap in the login history", "Gap in the audit trail"]


def test_an_audit_trail_that_alone_cannot_be_read_is_told_after_five_minutes_and_says_that_logins_are_watched() -> None:
    story = Story()
    for _ in range(6):
        story.watch.audit_failed("main", PortalTransient("The portal main has trouble of its own (500)."), story.now_us)
        story.succeed()
        story.wait(MINUTE)
    [post] = story.sent
    assert "Audit trail cannot be read" in post.message.text
    assert "Logins are watched" in str(post.message.blocks)
    story.watch.audit_succeeded("main", story.now_us)
    story.wait(MINUTE)
    assert "Over: Audit trail cannot be read" in story.posts[-1]


def test_where_nothing_can_be_read_the_audit_trail_is_not_told_of_too() -> None:
    story = Story()
    story.watch.audit_failed("main", PortalUnreachable("no answer"), story.now_us)
    story.fail(PortalUnreachable("no answer"))
    story.wait(timedelta(minutes=10))
    assert [post.split(" · ")[1] for post in story.posts] == ["Portal cannot be read"]


def test_the_end_of_a_key_is_told_14_3_and_1_days_before() -> None:
    story, end_us = Story(), NOW + 20 * DAY
    told = []
    for day in range(20):
        story.watch.key_ends("main", end_us, "The key ends.", story.now_us)
        before = len(story.posts)
        story.wait(DAY)
        if len(story.posts) > before:
            told.append(20 - day)
    assert told == [14, 3, 1]
    story.watch.key_ends("main", end_us + 365 * DAY, "", story.now_us)
    story.wait(MINUTE)
    assert "Over: API key ends soon" in story.posts[-1]
    assert len(story.posts) == 4


def test_a_restart_repeats_nothing_and_the_end_is_told_after_it() -> None:
    story = Story()
    story.fail(REFUSALS[Kind.KEY_REJECTED])
    story.wait(MINUTE)
    story.restart()
    story.fail(REFUSALS[Kind.KEY_REJECTED])
    story.wait(timedelta(hours=1))
    assert len(story.sent) == 1
    story.restart()
    story.succeed()
    story.wait(MINUTE)
    assert len(story.posts) == 2


def test_an_outage_counts_across_a_restart() -> None:
    story = Story()
    story.fail(PortalUnreachable("no answer"))
    story.wait(timedelta(minutes=3))
    story.restart()
    story.fail(PortalUnreachable("no answer"))
    story.wait(timedelta(minutes=3))
    assert len(story.posts) == 1


def test_what_comes_and_goes_is_told_ever_less() -> None:
    story = Story()
    for _ in range(500):
        story.fail(REFUSALS[Kind.KEY_REJECTED])
        story.wait(30 * SECOND)
        story.succeed()
        story.wait(30 * SECOND)
    assert len(story.posts) <= 8


def test_routes_take_it_as_a_rule_with_a_tag_and_a_level() -> None:
    routes = tuple(
        Route.model_validate(one)
        for one in (
            {"match": {"rule": "self.tls"}, "channel": "#tls"},
            {"match": {"tag": "self", "portal": "acme"}, "channel": "#acme", "continue": True},
            {"match": {"tag": "self", "level": "high"}, "channel": "#ops"},
        )
    )
    story = Story(routes=routes)
    story.fail(REFUSALS[Kind.TLS], "other")
    story.fail(REFUSALS[Kind.KEY_REJECTED], "main", "acme")
    story.succeed("late", skew=timedelta(hours=1))
    story.wait(MINUTE)
    told = sorted((entry.channel, entry.message.text.split(" · ")[2]) for entry in story.sent)
    assert told == [("#acme", "acme"), ("#ops", "acme"), ("#ops", "main"), ("#security", "late"), ("#tls", "other")]


def test_behind_a_webhook_nothing_is_updated_and_those_who_join_are_told_together() -> None:
    story = Story(by_webhook=True)
    for number in range(10):
        story.fail(REFUSALS[Kind.KEY_REJECTED], f"p{number}")
        story.wait(MINUTE)
    story.wait(FRESH)
    assert story.updates == []
    assert len(story.posts) == 2
    assert "10 portals" in story.posts[1]


EVENTS = st.sampled_from(["ok", "no plan", "skew", "401", "402", "403", "404", "tls", "down", "restart", "wait", "long"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.sampled_from(["a", "b", "c"])), max_size=40))
def test_each_beginning_has_one_post_and_one_end_whatever_comes(events: list[tuple[str, str]]) -> None:
    story = Story()
    errors = dict(zip(["401", "403", "402", "404", "tls"], REFUSALS.values(), strict=True))
    for what, portal in events:
        match what:
            case "ok":
                story.succeed(portal)
            case "no plan":
                story.succeed(portal, no_plan=True)
            case "skew":
                story.succeed(portal, skew=timedelta(hours=-1))
            case "down":
                story.fail(PortalUnreachable("no answer"), portal)
            case "restart":
                story.restart()
            case "wait":
                story.wait(MINUTE)
            case "long":
                story.wait(timedelta(minutes=11))
            case _:
                story.fail(errors[what], portal)
    assert len({entry.id for entry in story.sent}) == len(story.sent)
    story.succeed("a", "b", "c")
    story.wait(timedelta(hours=2))
    assert story.alarms == []
    assert story.watch.going_on == []
    ends = [entry for entry in story.sent if entry.kind == "self_over"]
    begun = [entry for entry in story.sent if entry.kind == "self"]
    assert len(ends) <= len(begun)
    assert bool(ends) is bool(begun)
    before = len(story.sent)
    story.succeed("a", "b", "c")
    story.wait(MINUTE)
    assert len(story.sent) == before
