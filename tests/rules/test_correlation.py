"""Correlations: firings of other rules that belong together, counted as Sigma says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alertbot.engine import Engine
from alertbot.errors import RulesError
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.rules.inline import run_tests
from alertbot.rules.load import load_rules
from alertbot.rules.model import Burst, Distinct, RuleBook, Sequence_, Source, Step, Temporal
from tests.rules.build import write

MINUTE = 60_000_000
FAILED = "title: f\nname: failed\nid: 5638f7c0-ac70-491d-8465-2a65075e0d86\ndetection: {s: {outcome: failure}}\n---\n"
ADMIN = "title: a\nname: admin\ndetection: {s: {role: admin}}\n---\n"
OK = "title: o\nname: ok\ndetection: {s: {outcome: success}}\n---\n"


def loaded(folder: Path, section: str, *, more: str = "", rules: str = FAILED + ADMIN + OK) -> RuleBook:
    """The rules and a correlation over them, named `over`."""
    (folder / "x.yml").write_text(f"{rules}title: over\nname: over\n{more}correlation: {{{section}}}\n")
    return load_rules([folder])


def event(number: int, minute: float, outcome: str = "failure", **more: Any) -> Event:
    """Something that Anna does at a minute."""
    return Event(
        **{
            "portal": "main",
            "id": number,
            "at_us": round(minute * MINUTE),
            "action_id": 1,
            "outcome": outcome,
            "account": "anna",
            **more,
        }
    )


def findings(book: RuleBook, *events: Event) -> list[Finding]:
    """What is found and told."""
    return Engine(book.rules, "main", ZoneInfo("UTC")).fold_all(events)


def said(folder: Path, section: str, **more: str) -> list[str]:
    """What is wrong with a correlation."""
    with pytest.raises(RulesError) as raised:
        loaded(folder, section, **more)
    return [str(one).partition("x.yml:")[2] for one in raised.value.mistakes]


@pytest.mark.parametrize(
    ("section", "pattern"),
    [
        ("type: event_count, rules: failed, timespan: 10m, condition: {gte: 5}", Burst(5, timedelta(minutes=10))),
        ("type: event_count, rules: [failed], timespan: 10m, condition: {gt: 5}", Burst(6, timedelta(minutes=10))),
        ("type: event_count, rules: [failed], timespan: 90s, condition: {eq: 5}", Burst(5, timedelta(seconds=90), 5)),
        ("type: event_count, rules: [failed], timespan: 1h, condition: {gt: 5, lte: 9}", Burst(6, timedelta(hours=1), 9)),
        ("type: event_count, rules: [failed], timespan: 1h, condition: {gte: 5, lt: 9}", Burst(5, timedelta(hours=1), 8)),
        (
            "type: value_count, rules: [failed], timespan: 1d, condition: {field: ip, gte: 3}",
            Distinct(("ip",), 3, timedelta(days=1)),
        ),
        (
            "type: value_count, rules: [failed], timespan: 1d, condition: {field: [ip, browser], gte: 3, lte: 4}",
            Distinct(("ip", "browser"), 3, timedelta(days=1), 4),
        ),
        ("type: temporal, rules: [failed, ok, admin], timespan: 1d", Temporal(3, timedelta(days=1))),
        ("type: temporal, rules: [failed, ok, admin], timespan: 1d, condition: {gte: 2}", Temporal(2, timedelta(days=1))),
        ("type: temporal, rules: [failed, ok, admin], timespan: 1d, condition: {eq: 2}", Temporal(2, timedelta(days=1), 2)),
        (
            "type: temporal_ordered, rules: [failed, ok], timespan: 1d",
            Sequence_(timedelta(days=1), (Step(1, rule="failed"), Step(1, rule="ok"))),
        ),
        (
            "type: temporal_ordered, rules: [5638F7C0-ac70-491d-8465-2a65075e0d86, ok], timespan: 1d, condition: {gte: 2}",
            Sequence_(timedelta(days=1), (Step(1, rule="failed"), Step(1, rule="ok"))),
        ),
    ],
)
def test_a_correlation_is_a_pattern_over_firings(tmp_path, section, pattern):
    rule = loaded(tmp_path, section).rules[-1]
    assert rule.pattern == pattern
    assert rule.by == ("portal",)
    assert rule.condition is None
    assert rule.feeds == {"login"}


def test_rules_under_a_correlation_are_heard_and_not_told_of_unless_it_generates_them(tmp_path):
    section = "type: event_count, rules: [failed], timespan: 10m, condition: {gte: 2}"
    assert [rule.heard_only for rule in loaded(tmp_path, section).rules] == [True, False, False, False]
    found = findings(loaded(tmp_path, section), event(1, 0), event(2, 1))
    assert [(one.rule, one.events, one.count) for one in found] == [("over", (2, 4), 2)]
    for generating in (loaded(tmp_path, section + ", generate: true"), loaded(tmp_path, section, more="generate: true\n")):
        assert [one.rule for one in findings(generating, event(1, 0), event(2, 1))] == ["failed", "failed", "over"]


def test_a_range_holds_between_its_bounds_and_turns_true_again_after_it_was_false(tmp_path):
    book = loaded(tmp_path, "type: event_count, rules: [failed], timespan: 10m, condition: {gte: 2, lte: 3}")
    found = findings(book, *[event(n, minute) for n, minute in enumerate([0, 1, 2, 3, 4, 15, 16])])
    assert [(one.at_us // MINUTE, one.last_us // MINUTE, one.count) for one in found] == [(1, 2, 3), (16, 16, 2)]


def test_one_firing_is_enough_for_a_count_of_one_and_a_silent_window_ends_it(tmp_path):
    book = loaded(tmp_path, "type: event_count, rules: [failed], timespan: 10m, condition: {gte: 1}")
    found = findings(book, *[event(n, minute) for n, minute in enumerate([0, 10, 21, 90])])
    assert [(one.at_us // MINUTE, one.last_us // MINUTE) for one in found] == [(0, 10), (21, 21), (90, 90)]


def test_an_event_that_two_rules_match_is_one_event_to_a_count_and_two_firings_to_temporal(tmp_path):
    both = event(1, 0, role="admin")
    count = "type: event_count, rules: [failed, admin], timespan: 10m, condition: {gte: 2}"
    assert findings(loaded(tmp_path, count), both) == []
    (found,) = findings(loaded(tmp_path, "type: temporal, rules: [failed, admin], timespan: 10m"), both)
    assert (found.events, found.count) == ((2,), 2)


def test_temporal_needs_every_rule_in_any_order_and_for_one_key(tmp_path):
    book = loaded(tmp_path, "type: temporal, rules: [failed, ok], group-by: [account], timespan: 10m")
    assert findings(book, event(1, 0), event(2, 5, "success", account="bob")) == []
    assert [one.at_us // MINUTE for one in findings(book, event(1, 0, "success"), event(2, 10))] == [10]
    assert findings(book, event(1, 0, "success"), event(2, 10.1)) == []


def test_temporal_ordered_needs_the_order(tmp_path):
    book = loaded(tmp_path, "type: temporal_ordered, rules: [failed, ok], group-by: [account], timespan: 10m")
    assert findings(book, event(1, 0, "success"), event(2, 5)) == []
    assert [one.events for one in findings(book, event(1, 0), event(2, 5, "success"))] == [(2, 4)]


ALIASES = "aliases: {who: {failed: login, ok: email}}"


def test_an_alias_is_another_field_in_each_rule(tmp_path):
    book = loaded(tmp_path, f"type: temporal, rules: [failed, ok], group-by: [who], timespan: 10m, {ALIASES}")
    assert book.rules[-1].sources == (Source("failed", ("login",)), Source("ok", ("email",)))
    (found,) = findings(book, event(1, 0, login="Anna@x.org"), event(2, 1, "success", email="anna@x.org"))
    assert (found.fields, found.key) == (("who",), ("anna@x.org",))
    assert findings(book, event(1, 0, login="anna@x.org"), event(2, 1, "success", email="bob@x.org")) == []


def test_an_alias_that_nothing_uses_is_warned_of(tmp_path):
    section = f"type: temporal, rules: [failed, ok], group-by: [account], timespan: 10m, {ALIASES}"
    assert [one.message for one in loaded(tmp_path, section).warnings] == ["correlation.aliases.who: nothing uses this alias"]


def test_an_alias_can_be_what_is_counted(tmp_path):
    section = f"type: value_count, rules: [failed, ok], timespan: 10m, condition: {{field: who, gte: 2}}, {ALIASES}"
    book = loaded(tmp_path, section)
    assert findings(book, event(1, 0, login="a"), event(2, 1, "success", email="A", login="b")) == []
    assert len(findings(book, event(1, 0, login="a"), event(2, 1, "success", email="b", login="a"))) == 1


def test_correlations_chain_and_their_findings_are_the_events(tmp_path):
    chained = (
        FAILED
        + OK
        + "title: many\nname: many\ncorrelation: "
        + "{type: event_count, rules: failed, group-by: account, timespan: 10m, condition: {gte: 3}}\n---\n"
    )
    section = "type: temporal_ordered, rules: [many, ok], group-by: [account], timespan: 1h"
    book = loaded(tmp_path, section, rules=chained)
    events = [event(n, n) for n in range(5)]
    (found,) = findings(book, *events, event(9, 30, "success"))
    assert (found.rule, found.events, found.first_us) == ("over", (4, 18), 2 * MINUTE)
    assert findings(book, *events, event(9, 63, "success")) == []


def test_findings_of_a_rule_with_a_pattern_are_counted_each(tmp_path):
    rules = FAILED.replace("---\n", "burst: {count: 2, within: 1m}\nby: ip\n---\n")
    book = loaded(tmp_path, "type: event_count, rules: failed, timespan: 1h, condition: {gte: 2}", rules=rules)
    pairs = [event(n, n / 2, ip=ip) for n, ip in enumerate(["1", "1", "1", "2", "2"])]
    (found,) = findings(book, *pairs)
    assert (found.events, found.at_us) == ((2, 8), 2 * MINUTE)


def test_what_belongs_to_rules_can_be_said_of_a_correlation_too(tmp_path):
    more = "level: high\nonly: {role: admin}\nexcept: [{match: {ip: 10.0.0.1}, why: office}]\nrespond: Call {account}.\n"
    tests = (
        "tests: [{it: works, events: [{at: 2026-01-15 10:00, account: a, outcome: failure, role: admin, times: 3, every: 1m}],"
        " alerts: [{at: 2026-01-15 10:01, count: 3}]}]\n"
    )
    section = "type: event_count, rules: [failed], group-by: [account], timespan: 10m, condition: {gte: 2}"
    book = loaded(tmp_path, section, more=more + tests, rules=FAILED)
    assert book.rules[-1].level == "high"
    assert [result.passed for result in run_tests(book.rules)] == [True]
    admin = {"role": "admin"}
    assert len(findings(book, event(1, 0), event(2, 1, **admin))) == 1
    assert findings(book, event(1, 0), event(2, 1)) == []
    assert findings(book, event(1, 0, ip="10.0.0.1"), event(2, 1, **admin)) == []


def test_a_correlation_has_a_new_version_when_a_rule_under_it_has(tmp_path):
    section = "type: event_count, rules: [failed], timespan: 10m, condition: {gte: 2}"

    def version(section: str, rules: str = FAILED) -> str:
        return loaded(tmp_path, section, rules=rules).rules[-1].version

    first = version(section)
    assert version(section, FAILED.replace("title: f", "title: g")) == first
    others = [
        version(section, FAILED.replace("failure}", "success}")),
        version(section.replace("gte: 2", "gte: 3")),
        version(section.replace("gte: 2", "eq: 2")),
        version(section + ", group-by: ip"),
        version(section + ", group-by: x, aliases: {x: {failed: ip}}"),
    ]
    assert len({first, *others}) == 6


RULES = "rules: [failed], timespan: 10m"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            f"type: value_sum, {RULES}, condition: {{gte: 2}}",
            "correlation.type: value_sum is not supported: logins hold no amounts",
        ),
        (f"type: value_avg, {RULES}", "correlation.type: value_avg is not supported"),
        (f"type: value_percentile, {RULES}", "correlation.type: value_percentile is not supported"),
        (
            f"type: event_counts, {RULES}",
            "correlation.type: must be one of event_count, value_count, temporal, temporal_ordered",
        ),
        (f"type: event_count, {RULES}", "correlation: condition: is missing, like"),
        (f"type: event_count, {RULES}, condition: {{lt: 5}}", "correlation.condition: needs a lower bound of at least 1"),
        (f"type: event_count, {RULES}, condition: {{lte: 5}}", "correlation.condition: needs a lower bound of at least 1"),
        (f"type: event_count, {RULES}, condition: {{eq: 0}}", "correlation.condition: needs a lower bound of at least 1"),
        (
            f"type: event_count, {RULES}, condition: {{gte: 5, lt: 5}}",
            "correlation.condition: no count is at least 5 and at most 4",
        ),
        (f"type: event_count, {RULES}, condition: {{neq: 5}}", "correlation.condition: neq is not supported"),
        (f"type: event_count, {RULES}, condition: {{gte: 5.5}}", "correlation.condition.gte: must be a whole number"),
        (
            f"type: event_count, {RULES}, condition: {{field: ip, gte: 5}}",
            "correlation.condition.field: belongs to value_count",
        ),
        (f"type: event_count, {RULES}, condition: {{}}", "correlation.condition: needs a count"),
        (f"type: value_count, {RULES}, condition: {{gte: 5}}", "correlation.condition: value_count needs `field`"),
        (
            f"type: value_count, {RULES}, condition: {{field: ipp, gte: 5}}",
            "correlation.condition.field: events have no field 'ipp'",
        ),
        (
            f"type: value_count, {RULES}, condition: {{field: groups, gte: 5}}",
            "correlation.condition.field: groups holds several",
        ),
        (f"type: temporal, {RULES}, condition: failed and ok", "correlation.condition: an expression over rules is not part"),
        (f"type: temporal, {RULES}, condition: {{gte: 2}}", "correlation.condition: no 2 of 1 rules can fire"),
        (
            "type: temporal_ordered, rules: [failed, ok], timespan: 1m, condition: {gte: 1}",
            "correlation.condition: temporal_ordered",
        ),
        ("type: temporal, rules: [failed, okk], timespan: 1m", "correlation.rules: there is no rule 'okk'; did you mean 'ok'?"),
        ("type: temporal, rules: [], timespan: 1m", "correlation.rules: needs at least 1 of them"),
        ("type: temporal, rules: [failed], timespan: 1M", "correlation.timespan: must be a whole number and s, m, h or d"),
        (f"type: temporal, {RULES}, group-by: [acount]", "correlation.group-by: events have no field 'acount'; did you mean"),
        (f"type: temporal, {RULES}, group-by: [ip, ip]", "correlation.group-by: names ip twice"),
        (
            f"type: temporal, {RULES}, group-by: [x], aliases: {{x: {{fail: ip}}}}",
            "correlation.aliases.x.fail: is none of the rules",
        ),
        (f"type: temporal, {RULES}, group-by: [x], aliases: {{x: {{}}}}", "correlation.aliases.x: does not say which field"),
        (
            f"type: temporal, {RULES}, group-by: [x], aliases: {{x: {{failed: ipp}}}}",
            "correlation.aliases.x.failed: events have no",
        ),
        (f"type: temporal, {RULES}, window: 5", "correlation.window: unknown key"),
    ],
)
def test_what_a_correlation_cannot_mean_is_refused_by_name_at_its_place(tmp_path, section, expected):
    assert any(one.partition(" ")[2].startswith(expected) for one in said(tmp_path, section)), said(tmp_path, section)


@pytest.mark.parametrize(
    "key", ["burst: {count: 2, within: 1m}", "detection: {a: {ip: x}}", "by: ip", "logsource: {service: audit}"]
)
def test_what_belongs_to_a_detection_does_not_go_with_a_correlation(tmp_path, key):
    (one,) = said(tmp_path, "type: temporal, rules: [failed], timespan: 1m", more=key + "\n")
    assert f"{key.partition(':')[0]}: does not go with a correlation" in one


def test_correlations_in_a_circle_are_refused(tmp_path):
    rules = FAILED + "title: x\nname: x\ncorrelation: {type: temporal, rules: [over, failed], timespan: 1m}\n---\n"
    found = said(tmp_path, "type: temporal, rules: [x, failed], timespan: 1m", rules=rules)
    assert [one.partition("correlation.rules: ")[2] for one in found] == [
        "goes in a circle: 'over' waits for this rule",
        "goes in a circle: 'x' waits for this rule",
    ]


def test_nothing_can_wait_for_silence(tmp_path):
    rules = FAILED.replace("---\n", "absence: {within: 1h}\n---\n")
    (one,) = said(tmp_path, "type: temporal, rules: [failed], timespan: 1m", rules=rules)
    assert "the rule 'failed' fires when no event comes" in one


def test_an_id_of_two_rules_means_neither(tmp_path):
    again = FAILED.replace("name: failed", "name: again")
    section = "type: temporal, rules: [5638f7c0-ac70-491d-8465-2a65075e0d86], timespan: 1m"
    found = said(tmp_path, section, rules=FAILED + again)
    assert "warning: id: is that of" in found[0]
    assert "several rules have the id" in found[1]


def test_a_rule_that_would_be_told_of_and_is_heard_only_is_warned_of(tmp_path):
    rules = FAILED.replace("---\n", "respond: Call.\n---\n")
    (warning,) = loaded(tmp_path, "type: temporal, rules: [failed], timespan: 1m", rules=rules).warnings
    assert "the rule 'failed' is told of through this correlation only" in str(warning)


def test_a_rule_waits_for_a_correlation_as_for_any_rule(tmp_path):
    section = "type: event_count, rules: [failed], group-by: [account], timespan: 10m, condition: {gte: 2}"
    text = "---\ntitle: s\nname: s\ndetection: {ok: {outcome: success}}\n"
    text += "sequence: {within: 1h, steps: [{match: 'rule:over'}, {match: ok}]}\n"
    loaded(tmp_path, section, rules=FAILED)
    write(tmp_path, "x.yml", (tmp_path / "x.yml").read_text() + text)
    found = findings(load_rules([tmp_path]), event(1, 0), event(2, 1), event(3, 2, "success"))
    assert [(one.rule, one.events) for one in found] == [("over", (2, 4)), ("s", (4, 6))]
