"""Every rule says what it made of an event, and why, in words that an editor can check against the rule."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from alertbot.event import Event
from alertbot.explain import Outcome, Verdict, explain
from alertbot.rules.load import load_rules
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
