"""Every rule says what it made of an event, and why, in words that an editor can check against the rule."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.event import Event
from alertbot.explain import Outcome, Verdict, explain
from alertbot.rules.load import load_rules
from alertbot.rules.model import Rule
from tests.engine.build import MINUTE, event

RULES = """
title: Guessing
name: guessing
detection: {failed: {outcome: failure}}
burst: {count: 3, within: 10m}
except: [{match: {ip: 192.0.2.9}, why: our scanner}]
---
title: Spray
name: spray
detection: {failed: {outcome: failure}}
distinct: {of: account, count: 3, within: 10m}
by: ip
---
title: Taken
name: taken
detection: {failed: {outcome: failure}, entered: {outcome: success}}
sequence: {within: 30m, steps: [{match: failed, count: 2}, {match: entered}]}
---
title: New country
name: new-country
detection: {entered: {outcome: success}}
first_seen: {of: countryCode, learn: 1d}
---
title: Night
name: night
detection: {entered: {outcome: success}}
hours: {outside: "Mon-Fri 07:00-09:00"}
---
title: Sleeping
name: sleeping
mode: off
detection: {entered: {outcome: success}}
---
title: Exports
name: exports
logsource: {service: audit}
detection: {exported: {action: Export}}
"""


def verdicts(tmp_path: Path, before: list[Event], asked: Event) -> dict[str, Verdict]:
    path = tmp_path / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    return {verdict.rule.name: verdict for verdict in explain(load_rules([path]).rules, [*before, asked], asked, UTC)}


def failures(count: int) -> list[Event]:
    return [event(number, number * MINUTE) for number in range(count)]


def test_the_event_that_makes_a_rule_fire_is_told_with_its_finding(tmp_path: Path) -> None:
    verdict = verdicts(tmp_path, failures(2), event(9, 3 * MINUTE))["guessing"]
    assert (verdict.outcome, verdict.why) == (Outcome.FIRED, "3 matches within 10m; it fires at 3")
    assert verdict.key == {"account": "anna"}
    assert verdict.finding is not None


def test_what_only_extends_a_finding_says_since_when_it_goes_on(tmp_path: Path) -> None:
    verdict = verdicts(tmp_path, failures(4), event(9, 5 * MINUTE))["guessing"]
    assert verdict.outcome is Outcome.EXTENDED
    assert verdict.why == "5 matches within 10m; it fires at 3; it goes on since 2026-01-15 10:02:00"


def test_what_is_not_enough_yet_says_how_much_is_missing(tmp_path: Path) -> None:
    told = verdicts(tmp_path, failures(1), event(9, 2 * MINUTE, account="ben"))
    assert (told["guessing"].outcome, told["guessing"].why) == (Outcome.COUNTED, "1 matches within 10m; it fires at 3")
    assert told["spray"].why == "2 different account within 10m; it fires at 3"
    assert told["taken"].why == "step 1: 1 of 2, step 2: 0 of 1 within 30m"


def test_a_value_that_was_seen_says_when(tmp_path: Path) -> None:
    earlier = event(1, timedelta(), "success", country_code="DE")
    verdict = verdicts(tmp_path, [earlier], event(9, 60 * MINUTE, "success", country_code="DE"))["new-country"]
    assert verdict.outcome is Outcome.COUNTED
    assert verdict.why == "DE was seen 2026-01-15 10:00:00; known for 1 h, it learns for 1d"


def test_hours_name_the_time_on_the_wall(tmp_path: Path) -> None:
    verdict = verdicts(tmp_path, [], event(9, timedelta(), "success"))["night"]
    assert (verdict.outcome, verdict.why) == (Outcome.FIRED, "Thursday 10:00 is outside the hours")


def test_rules_that_could_not_fire_say_why_not(tmp_path: Path) -> None:
    told = verdicts(tmp_path, [], event(9, timedelta(), "success", account=None))
    assert told["guessing"].outcome is Outcome.NOT_MATCHED
    assert told["sleeping"].outcome is Outcome.OFF
    assert (told["exports"].outcome, told["exports"].why) == (Outcome.OTHER_FEED, "it looks at the audit feed")
    assert (told["new-country"].outcome, told["new-country"].why) == (Outcome.NO_KEY, "the event has no account")


def test_an_exception_is_named(tmp_path: Path) -> None:
    verdict = verdicts(tmp_path, failures(5), event(9, 6 * MINUTE, ip="192.0.2.9"))["guessing"]
    assert (verdict.outcome, verdict.why) == (Outcome.EXEMPT, "an exception holds: our scanner")


def test_those_that_fired_come_first(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    asked = event(9, 3 * MINUTE)
    assert explain(load_rules([path]).rules, [*failures(2), asked], asked, UTC)[0].rule.name == "guessing"


LEARNING = """
title: Unusual hour
name: unusual
detection: {entered: {outcome: success}}
hours: {learn: 30d, zone: Europe/Berlin}
---
title: Journey
name: journey
detection: {entered: {outcome: success}}
travel: {familiar: 30d}
except: [{match: {ip: 192.0.2.9}, why: our VPN, until: 2026-01-15}]
---
title: Spike
name: spike
detection: {failed: {outcome: failure}}
spike: {within: 10m, factor: 3, count: 3, usual: 1h}
---
title: Sleeper
name: sleeper
detection: {entered: {outcome: success}}
dormant: {after: 30d}
---
title: Nobody comes
name: nobody
detection: {entered: {outcome: success}}
absence: {within: 2h}
---
title: Guessed at last
name: guessed
detection: {entered: {outcome: success}}
sequence: {within: 1h, steps: [{match: rule:spike}, {match: entered}]}
"""
DAY = timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
BERLIN = {"country": "Germany", "country_code": "DE", "city": "Berlin", "geo": (52.52, 13.41)}
TOKYO = {"country": "Japan", "country_code": "JP", "city": "Tokyo", "geo": (35.69, 139.69)}


def learned(tmp_path: Path, before: list[Event], asked: Event) -> dict[str, Verdict]:
    path = tmp_path / "rules.yml"
    path.write_text(LEARNING, encoding="utf-8")
    return {verdict.rule.name: verdict for verdict in explain(load_rules([path]).rules, [*before, asked], asked, NEW_YORK)}


def test_the_usual_hours_of_a_key_are_named(tmp_path: Path) -> None:
    mornings = [event(day, day * DAY, "success") for day in range(12)]
    told = learned(tmp_path, mornings, event(99, 12 * DAY + timedelta(hours=9), "success"))["unusual"]
    assert (told.outcome, told.why) == (Outcome.FIRED, "at 20:00; usual hours: 10, 11, 12")
    told = learned(tmp_path, mornings[:4], event(99, 12 * DAY, "success"))["unusual"]
    assert told.outcome is Outcome.COUNTED
    assert told.why == "at 11:00; usual hours: 10, 11, 12; matches on 4 days, it learns until there are 10"


def test_the_usual_hours_that_are_named_are_those_of_the_last_days(tmp_path: Path) -> None:
    nights = [event(n, n * DAY - 8 * 60 * MINUTE, "success") for n in range(3)]
    days = [event(n, n * DAY, "success") for n in range(3, 31)]

    def usual(day: int) -> str:
        asked = event(99, day * DAY + MINUTE, "success")
        return learned(tmp_path, [e for e in (*nights, *days) if e.at_us < asked.at_us], asked)["unusual"].why

    assert usual(29) == "at 11:01; usual hours: 02, 03, 04, 10, 11, 12"
    assert usual(30) == "at 11:01; usual hours: 10, 11, 12"


def test_a_journey_is_told_with_both_places_the_distance_the_time_and_the_speed(tmp_path: Path) -> None:
    told = learned(tmp_path, [event(1, 0 * DAY, "success", **BERLIN)], event(2, 2 * 60 * MINUTE, "success", **TOKYO))["journey"]
    assert told.outcome is Outcome.FIRED
    assert told.why == (
        "Berlin DE to Tokyo JP, 8,916 km in 2 h: 4,458 km/h, the login before was at 2026-01-15 05:00:00; "
        "it fires at more than 500 km faster than 900 km/h"
    )


def test_a_familiar_place_says_why_it_does_not_fire(tmp_path: Path) -> None:
    before = [event(1, 0 * DAY, "success", **TOKYO), event(2, DAY, "success", **BERLIN)]
    told = learned(tmp_path, before, event(3, DAY + 60 * MINUTE, "success", **TOKYO))["journey"]
    assert told.outcome is Outcome.COUNTED
    assert told.why.endswith("; the place is familiar, it was used at 2026-01-15 05:00:00")


def test_an_exception_holds_to_the_end_of_its_day_in_the_zone_of_the_rule(tmp_path: Path) -> None:
    last, too_late = timedelta(hours=18, minutes=59), timedelta(hours=19)  # midnight in New York is 05:00 UTC
    for after, expected in ((last, Outcome.EXEMPT), (too_late, Outcome.FIRED)):
        before = [event(1, after - 60 * MINUTE, "success", **BERLIN)]
        told = learned(tmp_path, before, event(2, after, "success", ip="192.0.2.9", **TOKYO))["journey"]
        assert told.outcome is expected


def test_what_an_exception_took_away_is_not_counted(tmp_path: Path) -> None:
    scanned = [event(number, number * MINUTE, ip="192.0.2.9") for number in range(2)]
    verdict = verdicts(tmp_path, scanned, event(9, 3 * MINUTE))["guessing"]
    assert (verdict.outcome, verdict.why) == (Outcome.COUNTED, "1 matches within 10m; it fires at 3")


def test_a_spike_and_a_silence_say_what_is_usual(tmp_path: Path) -> None:
    told = learned(tmp_path, [event(n, n * 20 * MINUTE) for n in range(7)], event(9, 121 * MINUTE))
    assert told["spike"].why == "2 matches within 10m, usual are 0.5; it fires at 3 times that and at least 3"
    told = learned(tmp_path, [event(1, 0 * DAY, "success")], event(9, 31 * DAY, "success"))
    assert (told["sleeper"].outcome, told["sleeper"].why) == (
        Outcome.FIRED,
        "silent for 31 days before; it fires after more than 30d",
    )
    told = learned(tmp_path, [event(1, 0 * DAY, "success", account="ben")], event(9, 31 * DAY, "success", known=True))
    assert told["sleeper"].outcome is Outcome.FIRED
    assert told["sleeper"].why.startswith("nothing of this account since the first event, 2026-01-15T10:00:00Z, 31 days before")
    assert told["nobody"].why == "its silence begins anew here; it fires when nothing matches for 2h"


def test_a_step_that_waits_for_another_rule_says_whether_it_fired(tmp_path: Path) -> None:
    attack = [event(n, n * 20 * MINUTE) for n in range(7)] + [event(n, timedelta(hours=2, seconds=n)) for n in (7, 8)]
    told = learned(tmp_path, attack, event(9, timedelta(hours=2, minutes=5), "success"))["guessed"]
    assert (told.outcome, told.why) == (Outcome.FIRED, "step 1: 1 of 1 firings of spike, step 2: 1 of 1 within 1h")
    told = learned(tmp_path, attack[:-1], event(9, timedelta(hours=2, minutes=5), "success"))["guessed"]
    assert (told.outcome, told.why) == (Outcome.COUNTED, "step 1: 0 of 1 firings of spike, step 2: 0 of 1 within 1h")


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rule, ...]:
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    wanted = ("guessing", "spray", "taken")
    return tuple(rule for rule in load_rules([path]).rules if rule.name in wanted)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["anna", "ben"]), st.booleans(), st.booleans()), max_size=25))
def test_what_is_counted_agrees_with_what_fired(counting: tuple[Rule, ...], rows: list[tuple[int, str, bool, bool]]) -> None:
    after, events = timedelta(), []
    for number, (minutes, account, failed, scanned) in enumerate(rows, 1):
        after += minutes * MINUTE
        ip = "192.0.2.9" if scanned else "203.0.113.7"
        events.append(event(number, after, "failure" if failed else "success", account=account, ip=ip))
    for number, asked in enumerate(events):
        for verdict in explain(counting, events[: number + 1], asked, UTC):
            numbers = [int(found) for found in re.findall(r"\b\d+\b", verdict.why.partition(" within")[0])]
            if verdict.rule.name == "taken" and numbers:
                complete = numbers[1] >= numbers[2] and numbers[4] >= numbers[5]
                assert complete is (verdict.outcome is Outcome.FIRED), verdict.why
            elif verdict.outcome in (Outcome.FIRED, Outcome.EXTENDED, Outcome.COUNTED):
                assert (numbers[0] >= 3) is (verdict.outcome is not Outcome.COUNTED), verdict.why


WAITING = """
title: New address
name: new-address
detection: {any: {outcome: [success, failure]}}
first_seen: {of: ip, learn: 0s}
only: {outcome: failure}
---
title: Many people at new addresses
name: many-people
correlation: {type: value_count, rules: [new-address], group-by: [ip], timespan: 10m, condition: {field: account, gte: 2}}
---
title: A guess, then a new address
name: guessed-elsewhere
detection: {failed: {outcome: failure}}
sequence: {within: 1h, steps: [{match: rule:guessing}, {match: rule:new-address}]}
---
title: Failures of the portal
name: of-the-portal
detection: {failed: {outcome: failure}}
burst: {count: 4, within: 10m}
by: portal
"""
ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rule, ...]:
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(f"{RULES}---{WAITING}---{LEARNING}", encoding="utf-8")
    return load_rules([path]).rules


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["anna", "ben", "cem"]), st.booleans(), st.sampled_from(ADDRESSES)),
        min_size=1,
        max_size=25,
    )
)
def test_what_is_said_to_have_fired_is_what_an_engine_of_all_rules_over_all_events_finds(
    waiting: tuple[Rule, ...], rows: list[tuple[int, str, bool, str]]
) -> None:
    after, events = timedelta(), []
    for number, (minutes, account, failed, ip) in enumerate(rows, 1):
        after += minutes * MINUTE
        events.append(event(number, after, "failure" if failed else "success", account=account, ip=ip, country_code="DE"))
    asked = events[-1]
    found = {(one.rule, one.id) for one in Engine(waiting, asked.portal, UTC).fold_all(events) if one.firing == asked.ref}
    told = explain(waiting, events, asked, UTC)
    assert {(one.rule.name, str(one.finding)) for one in told if one.outcome is Outcome.FIRED} == found
