"""The tests inside rule files: what they play, and what they say when they fail."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.event import GUEST_ID
from alertbot.moments import iso
from alertbot.rules.inline import run_tests
from alertbot.rules.load import load_rules, shipped_rules
from alertbot.rules.model import InlineTest
from alertbot.rules.story import Story, play
from alertbot.yaml12 import parse
from tests.rules.build import book

BURST = """
title: x
detection: {{failed: {{outcome: failure}}}}
burst: {{count: 3, within: 10m}}
tests:
  - it: is a test
    events: {events}
    alerts: {alerts}
    people: {people}
    {zone}
"""


def result(folder: Path, events: str, alerts: str, people: str = "[]", zone: str = ""):
    """What comes of a test of a rule that waits for three failures in ten minutes."""
    (only,) = run_tests(book(folder, BURST.format(events=events, alerts=alerts, people=people, zone=zone)).rules)
    return only


def story(events: str, people: str = "[]", zone: str = "UTC") -> Story:
    """The events of a test, played."""
    from zoneinfo import ZoneInfo

    values = parse(f"events: {events}\npeople: {people}", "x")[0].value
    return play(InlineTest("x", values["events"], [], values["people"], None, 1), ZoneInfo(zone))


THREE = "[{at: 2026-01-15 10:00, login: anna@example.com, outcome: failure, times: 3, every: 1m}]"


@pytest.mark.parametrize(
    "alerts",
    [
        "[{at: 2026-01-15 10:02, account: anna@example.com}]",
        "[{at: 2026-01-15 10:02:00, first: 2026-01-15 10:00, last: 2026-01-15T10:02:00Z, count: 3}]",
        "[{account: Anna@Example.com, known: false, outcome: failure, actionId: 1002, method: password}]",
        "[{}]",
    ],
)
def test_a_test_holds_when_the_fields_that_it_names_are_equal(tmp_path, alerts):
    assert result(tmp_path, THREE, alerts).passed


def test_a_test_that_fails_says_what_it_expected_and_what_came(tmp_path):
    failed = result(tmp_path, THREE, "[{at: 2026-01-15 10:03, account: anna@example.com, ip: 192.0.2.1}]")
    assert not failed.passed
    assert failed.missing == ("2026-01-15 10:03  account anna@example.com  ip 192.0.2.1",)
    assert failed.unexpected == ("2026-01-15 10:02  account anna@example.com  ip absent  count 3",)
    assert (failed.path, failed.line) == (str(tmp_path / "a.yml"), 5)


def test_every_finding_must_be_expected(tmp_path):
    assert result(tmp_path, THREE, "[]").unexpected == ("2026-01-15 10:02  account anna@example.com  count 3",)
    assert result(tmp_path, "[]", "[{at: 2026-01-15 10:00}, {count: 2}]").missing == (
        "2026-01-15 10:00",
        "at any time  count 2",
    )


def test_alerts_are_told_apart_even_when_one_would_fit_several_findings(tmp_path):
    both = THREE[:-1] + ", " + THREE[1:].replace("anna", "bob")
    assert result(tmp_path, both, "[{at: 2026-01-15 10:02}, {account: anna@example.com}]").passed
    assert result(tmp_path, both, "[{account: anna@example.com}, {at: 2026-01-15 10:02}]").passed


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["ip 1", "ip 2", "country A", "country B"]), max_size=2, unique=True), max_size=4))
def test_a_test_finds_as_many_pairs_as_there_can_be(tmp_path_factory, alerts):
    """Four findings, of both addresses in both countries, against any alerts: the plainest way tries every order."""
    findings = [("1", "A"), ("1", "B"), ("2", "A"), ("2", "B")]
    wanted = [dict(one.split(" ") for one in alert) for alert in alerts]
    fits = [[all(value in finding for value in one.values()) for finding in findings] for one in wanted]
    most = max(sum(row[n] for row, n in zip(fits, order, strict=False)) for order in permutations(range(4)))
    events = ", ".join(f"{{at: 2026-01-15, outcome: failure, ip: '{ip}', country: {country}}}" for ip, country in findings)
    text = "title: x\ndetection: {a: {outcome: failure}}\ntests: [{it: x, events: [" + events + f"], alerts: {wanted}}}]\n"
    (only,) = run_tests(book(tmp_path_factory.mktemp("rules"), text).rules)
    assert (len(only.missing), len(only.unexpected)) == (len(wanted) - most, 4 - most)


def test_thousands_of_alerts_that_fit_each_other_s_findings_are_told_apart(tmp_path):
    events = "{at: 2026-01-15, outcome: failure, who: a@x.org, times: 1200, every: 1s}"
    text = (
        f"title: x\ndetection: {{a: {{outcome: failure}}}}\ntests: [{{it: x, events: [{events}], alerts: [{'{}, ' * 1200}]}}]\n"
    )
    (only,) = run_tests(book(tmp_path, text).rules)
    assert only.passed


def test_people_are_named_by_e_mail_though_their_account_is_an_id(tmp_path):
    people = "[{id: 66fa, email: Anna@example.com, name: Anna Berg, role: admin, groups: [Sales], tfa: true}]"
    alerts = "[{account: anna@example.com, known: true, name: Anna Berg, role: admin, groups: sales, tfa: true}]"
    assert result(tmp_path, THREE, alerts, people).passed


def test_times_without_offset_are_in_the_zone_of_the_test(tmp_path):
    alerts = "[{at: 2026-01-15T09:02:00Z, first: 2026-01-15 10:00}]"
    assert result(tmp_path, THREE, alerts, zone="zone: Europe/Berlin").passed


def test_times_without_offset_are_in_the_zone_of_the_rule_else(tmp_path):
    text = """
        title: x
        detection: {ok: {outcome: success}}
        hours: {outside: 07:00-20:00, zone: Asia/Tokyo}
        tests:
          - it: alerts at night in Tokyo
            events:
              - {at: 2026-01-15 06:59, who: anna@example.com}
              - {at: 2026-01-15 07:00, who: anna@example.com}
            alerts: [{at: 2026-01-14T21:59:00Z}]
    """
    assert all(one.passed for one in run_tests(book(tmp_path, text).rules))


def test_a_rule_over_rules_is_tested_together_with_them(tmp_path):
    under = "title: y\nmode: off\ndetection: {a: {outcome: failure}}\nburst: {count: 3, within: 10m}\n"
    over = f"""
        title: x
        mode: shadow
        detection: {{ok: {{outcome: success}}}}
        sequence: {{within: 1h, steps: [{{match: "rule:b"}}, {{match: ok}}]}}
        tests:
          - it: sees the success after the guessing
            events: {THREE[:-1]}, {{at: 2026-01-15 10:05, who: anna@example.com}}]
            alerts: [{{at: 2026-01-15 10:05}}]
    """
    assert [one.passed for one in run_tests(book(tmp_path, over, under).rules)] == [True]


def test_who_is_one_account_whether_the_login_succeeds_or_fails():
    played = story(
        "[{at: 2026-01-15, who: Anna@example.com, outcome: failure}, {at: 2026-01-16, who: anna@example.com, outcome: success}]"
    )
    failure, success = played.events
    assert failure.account == success.account
    assert failure.known
    assert success.known
    assert failure.email == success.email == "Anna@example.com"
    assert (failure.user_id, failure.login) == (GUEST_ID, "Anna@example.com")
    assert success.user_id != GUEST_ID
    assert success.login is None


def test_a_login_that_succeeds_is_a_persons_and_one_that_fails_need_not_be():
    played = story(
        "[{at: 2026-01-15, login: root, outcome: failure}, {at: 2026-01-15, login: anna@example.com, outcome: success},"
        " {at: 2026-01-15, login: ANNA@example.com, outcome: failure}]"
    )
    root, success, failure = played.events
    assert (root.account, root.known) == ("root", False)
    assert success.account == failure.account
    assert failure.known


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", (1029, "LoginSuccessViaPassword", "success", "password", None)),
        ("outcome: failure", (1002, "LoginFailInvalidCombination", "failure", "password", "bad_credentials")),
        ("outcome: Failure", (1002, "LoginFailInvalidCombination", "Failure", "password", "bad_credentials")),
        ("outcome: session", (1006, "Logout", "session", None, None)),
        ("reason: disabled_profile", (1004, "LoginFailDisabledProfile", "failure", None, "disabled_profile")),
        ("outcome: failure, method: totp", (1022, "LoginFailViaTfaApp", "failure", "totp", "totp_code")),
        ("method: sso", (1015, "LoginSuccessViaSSO", "success", "sso", None)),
        ("event: LoginFailBruteForce", (1023, "LoginFailBruteForce", "failure", "password", "brute_force_lock")),
        ("actionId: 1006", (1006, "Logout", "session", None, None)),
        ("actionId: 77", (77, None, None, None, None)),
        ("event: FileDeleted, feed: audit", (5018, "FileDeleted", None, None, None)),
        ("actionId: 5018, feed: audit", (5018, "FileDeleted", None, None, None)),
        ("event: FileDevoured, feed: audit", (-1, "FileDevoured", None, None, None)),
        ("outcome: failure, reason: null", (1002, "LoginFailInvalidCombination", "failure", "password", None)),
        ("outcome: failure, method: morse", (-1, None, "failure", "morse", None)),
    ],
)
def test_what_an_event_says_decides_what_it_does_not_say(given, expected):
    (event,) = story(f"[{{at: 2026-01-15{', ' if given else ''}{given}}}]").events
    assert (event.action_id, event.event, event.outcome, event.method, event.reason) == expected


def test_an_action_of_the_audit_trail_is_of_that_feed_unless_the_event_says_otherwise():
    text = "[{at: 2026-01-15, event: RoomDeleted}, {at: 2026-01-15, actionId: 5074}, {at: 2026-01-15, event: Logout},"
    events = story(text + " {at: 2026-01-15, event: RoomDeleted, feed: login}]").events
    assert [event.feed for event in events] == ["audit", "audit", "login", "login"]


def test_an_event_may_set_any_field_and_what_it_sets_stands():
    (event,) = story(
        "[{at: 2026-01-15, who: anna@example.com, country: Norway, ip: 192.0.2.7, role: owner, groups: [A, B], tfa: true,"
        " geo: [1, 2.5], network: 10.0.0.0/24, known: false, ipPartial: true, browser: 131, userId: u1, id: 99}]"
    ).events
    assert (event.country_code, event.network, event.ip_partial) == ("NO", "10.0.0.0/24", True)
    assert (event.role, event.groups, event.tfa, event.known) == ("owner", ("A", "B"), True, False)
    assert (event.geo, event.browser, event.user_id, event.id) == ((1.0, 2.5), "131", "u1", 99)


def test_the_account_of_an_event_may_be_named_by_e_mail():
    (event,) = story("[{at: 2026-01-15, account: Anna@example.com}]", "[{id: 66fa, email: anna@example.com}]").events
    assert (event.account, event.known) == ("66fa", True)


def test_times_and_every_repeat_an_event():
    played = story("[{at: 2026-03-29 01:59, login: x, outcome: failure, times: 3, every: 90s}]", zone="Europe/Berlin")
    assert [iso(event.at_us) for event in played.events] == [
        "2026-03-29T00:59:00Z",
        "2026-03-29T01:00:30Z",
        "2026-03-29T01:02:00Z",
    ]
    assert [event.id for event in played.events] == [1, 2, 3]


def test_the_tests_of_the_rules_that_ship_hold():
    failed = [one for one in run_tests(load_rules([shipped_rules()]).rules) if not one.passed]
    assert failed == []
