"""Where an incident is told: the first route that matches, further ones after `continue`, else Slack's own channel."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alertbot.moments import span_us, to_us
from alertbot.outbox import UPDATE, Message, OutboxEntry
from alertbot.routing import Destination, Escalation, Facts, destinations, due_escalations, names, quiet_until_us, spread
from alertbot.settings import Route
from tests.people import MINUTE_US, NOW_US, a_rule, incident

FACTS = Facts(level="high", rule="guessing", portal="main", tags=("location", "attack.t1110"), role="admin", route="night")


def route(channel: str | None = None, *, more: bool = False, **match: Any) -> Route:
    return Route.model_validate({"match": match, "channel": channel, "continue": more})


def places(*routes: Route, facts: Facts = FACTS) -> list[str]:
    return [place.channel for place in destinations(routes, facts, "#security")]


def test_without_routes_it_goes_to_the_channel() -> None:
    assert places() == ["#security"]


def test_the_first_route_that_matches_is_taken() -> None:
    assert places(route("#low", level=["low"]), route("#high", level=["high", "critical"]), route("#all")) == ["#high"]


def test_continue_lets_the_next_ones_match_too_and_a_channel_is_told_once() -> None:
    assert places(route("#a", more=True), route("#low", level=["low"]), route("#b", more=True), route("#a")) == ["#a", "#b"]
    assert places(route("#a", more=True)) == ["#a"]


def test_every_key_of_a_match_must_hold_with_any_of_its_values() -> None:
    assert places(route("#x", rule="GUESSING", tag=["location", "none"], portal="main", role="admin", route="night")) == ["#x"]
    for key, value in (("rule", "other"), ("tag", "none"), ("portal", "other"), ("role", "user"), ("route", "day")):
        assert places(route("#x", **{key: value})) == ["#security"], key
    bare = Facts(level="high", rule="guessing", portal="main")
    assert places(route("#x", role="admin"), facts=bare) == ["#security"]
    assert places(route("#x", route="night"), facts=bare) == ["#security"]


def test_what_routes_look_at_comes_from_the_incident_and_its_rule() -> None:
    facts = Facts.of(incident(), a_rule(tags=("location",), route="night"))
    assert facts == Facts(level="high", rule="guessing", portal="main", tags=("location",), role="admin", route="night")
    assert Facts.of(incident(about=None), None) == Facts(level="high", rule="guessing", portal="main")


def escalating(after: str, channel: str | None = None, mention: str | None = None, *, more: bool = False) -> Route:
    return Route.model_validate({"escalate": {"after": after, "channel": channel, "mention": mention}, "continue": more})


def test_each_escalation_is_due_once() -> None:
    found = destinations([escalating("5m", "#leads", "@leads", more=True), escalating("15m")], FACTS, "#security")
    minutes = [span_us(timedelta(minutes=number)) for number in (5, 15)]
    first, second = Escalation(minutes[0], "#leads", ("@leads",)), Escalation(minutes[1], "#security")
    told = NOW_US
    assert due_escalations(found, told, told + minutes[0], told + minutes[0]) == ([first], told + minutes[1])
    assert due_escalations(found, told, told + minutes[1], told + minutes[1]) == ([second], None)
    assert due_escalations(found, told, told + minutes[0], told + 60 * MINUTE_US) == ([first, second], None)


def test_everybody_whom_routes_mention_is_known_beforehand() -> None:
    routes = [Route(mention="@oncall"), escalating("5m", mention="U024BE7LK"), Route()]
    assert names(routes) == {"@oncall", "U024BE7LK"}


# -- quiet hours -------------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
LOW = Facts(level="low", rule="guessing", portal="main")


def quiet(*windows: str, more: bool = False, **match: Any) -> Route:
    return Route.model_validate({"match": match, "quiet_hours": list(windows), "continue": more})


def until(now: str, *routes: Route, facts: Facts = LOW) -> str | None:
    """When quiet hours end, by the clock on the wall in Berlin; `now` is too."""
    found = quiet_until_us(routes, facts, to_us(datetime.fromisoformat(now).replace(tzinfo=BERLIN)), BERLIN)
    return None if found is None else f"{datetime.fromtimestamp(found / 1e6, BERLIN):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-01-15T21:59:59", None),
        ("2026-01-15T22:00:00", "2026-01-16T07:00"),
        ("2026-01-16T03:12:45", "2026-01-16T07:00"),
        ("2026-01-16T06:59:59", "2026-01-16T07:00"),
        ("2026-01-16T07:00:00", None),
        ("2026-03-28T23:00:00", "2026-03-29T07:00"),  # summer time begins in this night, and ends in the next
        ("2026-10-24T23:00:00", "2026-10-25T07:00"),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(now: str, ends: str | None) -> None:
    assert until(now, quiet("22:00-07:00")) == ends


def test_windows_that_touch_are_quiet_until_the_last_one_ends() -> None:
    weekend = quiet("22:00-07:00", "Sat,Sun 00:00-24:00")
    assert until("2026-01-16T22:30", weekend) == "2026-01-19T07:00"


def test_only_what_the_quiet_route_takes_waits() -> None:
    low = quiet("22:00-07:00", level=["low", "informational"])
    assert until("2026-01-15T23:00", low) == "2026-01-16T07:00"
    assert until("2026-01-15T23:00", low, facts=FACTS) is None
    assert until("2026-01-15T23:00", low, route("#all"), facts=FACTS) is None
    assert until("2026-01-15T23:00") is None


def test_where_several_routes_take_it_it_waits_as_long_as_all_are_quiet() -> None:
    first = quiet("22:00-07:00", more=True)
    assert until("2026-01-15T23:00", first, quiet("22:00-05:00")) == "2026-01-16T05:00"
    assert until("2026-01-15T23:00", first, route("#loud")) is None


# -- one message, several places ---------------------------------------------------------------------------------------


def entry(name: str, **more: Any) -> OutboxEntry:
    fields: dict[str, Any] = {"created_us": NOW_US, "kind": "opening", "channel": "#security", "message": Message(text=name)}
    return OutboxEntry(id=name, **{**fields, **more})


def call(message: Message, mentioned: Any) -> Message:
    return Message(text=f"{message.text} for {' '.join(mentioned)}")


def test_the_first_place_has_the_message_that_lives_and_the_others_copies_that_are_updated_alike() -> None:
    there = [Destination("#a", ("@anna",)), Destination("#b")]
    before = incident(message=None)
    opened, posts = spread(before, incident(message="o"), [entry("o"), entry("r", thread_of="o")], there, call)
    assert [(one.channel, one.message.text, one.thread_of) for one in posts] == [
        ("#a", "o for @anna", None),
        ("#b", "o", None),
        ("#a", "r", "o"),
    ]
    assert opened.copies == {posts[1].id: "#b"}
    _, updates = spread(opened, opened, [entry("u", kind=UPDATE, update_of="o")], there, call)
    assert [(one.update_of, one.channel, one.message.text) for one in updates] == [
        ("o", "#a", "u for @anna"),
        (posts[1].id, "#b", "u"),
    ]


def test_what_is_posted_anew_closes_the_copies_of_the_message_before() -> None:
    before = incident(message="o", copies={"c": "#b"})
    entries = [entry("n"), entry("u", kind=UPDATE, update_of="o")]
    after, told = spread(before, incident(message="n"), entries, [Destination("#a"), Destination("#b")], call)
    assert [one.update_of for one in told] == [None, None, "o", "c"]
    assert list(after.copies) == [told[1].id]
