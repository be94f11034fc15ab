"""Lists beside the rules: their values, their ends, and where they are looked for."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from alertbot.engine import Engine
from alertbot.errors import RulesError
from alertbot.moments import to_us
from alertbot.rules.lists import Listed
from alertbot.rules.load import load_rules
from tests.rules.build import event, matches, write

RULE = "title: x\ndetection: {a: {ip|expand|cidr: '%office%'}}\n"
DAY = date(2026, 1, 15)  # of the event
OVER = date(2026, 1, 14)


def test_a_rule_uses_the_values_of_a_list_and_what_is_in_it_makes_its_version(tmp_path):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "lists/office.yml", "- 10.0.0.0/8\n- {value: 192.0.2.0/24, why: the new one}\n")
    (rule,) = load_rules([tmp_path]).rules
    assert rule.condition is not None
    assert rule.condition.test(event(ip="192.0.2.1"))
    assert not rule.condition.test(event(ip="198.51.100.1"))
    versions = {rule.version}
    for text in ("- 10.0.0.0/8\n", "- 10.0.0.0/8\n- {value: 192.0.2.0/24, until: 2026-02-01}\n"):
        write(tmp_path, "lists/office.yml", text)
        versions.add(load_rules([tmp_path]).rules[0].version)
    assert len(versions) == 3
    write(tmp_path, "lists/office.yml", "- 192.0.2.0/24\n- {value: 10.0.0.0/8, why: another reason}\n")
    assert load_rules([tmp_path]).rules[0].version == rule.version


def test_a_single_file_finds_the_lists_beside_it_and_above_it(tmp_path):
    write(tmp_path, "lists/office.yml", "- 10.0.0.0/8\n")
    for name in ("a.yml", "sub/b.yml"):
        assert load_rules([write(tmp_path, name, RULE)]).rules


def test_numbers_and_truth_are_taken_as_they_are_compared(tmp_path):
    write(tmp_path, "a.yml", "title: x\ndetection: {a: {actionId|expand: '%ids%', known|expand: '%truth%'}}\n")
    write(tmp_path, "lists/ids.yml", "[1002, 1003]\n")
    write(tmp_path, "lists/truth.yml", "[true]\n")
    (rule,) = load_rules([tmp_path]).rules
    assert rule.condition is not None
    assert rule.condition.test(event(known=True))


@pytest.mark.parametrize(
    ("detection", "until", "expected"),
    [
        ("a: {country|expand: '%l%'}", DAY, True),
        ("a: {country|expand: '%l%'}", OVER, False),
        ("a: {country|expand|neq: '%l%'}", DAY, False),
        ("a: {country|expand|neq: '%l%'}", OVER, True),
        ("a: {country|expand: ['%l%', Norway]}", OVER, True),
        ("a: {login|expand|contains|all: ['%no%', example]}", DAY, False),
        ("a: {login|expand|contains|all: ['%no%', example]}", OVER, True),
        ("a: {login|expand: '%anna%@example.com'}", DAY, True),
        ("a: {login|expand: '%anna%@example.com'}", OVER, False),
        ("{a: {country|expand: '%l%'}, condition: not a}", OVER, True),
    ],
)
def test_a_value_past_its_end_is_as_if_it_were_not_in_the_list(detection, until, expected):
    lists = {"l": [Listed("norway", until)], "no": [Listed("nobody", until)], "anna": [Listed("anna", until)]}
    assert matches(detection, event(), lists) is expected


def test_a_value_counts_to_the_end_of_its_day_in_the_zone_of_the_rule_or_of_the_portal(tmp_path):
    write(tmp_path, "a.yml", "title: x\ndetection: {a: {login|expand: '%vips%'}}\n")
    hours = "title: y\ndetection: {a: {login|expand: '%vips%'}}\nhours: {outside: 03:00-03:01, zone: Asia/Tokyo}\n"
    write(tmp_path, "b.yml", hours)
    write(tmp_path, "lists/vips.yml", "- {value: anna, until: 2026-02-01}\n")
    rules = load_rules([tmp_path]).rules

    def found(zone: str, moment: datetime) -> set[str]:
        one = event(login="anna", at_us=to_us(moment))
        return {finding.rule for finding in Engine(rules, "main", ZoneInfo(zone)).fold_all([one])}

    berlin, utc, tokyo = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")
    assert found("Europe/Berlin", datetime(2026, 2, 1, 23, 59, 59, tzinfo=berlin)) == {"a"}
    assert found("Europe/Berlin", datetime(2026, 2, 2, tzinfo=berlin)) == set()
    assert found("UTC", datetime(2026, 2, 1, 23, 59, 59, tzinfo=utc)) == {"a"}
    assert found("UTC", datetime(2026, 2, 1, 23, 59, 59, tzinfo=tokyo)) == {"a", "b"}
    assert found("UTC", datetime(2026, 2, 2, tzinfo=tokyo)) == {"a"}


def test_what_comes_to_an_end_is_told_with_its_place(tmp_path):
    text = "title: x\ndetection: {a: {login|expand: '%vips%'}}\nexcept: [{match: {ip: x}, why: trip, until: 2026-03-01}]\n"
    write(tmp_path, "a.yml", text)
    write(tmp_path, "lists/vips.yml", "- bob\n- {value: anna, until: 2026-02-01}\n")
    found = load_rules([tmp_path]).expiries
    assert [(one.until, one.line, one.what) for one in found] == [
        (date(2026, 2, 1), 2, "'anna' in the list 'vips'"),
        (date(2026, 3, 1), 3, "the exception (trip)"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("office", "a: 10.0.0.0/8\n", "office.yml:1:1: must be a list of values"),
        ("office", "- null\n- [x]\n", "office.yml:1:3: [0]: must be a value, or"),
        ("office", "- {valu: x}\n", "office.yml:1:4: [0].valu: unknown key; did you mean `value`?"),
        ("office", "- {value: x, until: soon}\n", "office.yml:1:21: [0].until: must be a date, like 2026-02-01"),
        (
            "office",
            "- 10.10\n",
            "office.yml:1:3: [0]: is a number to YAML, and 10.10 would be lost; put quotes around it: '10.10'",
        ),
        ("office", "- {value: 007, why: x}\n", "office.yml:1:11: [0].value: is a number to YAML, and 007 would be lost"),
        ("office", "- [\n", "office.yml:2:1: is not YAML"),
        ("office", "- x\n", "a.yml:2:33: detection.a.ip|expand|cidr: is no network: 'x' does not"),
        ("off ice", "- 10.0.0.0/8\n", "off ice.yml:1:1: a list's file may be named"),
        (
            "offices",
            "- 10.0.0.0/8\n",
            "a.yml:2:33: detection.a.ip|expand|cidr: there is no list 'office'; did you mean 'offices'?",
        ),
    ],
)
def test_what_is_wrong_with_a_list_is_said_at_its_place(tmp_path, name, text, expected):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, f"lists/{name}.yml", text)
    with pytest.raises(RulesError) as raised:
        load_rules([tmp_path])
    assert any(expected in str(one) for one in raised.value.mistakes), raised.value


def test_two_lists_of_one_name_are_refused(tmp_path):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "lists/office.yml", "- 10.0.0.0/8\n")
    write(tmp_path, "sub/lists/office.yml", "- 10.0.0.0/8\n")
    with pytest.raises(RulesError, match=r"the list .office. is .*/lists/office\.yml already"):
        load_rules([tmp_path])
