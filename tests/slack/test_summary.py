"""Summaries, lists, what else is known and the notes of an incident: Slack takes each of them, whatever the events hold."""

from __future__ import annotations

import csv
import io
import re

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertbot.incidents import About, Incident
from alertbot.incidents.storm import Storm
from alertbot.outbox import Message, linked
from alertbot.rules.model import LEVELS
from alertbot.sandbox import mrkdwn, slack_limits
from alertbot.slack.background import background, familiar
from alertbot.slack.message import closing, opening
from alertbot.slack.state import Standing
from alertbot.slack.summary import incident_list, roundup, roundup_list, storm_summary
from tests.slack.test_message import (
    BERLIN,
    EVENTS,
    HUGE,
    MINUTE,
    PORTAL_URL,
    START,
    TEXT_FIELDS,
    assert_slack_takes,
    event,
    known,
    rule,
)
from tests.slack.test_message import incident as an_incident
from tests.slack.test_text import HIDDEN, HOSTILE

TEXT = st.one_of(st.none(), HOSTILE, HUGE)
ABOUT = st.builds(About, account=TEXT, person=TEXT, known=st.booleans(), role=TEXT, ip=TEXT, place=TEXT)
INCIDENTS = st.builds(
    lambda about, title, level, key, number, phase, work, word: an_incident(
        [],
        id=f"{number:020x}",
        about=about,
        title=title,
        level=level,
        key=(key,),
        phase=phase,
        work=work,
        by=word,
        word=word,
        message=f"{number:020x}",
        revision=2,
    ),
    st.one_of(st.none(), ABOUT),
    st.one_of(HOSTILE, HUGE),
    st.sampled_from(LEVELS),
    st.one_of(HOSTILE, HUGE),
    st.integers(1, 10**9),
    st.sampled_from(["going_on", "over"]),
    st.sampled_from(["new", "acknowledged", "resolved"]),
    TEXT,
)
MANY = st.lists(INCIDENTS, min_size=1, max_size=12).flatmap(
    lambda some: st.sampled_from([1, 7]).map(lambda times: some * times)
)
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)


def storm(title: str = "Password guessing", **more: object) -> Storm:
    usual = {
        "id": "ab",
        "portal": "main",
        "rule": "guessing",
        "title": title,
        "level": "high",
        "since_us": START,
        "last_us": START,
    }
    return Storm(**(usual | more))  # type: ignore[arg-type]


def assert_harmless(message: Message) -> None:
    """It passes Slack's limits, mentions nobody, and links only where we say."""
    assert_slack_takes(message)
    for part in slack_limits.text_objects(list(message.blocks)):
        assert not HIDDEN.search(part["text"].replace("\n", ""))
        if part["type"] == "mrkdwn":
            spans = list(mrkdwn.spans(part["text"], verbatim=True))
            assert {span.kind for span in spans}.isdisjoint({"mention", "emoji"})
            targets = {span.target for span in spans if span.kind == "link"}
            assert all(each.startswith((PORTAL_URL, "https://message.alertbot.invalid/")) for each in targets)
    assert not mrkdwn.mentions(message.text, verbatim=True)
    assert "\n" not in message.text


@SLOW
@given(incidents=MANY, title=st.one_of(HOSTILE, HUGE), over=st.booleans(), threaded=st.booleans())
def test_slack_takes_every_summary_of_a_storm(incidents, title, over, threaded):
    assert_harmless(
        storm_summary(storm(title), incidents, zone=BERLIN, portal_url=PORTAL_URL, over=over, singly=2, threaded=threaded)
    )


@SLOW
@given(incidents=MANY)
def test_slack_takes_every_summary_of_old_things_and_its_lists(incidents):
    assert_harmless(roundup("old_news", incidents, zone=BERLIN, portal_url=PORTAL_URL, portal="main"))
    assert_harmless(roundup("late", incidents, zone=BERLIN, portal_url=PORTAL_URL, portal="main", threaded=False))
    assert_harmless(roundup("quiet_hours", incidents, zone=BERLIN, portal_url=PORTAL_URL, portal="main"))
    assert_harmless(roundup_list(incidents, BERLIN))
    assert_harmless(incident_list(incidents, "x.csv"))


@SLOW
@given(events=st.lists(EVENTS, max_size=12), others=MANY, mine=INCIDENTS, huge=st.one_of(st.none(), HUGE))
def test_slack_takes_all_that_else_is_known(events, others, mine, huge):
    if huge is not None:
        events = [
            msgspec.structs.replace(each, **dict.fromkeys(TEXT_FIELDS, f"{number}{huge}")) for number, each in enumerate(events)
        ]
    for told in (background(mine, events, others, BERLIN), background(mine, [], others, BERLIN, events)):
        assert told is not None
        assert_harmless(told)
    assert_harmless(closing(mine, BERLIN))


@SLOW
@given(
    events=st.lists(EVENTS, max_size=4),
    mine=INCIDENTS,
    others=st.lists(INCIDENTS, min_size=1, max_size=5),
    standing=st.fixed_dictionaries({}, optional={"earlier": st.just("aa"), "later": st.just("bb"), "follower": st.just("cc")}),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "withdrawn": st.just(True),
            "merged_into": st.just("dd"),
            "held_by": st.just("ee"),
            "again": st.sampled_from(["rise", "return"]),
            "familiar": st.booleans(),
        },
    ),
)
def test_slack_takes_an_incident_however_it_stands(events, mine, others, standing, changes):
    mine = msgspec.structs.replace(mine, **changes)
    how = Standing(holder=others[0], held=tuple(others), beside=others[-1], **standing)
    message = opening(mine, rule(""), events, zone=BERLIN, portal_url=PORTAL_URL, standing=how)
    assert_harmless(message)
    filled = linked(message, {name: f"{PORTAL_URL}m/{name}" for name in message.links})
    assert_harmless(filled)
    assert "alertbot.invalid" not in str(linked(message, {}).blocks)


def incidents(count: int) -> list[Incident]:
    return [
        an_incident(
            [],
            id=f"{n:020x}",
            about=About(account=f"u{n}", person=f"u{n}@example.com", known=n == 3, ip=f"203.0.113.{n % 2}"),
            findings={"f": count - n},
        )
        for n in range(count)
    ]


def test_a_storm_names_whom_it_hits_most_people_of_the_directory_first():
    message = storm_summary(storm(), incidents(20), zone=BERLIN, portal_url=PORTAL_URL, over=False, singly=1)
    assert message.text == (
        "HIGH, storm · Password guessing · 20 incidents, 20 accounts · 210 events from 2 addresses · 03:00 CET · main"
    )
    words = "\n".join(part["text"] for part in slack_limits.text_objects(list(message.blocks)))
    hit = re.search(r"\*Accounts hit most\*\n(.*?)\n(.*?)\n", words)
    assert hit is not None
    assert hit.groups() == ("u3@example.com (17)", "u0@example.com (20)")
    assert "203.0.113.0 (10)" in words


def test_a_summary_of_old_things_names_nobody_and_its_list_does():
    message = roundup("old_news", incidents(40), zone=BERLIN, portal_url=PORTAL_URL, portal="main")
    assert "example.com" not in message.text + str(message.blocks)
    listed = str(roundup_list(incidents(40), BERLIN).blocks)
    assert "u3@example.com" in listed
    assert "and 10 more" in listed


def test_a_list_runs_in_no_spreadsheet_and_holds_everything():
    evil = an_incident([], about=About(account="x", person="=cmd()|' /C calc'!A0\nx", ip="203.0.113.7"))
    message = incident_list([evil, *incidents(3)], "guessing.csv")
    assert message.file is not None
    rows = list(csv.DictReader(io.StringIO(message.file.content)))
    assert rows[0]["account"].startswith("'=cmd()")
    assert [row["known"] for row in rows] == ["no", "no", "no", "no"]
    assert len(rows) == 4


def test_a_place_is_familiar_by_address_or_city_and_unknown_without_logins():
    before = [known(0, outcome="success", ip="192.0.2.1"), known(1)]
    assert familiar(event(5, ip="192.0.2.1", city="Hanoi", country_code="VN"), before) is True
    assert familiar(event(5, ip="198.51.100.1"), before) is True
    assert familiar(event(5, ip="198.51.100.1", city="Hanoi", country_code="VN"), before) is False
    assert familiar(event(5), [known(1)]) is None


def test_usual_places_and_hours_come_from_logins_alone():
    before = [known(n * 60 * 24, outcome="success", at_us=START + n * 24 * 60 * MINUTE) for n in range(12)]
    told = background(an_incident([]), [event(0, city="Hanoi", country_code="VN"), *before], [], BERLIN)
    assert told is not None
    words = str(told.blocks)
    assert "*Usual places*  Berlin DE (12)" in words
    assert "03:00–04:00 CET, on 12 days" in words
    assert background(an_incident([]), [], [], BERLIN) is None


def test_a_burst_before_it_hides_nothing_of_what_the_account_did():
    usual = [known(-n * 60, outcome="success", ip=f"192.0.2.{n}") for n in range(12, 0, -1)]
    burst = [known(n) for n in range(30)]
    told = background(an_incident([]), [*reversed(burst), *reversed(usual)], [], BERLIN)
    assert told is not None
    rows = told.blocks[0]["text"]["text"].splitlines()
    assert [f"192.0.2.{n} " in row for n, row in zip(range(9, 0, -1), rows[2:], strict=False)] == [True] * 9
    assert "wrong login or password ×30" in str(told.blocks)


def test_what_was_done_is_told_in_the_thread_for_the_portals_words_may_name_others():
    done = [known(n, feed="audit", event="UsersUpdatedType", action=f"Type changed [<!channel> User {n}]") for n in range(12)]
    message = opening(an_incident(done), rule(""), done, zone=BERLIN, portal_url=PORTAL_URL)
    assert "UsersUpdatedType" in str(message.blocks)
    assert "Type changed" not in str(message.blocks) + message.text
    told = background(an_incident(done), [], [], BERLIN, (), done)
    assert told is not None
    assert "what was done" in told.text
    assert "and 2 before that" in str(told.blocks)
    assert "Type changed [&lt;!channel&gt; User 11]" in str(told.blocks)
    assert "User 1]" not in str(told.blocks)


def test_the_thread_of_a_spray_says_which_accounts_it_tried():
    tried = [known(0), known(1), *(event(n, login=f"user{n}", account=f"user{n}") for n in range(2, 30))]
    told = background(an_incident([], fields=("ip",), key=("203.0.113.7",)), [], [], BERLIN, tried)
    assert told is not None
    assert "*In the directory*\nanna@example.com (2)" in told.blocks[0]["text"]["text"]
    assert "*Typed, no account of this portal*\nuser2 (1), user3 (1)" in told.blocks[1]["text"]["text"]
    assert "and 8 more" in told.blocks[1]["text"]["text"]


def test_what_was_merged_or_taken_over_leads_to_where_it_is_told():
    there = an_incident([], id="b" * 20, message="bb", title="The other")
    for how, said in (("merged_into", "into <https://message.alertbot.invalid/bb|"), ("held_by", "by <https://message.")):
        mine = an_incident([], **{how: there.id})
        message = opening(mine, rule(""), [], zone=BERLIN, portal_url=PORTAL_URL, standing=Standing(holder=there))
        assert said in str(message.blocks)
        assert message.links == ("bb",)
