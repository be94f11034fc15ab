"""A message says it all in its first line, fits Slack whatever the events hold, and names no account but its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from alertbot.event import Event
from alertbot.incidents import Incident
from alertbot.moments import to_us
from alertbot.outbox import Message
from alertbot.places import locate
from alertbot.rules.model import LEVELS, Burst, Rule, Travel
from alertbot.sandbox import mrkdwn, slack_limits
from alertbot.slack.client import marked_as_repeat, payload
from alertbot.slack.first_start import Found, Watched, first_start, first_start_list
from alertbot.slack.message import notice, opening
from alertbot.slack.words import COLOURS
from tests.slack.test_text import HIDDEN, HOSTILE

BERLIN = ZoneInfo("Europe/Berlin")
START = to_us(datetime(2026, 1, 15, 2, 0, 12, tzinfo=UTC))
MINUTE = 60_000_000
PORTAL_URL = "https://acme.onlyoffice.com/"


def event(number: int, **more: object) -> Event:
    usual = {
        "portal": "main",
        "id": number,
        "at_us": START + number * MINUTE,
        "action_id": 1002,
        "outcome": "failure",
        "reason": "bad_credentials",
        "login": "anna@example.com",
        "account": "u1",
        "ip": "203.0.113.7",
        "city": "Berlin",
        "country": "Germany",
        "country_code": "DE",
        "browser": "Chrome 131",
        "platform": "Windows 10",
    }
    return Event(**(usual | more))  # type: ignore[arg-type]


def known(number: int, **more: object) -> Event:
    anna = {"known": True, "name": "Anna Berg", "email": "anna@example.com", "role": "admin", "tfa": False}
    return event(number, **(anna | more))


def incident(events: list[Event], **more: object) -> Incident:
    usual = {
        "id": "3f9a1c22d07be1455a10",
        "portal": "main",
        "rule": "guess-account",
        "version": "1",
        "title": "Password guessing against one account",
        "level": "high",
        "fields": ("account",),
        "key": (events[-1].account or "",) if events else ("u1",),
        "findings": {"f": max(len(events), 1)},
        "first_us": events[0].at_us if events else START,
        "at_us": events[-1].at_us if events else START,
        "last_us": events[-1].at_us if events else START,
        "over_at_us": 0,
    }
    return Incident(**(usual | more))  # type: ignore[arg-type]


def rule(respond: str = "Call {name}.", **more: object) -> Rule:
    usual = {
        "name": "guess-account",
        "title": "Password guessing against one account",
        "path": "rules/guess-account.yml",
        "line": 1,
        "version": "1",
        "level": "high",
        "mode": "live",
        "feeds": frozenset({"login"}),
        "condition": None,
        "pattern": Burst(5, timedelta(minutes=10)),
        "by": ("account",),
        "quiet": timedelta(hours=1),
        "respond": respond,
    }
    return Rule(**(usual | more))  # type: ignore[arg-type]


def told(events: list[Event], respond: str = "Call {name}.", **more: object) -> Message:
    return opening(incident(events, **more), rule(respond), events, zone=BERLIN, portal_url=PORTAL_URL)


def seen(message: Message) -> str:
    """All that a reader sees of the blocks."""
    parts = slack_limits.text_objects(list(message.blocks))
    return "\n".join(
        "".join(
            span.text
            for span in (
                mrkdwn.spans(part["text"], verbatim=True) if part["type"] == "mrkdwn" else [mrkdwn.plain(part["text"])]
            )
        )
        for part in parts
    )


def assert_slack_takes(message: Message) -> None:
    for block in message.blocks:
        parsed = Block.parse(dict(block))
        assert parsed is not None
        parsed.to_dict()
    for wanted in (payload(message), payload(marked_as_repeat(message))):
        assert slack_limits.refusal(wanted) is None
        assert slack_limits.refusal(wanted, update=True) is None
        assert 0 < len(wanted["text"]) < 3_000


def test_the_first_line_says_it_all():
    message = told([known(number) for number in range(5)])
    assert message.text == (
        "HIGH · Password guessing against one account · anna@example.com · 5 failures in 4 min"
        " · Berlin DE 203.0.113.7 · 03:00–03:04 CET · main"
    )


def test_blocks_name_level_title_person_address_count_and_times():
    shown = seen(told([known(number) for number in range(5)], findings={"f": 42}))
    for said in (
        "HIGH",
        "Password guessing against one account",
        "Anna Berg",
        "anna@example.com",
        "203.0.113.7",
        "42 failures",
    ):
        assert said in shown
    for said in ("administrator", "no second factor", "Berlin DE", "Chrome 131 · Windows 10", "and 37 more", "03:00–03:04 CET"):
        assert said in shown
    assert "wrong login or password" in shown
    assert "Call Anna Berg." in shown


def test_first_and_last_time_are_shown_in_each_readers_zone_and_the_portals():
    message = told([known(number) for number in range(5)])
    texts = " ".join(part["text"] for part in slack_limits.text_objects(list(message.blocks)))
    seconds = START // 1_000_000
    assert f"<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|15 Jan 2026 03:00:12 CET>" in texts
    assert f"<!date^{seconds + 240}^{{time_secs}}|15 Jan 2026 03:04:12 CET>" in texts


def test_a_typed_login_is_marked_as_no_account():
    message = told([event(number, login="root", account="root") for number in range(3)])
    assert " · root · 3 failures in 2 min · " in message.text
    assert "root\ntyped; no account of this portal" in seen(message)


def test_a_message_names_no_account_but_its_own():
    events = [event(number, login=f"user{number}@example.com", account=f"user{number}@example.com") for number in range(12)]
    message = told(events, fields=("ip",), key=("203.0.113.7",))
    everything = message.text + seen(message)
    assert re.findall(r"user\d+@example.com", everything) == []
    assert " · 12 accounts · 12 failures in 11 min · " in message.text
    assert "12 accounts\nnone in the directory" in everything
    more = told(events, fields=("ip",), key=("203.0.113.7",), findings={"f": 40})
    assert "12 accounts or more · 40 failures" in more.text


def test_of_one_login_under_several_accounts_the_last_is_named():
    events = [event(number, account=f"u{number}") for number in range(3)]
    assert " · anna@example.com and 2 other accounts · " in told(events, fields=("login",), key=("anna@example.com",)).text


def test_of_failures_and_a_login_the_reason_of_the_failures_is_told():
    events = [known(0), known(1), known(2, outcome="success", reason=None)]
    assert "3 login attempts in 2 min, 2 failed\nwrong login or password" in seen(told(events))


def test_several_addresses_are_counted_and_the_last_is_named():
    events = [known(0), known(1, ip="198.51.100.2", city="Hanoi", country_code="VN", outcome="success", reason=None)]
    message = told(events)
    assert "2 login attempts in 1 min, 1 failed" in message.text
    assert "2 addresses, last Hanoi VN 198.51.100.2" in message.text
    assert re.search(r"03:01:12 +logged in +198\.51\.100\.2 +Hanoi VN", seen(message))


def test_a_cut_ipv6_address_is_not_shown_as_an_address():
    assert "IPv6 2001… (cut by the portal)" in told([known(0, ip="2001", ip_partial=True)]).text


def test_a_time_that_may_be_an_hour_off_says_so() -> None:
    assert "an hour off" in str(told([known(0), known(60, hour_doubtful=True)]).blocks)
    assert "an hour off" not in str(told([known(0), known(60)]).blocks)


def test_an_incident_without_events_still_says_what_and_when():
    message = told([], fields=("portal",), key=("main",))
    assert "no account" in message.text
    assert_slack_takes(message)


def test_level_is_said_by_colour_and_word():
    for level in LEVELS:
        message = told([known(0)], level=level)
        assert message.text.startswith(level.upper())
        assert message.colour == COLOURS[level]


def test_respond_is_filled_in_once_and_values_are_never_rendered_again():
    events = [event(0, login="{email} {ip}", account="x", email=None)]
    shown = seen(told(events, "Look at {login} from {ip}; {count} of {nothing}. {email}"))
    assert "Look at {email} {ip} from 203.0.113.7; 1 of {nothing}. {email} {ip}" in shown


def test_name_and_email_are_filled_in_each_with_its_own():
    shown = seen(told([known(0)], "Call {name}, not {email}; since {first}."))
    assert "Call Anna Berg, not anna@example.com; since 15 Jan 2026 03:00:12 CET." in shown


def test_lines_wrapped_in_the_file_are_one_paragraph_and_lists_stay_lists():
    respond = "Call {name} now. If it was not them: end the sessions, reset the\npassword.\n- first\n- second\nShort.\nLine."
    shown = seen(told([known(0)], respond))
    assert "end the sessions, reset the password.\n- first\n- second\nShort.\nLine." in shown


def test_a_link_of_the_rules_author_is_a_link_and_one_in_a_value_is_not():
    events = [known(0, name="https://evil.example/x")]
    message = told(events, "See https://wiki.example.com/a?b=1&c=2. Ask {name}.")
    texts = " ".join(part["text"] for part in slack_limits.text_objects(list(message.blocks)))
    links = re.findall(r"<(https?://[^>|]+)", texts)
    assert links == [
        "https://wiki.example.com/a?b=1&amp;c=2",
        "https://acme.onlyoffice.com/portal-settings/security/login-history",
    ]


def test_the_small_print_leads_to_the_page_of_the_rule_and_to_what_it_catches():
    events = [known(0)]
    tags = ("attack.credential_access", "attack.t1110.001", "location")
    guessing = rule(references=("see the wiki", "https://wiki.example.com/guessing"), tags=tags)
    message = opening(incident(events), guessing, events, zone=BERLIN, portal_url=PORTAL_URL)
    small = message.blocks[-1]["elements"][0]["text"]
    assert "<https://wiki.example.com/guessing|rule guess-account>" in small
    assert "<https://attack.mitre.org/techniques/T1110/001/|ATT&amp;CK T1110.001>" in small
    assert_slack_takes(message)


def test_what_is_not_what_it_seems_is_remarked_on():
    shown = seen(told([event(0, login="\u0430nna\u202e", account="x")]))
    assert "the typed login holds hidden characters" in shown
    assert "mixes Cyrillic and Latin letters" in shown


TEXT_FIELDS = tuple(
    name for name, kind in Event.__annotations__.items() if kind == "str | None" and name not in ("outcome", "method", "feed")
)
EVENTS = st.builds(
    lambda values, outcome, is_known, feed, at, number: msgspec.structs.replace(
        event(number), outcome=outcome, known=is_known, feed=feed, at_us=START + at, **values
    ),
    st.fixed_dictionaries({}, optional={name: st.one_of(st.none(), HOSTILE) for name in TEXT_FIELDS}),
    st.sampled_from(["failure", "success", "session", None]),
    st.booleans(),
    st.sampled_from(["login", "audit"]),
    st.integers(-(10**17), 3 * 10**17),
    st.integers(1, 10**9),
)
HUGE = st.sampled_from(["&", "🔥", "a.", "\u202e", "`", "<"]).map(lambda part: part * 5_000)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    events=st.lists(EVENTS, max_size=9),
    title=st.one_of(HOSTILE, HUGE),
    respond=st.one_of(HOSTILE, HUGE, st.just("{name} {login} {ip} {user} {browser} " * 300)),
    huge=st.one_of(st.none(), HUGE),
    fields=st.sampled_from([("network", "name"), ("network", "countryCode")]),
    key=st.lists(HOSTILE, min_size=2, max_size=2),
    level=st.sampled_from(LEVELS),
)
def test_slack_takes_every_message_whatever_the_events_hold(events, title, respond, huge, fields, key, level):
    if huge is not None:
        events = [
            msgspec.structs.replace(each, **dict.fromkeys(TEXT_FIELDS, f"{number}{huge}")) for number, each in enumerate(events)
        ]
    opened = incident(sorted(events, key=lambda each: each.at_us), title=title, level=level, fields=fields, key=tuple(key))
    message = opening(opened, rule(respond, name=title or "x"), events, zone=BERLIN, portal_url=PORTAL_URL)
    assert_slack_takes(message)
    for part in slack_limits.text_objects(list(message.blocks)):
        assert part.get("emoji") is False or part.get("verbatim") is True
        assert not HIDDEN.search(part["text"].replace("\n", ""))
        spans = list(mrkdwn.spans(part["text"], verbatim=True)) if part["type"] == "mrkdwn" else []
        kinds = {span.kind for span in spans}
        assert "mention" not in kinds
        assert "emoji" not in kinds or ":" in respond  # the rule's author may
        if "{" not in respond and "http" not in respond:
            assert {span.target for span in spans if span.kind == "link"} <= {
                f"{PORTAL_URL}portal-settings/security/{page}" for page in ("login-history", "audit-trail")
            }
    assert not mrkdwn.mentions(message.text, verbatim=True)
    assert "\n" not in message.text


@given(sentence=st.one_of(HOSTILE, HUGE), to_do=HOSTILE)
def test_slack_takes_every_notice(sentence, to_do):
    if sentence.strip():
        assert_slack_takes(notice(sentence, to_do))


def watched(count: int = 1) -> list[Watched]:
    return [Watched(f"portal{number}", 12_345, START - 30 * 1440 * MINUTE, START, BERLIN) for number in range(count)]


def test_the_first_start_says_what_is_watched_and_what_would_have_been_found():
    found = [Found("a", "Guessing", "high", 3), Found("b", "New country", "low", 14), Found("c", "Spray", "high", 2)]
    message = first_start(watched(), 10, found, missing=["acme"])
    assert message.text == (
        "alertbot now watches portal0 with 10 rules · read 12,345 events of the past 30 days"
        " · 5 high, 14 low found in that time, none of it sent · no answer yet from acme"
    )
    assert "16 Dec 2025 – 15 Jan 2026" in seen(message)
    assert "the list by rule is in the thread" in seen(message)


def test_the_list_of_the_first_start_goes_by_level_and_count():
    found = [Found("b", "New country", "low", 14), Found("c", "Spray", "high", 2), Found("a", "Guessing", "high", 3)]
    lines = seen(first_start_list(found)).splitlines()
    assert lines == ["🟠 HIGH · 3 × Guessing (a)", "🟠 HIGH · 2 × Spray (c)", "🔵 LOW · 14 × New country (b)"]
    assert "14 × New country" in seen(first_start(watched(), 10, found, with_list=True))


def test_a_first_start_without_history_says_so():
    message = first_start([Watched("main", 0, None, None, BERLIN)], 1, [])
    assert "nothing to alert on in that time" in message.text
    assert_slack_takes(message)
    assert_slack_takes(first_start_list([]))


@pytest.mark.parametrize("portals", [0, 1, 30])
@settings(max_examples=25, deadline=None)
@given(title=st.one_of(HOSTILE, HUGE.map(lambda text: text[:1_000])), rules=st.sampled_from([0, 1, 5, 39, 40, 41, 200]))
def test_slack_takes_every_first_start(portals, title, rules):
    found = [Found(title or "rule", title, LEVELS[number % 5], number) for number in range(rules)]
    for message in (first_start(watched(portals), rules, found, with_list=True), first_start_list(found)):
        assert_slack_takes(message)


def test_a_journey_that_nobody_can_make_is_told_with_both_places_the_distance_the_time_and_the_speed() -> None:
    berlin = {"outcome": "success", "geo": (52.52, 13.41)}
    tokyo = {"outcome": "success", "country": "Japan", "country_code": "JP", "city": "Tokyo", "geo": (35.69, 139.69)}
    logins = [known(0, **berlin), known(120, **tokyo)]
    pattern = Travel(900, 500, None)

    def way(events: list[Event]) -> str:
        message = opening(incident(events), rule(pattern=pattern), events, zone=BERLIN)
        assert_slack_takes(message)
        return seen(message)

    assert "Berlin DE to Tokyo JP, 8,916 km in 2 h: 4,458 km/h" in way(logins)
    assert "03:00:12" in way(logins)
    assert "05:00:12" in way(logins)
    same = [logins[0], msgspec.structs.replace(logins[1], at_us=logins[0].at_us)]
    assert "8,916 km at the same moment" in way(same)
    country = msgspec.structs.replace(logins[1], city=None, geo=locate(event(1, country="Japan")).geo)
    assert "Berlin DE to JP, at least " in way([logins[0], country])
    hostile = msgspec.structs.replace(logins[1], city="<!channel> *x*")
    assert "<!channel>" not in str(opening(incident(logins), rule(pattern=pattern), [logins[0], hostile], zone=BERLIN).blocks)
    assert "km" not in way(logins[1:])
