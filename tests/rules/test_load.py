"""Rule files → rules, or all that is wrong with them, each mistake at its place."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.documents import Document
from alertbot.errors import Mistake, RulesError
from alertbot.rules.build import builder_of
from alertbot.rules.builder import Shared
from alertbot.rules.load import load_rules, rule_files, shipped_rules
from alertbot.rules.model import (
    Absence,
    Burst,
    Calendar,
    Distinct,
    Dormant,
    Each,
    FirstSeen,
    Hours,
    LearnedHours,
    Sequence_,
    Spike,
    Travel,
    Window,
)
from tests.rules.build import book, event, rule, write

GUESSING = """
    title: Password guessing against one account
    id: 929a690e-bef0-4204-a928-ef5e620d6fcc
    status: stable
    description: Somebody tries passwords.
    references: [https://attack.mitre.org/techniques/T1110/]
    author: us
    date: 2026-01-15
    modified: 2026-02-01
    tags: [attack.credential_access, attack.t1110]
    falsepositives: A forgotten password.
    level: high
    logsource: {product: onlyoffice, category: authentication}
    detection:
      failed: {outcome: failure}
      office: {ip|cidr: 10.0.0.0/8}
      condition: failed and not office
    burst: {count: 5, within: 10m}
    by: [account, country]
    only: {role: [owner, admin]}
    quiet: 2h
    mode: shadow
    respond: Call {name}.
    tests:
      - it: alerts
        events: [{at: 2026-01-15 10:00, login: anna@example.com, outcome: failure}]
        alerts: []
"""


def mistakes(folder: Path, *texts: str) -> list[str]:
    """What is said of rule files, with the folder's name left out."""
    with pytest.raises(RulesError) as raised:
        book(folder, *texts)
    return [str(mistake).removeprefix(f"{folder}/") for mistake in raised.value.mistakes]


def test_a_rule_has_all_that_its_file_says(tmp_path):
    loaded = rule(tmp_path, GUESSING)
    assert loaded.name == "a"
    assert loaded.title == "Password guessing against one account"
    assert (loaded.level, loaded.mode, loaded.quiet) == ("high", "shadow", timedelta(hours=2))
    assert loaded.pattern == Burst(5, timedelta(minutes=10))
    assert loaded.by == ("account", "country")
    assert loaded.condition is not None
    assert loaded.condition.test(event(ip="192.0.2.1"))
    assert not loaded.condition.test(event(ip="10.0.0.1"))
    assert loaded.only is not None
    assert loaded.only.test(event(role="Admin"))
    assert loaded.falsepositives == ("A forgotten password.",)
    assert loaded.tags == ("attack.credential_access", "attack.t1110")
    assert loaded.feeds == {"login"}
    assert (loaded.path, loaded.line) == (str(tmp_path / "a.yml"), 1)
    assert [(test.it, test.line) for test in loaded.tests] == [("alerts", 24)]
    assert re.fullmatch("[0-9a-f]{16}", loaded.version)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("level: low", Each()),
        ("distinct: {of: ip, count: 3, within: 1h}", Distinct(("ip",), 3, timedelta(hours=1))),
        (
            "distinct: {of: [browser, platform], count: 2, within: 1d}",
            Distinct(("browser", "platform"), 2, timedelta(days=1)),
        ),
        ("first_seen: {of: country}", FirstSeen((("country",),), timedelta(days=90), timedelta(days=7))),
        (
            "first_seen: {of: [browser, platform], memory: 30d, learn: 0}",
            FirstSeen((("browser", "platform"),), timedelta(days=30), timedelta(0)),
        ),
        (
            "first_seen: {each: [country, [browser, platform]], learn: 1d}",
            FirstSeen((("country",), ("browser", "platform")), timedelta(days=90), timedelta(days=1)),
        ),
        (
            "hours: {outside: 'Mon-Fri 07:00-20:00', zone: Europe/Berlin}",
            Hours(Calendar("", ZoneInfo("Europe/Berlin"), (Window(frozenset(range(5)), 420, 1200),))),
        ),
        ("hours: {outside: [22:00-06:00]}", Hours(Calendar("", None, (Window(frozenset(range(7)), 1320, 360),)))),
    ],
)
def test_each_pattern_comes_out_as_the_engine_takes_it(tmp_path, pattern, expected):
    loaded = rule(tmp_path, f"title: x\ndetection: {{a: {{outcome: failure}}}}\n{pattern}\n")
    assert loaded.pattern == expected
    assert loaded.by == ("account",)


def test_the_zone_of_hours_is_the_rules_zone(tmp_path):
    hours = "hours: {outside: 07:00-20:00, zone: Asia/Tokyo}"
    assert rule(tmp_path, f"title: x\ndetection: {{a: {{outcome: success}}}}\n{hours}\n").zone == ZoneInfo("Asia/Tokyo")


SEQUENCE = """
    title: x
    detection:
      failed: {{outcome: failure}}
      ok: {{outcome: success}}
      {condition}
    sequence: {{within: 1h, steps: [{{match: failed, count: 3}}, {{match: ok}}]}}
"""


def test_steps_name_selections_and_need_no_condition(tmp_path):
    loaded = rule(tmp_path, SEQUENCE.format(condition=""))
    assert isinstance(loaded.pattern, Sequence_)
    assert loaded.condition is None
    assert [step.count for step in loaded.pattern.steps] == [3, 1]
    assert [step.selection.test(event()) for step in loaded.pattern.steps if step.selection] == [True, False]


def test_a_condition_beside_steps_holds_for_every_step(tmp_path):
    text = SEQUENCE.format(condition="away: {country: NO}\n      condition: not away")
    pattern = rule(tmp_path, text).pattern
    assert isinstance(pattern, Sequence_)
    test = pattern.steps[0].selection.test  # type: ignore[union-attr]
    assert test(event(country="DE"))
    assert not test(event(country="NO"))


@pytest.mark.parametrize(
    ("logsource", "detection", "feeds"),
    [
        ("{}", "{a: {outcome: failure}}", {"login"}),
        ("{service: audit}", "{a: {target: x}}", {"audit"}),
        ("{service: Audit}", "{a: {feed: login}}", {"audit"}),
        ("{service: login}", "{a: {feed: login}}", {"login"}),
        ("{product: onlyoffice}", "{a: {feed: [login, audit], event: x}}", {"login", "audit"}),
        ("{}", "{a: {outcome: x}, b: {feed: audit}, condition: a or b}", {"login", "audit"}),
        ("{}", "{a: {outcome: x}, b: {feed: audit}, condition: a}", {"login"}),
        ("{}", "{a: x}", {"login"}),
    ],
)
def test_a_rule_looks_at_logins_unless_it_says_otherwise(tmp_path, logsource, detection, feeds):
    assert rule(tmp_path, f"title: x\nlogsource: {logsource}\ndetection: {detection}\n").feeds == feeds


def test_a_file_may_hold_several_rules_each_with_a_name(tmp_path):
    loaded = book(
        tmp_path,
        """
        title: x
        name: one
        detection: {a: {outcome: failure}}
        ---
        title: y
        name: two
        detection: {a: {outcome: success}}
        ---
        """,
    )
    assert [(one.name, one.line) for one in loaded.rules] == [("one", 1), ("two", 5)]


def test_rules_over_rules_have_their_versions_in_their_own(tmp_path):
    over = """
        title: x
        detection: {ok: {outcome: success}}
        sequence: {within: 1h, steps: [{match: "rule:b"}, {match: ok}]}
    """
    under = "title: y\ndetection: {{a: {{outcome: failure}}}}\nburst: {{count: {}, within: 1h}}\n"
    first, second = (book(tmp_path, over, under.format(count)) for count in (5, 6))
    assert first.rules[0].version != second.rules[0].version


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("burst: {count: 1, within: 10m}", "a.yml:3:16: burst.count: must be at least 2"),
        ("burst: {count: '5', within: 10m}", "a.yml:3:16: burst.count: must be a whole number"),
        ("burst: {count: 5, within: 10}", "a.yml:3:27: burst.within: needs a unit: 10s, 10m, 10h or 10d"),
        ("burst: {count: 5, within: 0m}", "a.yml:3:27: burst.within: must be more than nothing and at most ten years"),
        ("burst: {count: 5}", "a.yml:3:1: burst.within: is missing"),
        ("burst: {count: 5, within: 1h, cont: 3}", "a.yml:3:31: burst.cont: unknown key; did you mean `count`?"),
        ("burts: {count: 5, within: 1h}", "a.yml:3:1: burts: unknown key; did you mean `burst`?"),
        ("level: hihg", "a.yml:3:8: level: must be informational, low, medium, high or critical; did you mean `high`?"),
        ("mode: on", "a.yml:3:7: mode: must be live, shadow or off"),
        ("by: acount", "a.yml:3:5: by: events have no field 'acount'; did you mean 'account'?"),
        ("by: [ip, ip]", "a.yml:3:5: by: names ip twice"),
        ("by: []", "a.yml:3:5: by: needs at least 1 of them"),
        ("by: [ip, grups]", "a.yml:3:10: by[1]: events have no field 'grups'; did you mean 'groups'?"),
        ("by: groups", "a.yml:3:5: by: groups holds several values at once; it cannot be part of a key or be counted"),
        ("distinct: {of: ipp, count: 2, within: 1h}", "a.yml:3:16: distinct.of: events have no field 'ipp'; did you mean"),
        ("only: {rol: admin}", "a.yml:3:8: only.rol: events have no field 'rol'; did you mean 'role'?"),
        ("only: []", "a.yml:3:7: only: is empty: it would match nothing"),
        ("only:", "a.yml:3:6: only: is empty; say which events it selects"),
        ("burst:", "a.yml:3:7: burst: is empty; give it a value, or leave it out"),
        ("by:", "a.yml:3:4: by: is empty; give it a value"),
        ("hours: {outside: 1:00-2:00, zone: }", "a.yml:3:35: hours.zone: is empty; give it a value"),
        ("except: [{match: {account: a}, why: x, until: }]", "a.yml:3:47: except[0].until: is empty; give it a value"),
        ("first_seen: {}", "a.yml:3:13: first_seen: needs `of` (one value) or `each` (several, all of them new)"),
        ("hours: {zone: UTC}", "a.yml:3:8: hours: needs `outside`, `calendar` or `learn`, one of them"),
        ("hours: {outside: 10:00-10:00}", "a.yml:3:18: hours.outside: starts and ends at the same minute"),
        (
            "hours: {outside: 1:00-2:00, zone: Europe/Berln}",
            "a.yml:3:35: hours.zone: unknown time zone 'Europe/Berln'; did you mean Europe/Berlin?",
        ),
        ("id: 5", "a.yml:3:5: id: must be a UUID, like"),
        ("action: global", "a.yml:3:1: action: is not part of Sigma 2: write the shared keys into each rule"),
        ("travel: {faster_than: 0}", "a.yml:3:23: travel.faster_than: must be more than 0"),
        ("travel: {faster_than: .inf}", "a.yml:3:23: travel.faster_than: must be a finite number"),
        ("spike: {within: 1h, count: 3, factor: .inf}", "a.yml:3:39: spike.factor: must be a finite number"),
        ("except: [{match: {account: a}, why: ''}]", "a.yml:3:37: except[0].why: is empty"),
        (
            "hours: {outside: 'Mon-Fri 07:00-20:00, Sat 08:00-12:00'}",
            "a.yml:3:18: hours.outside: holds several windows; write them as a list, like",
        ),
        (
            "hours: {outside: [Mon-Thu,Sat 22:00-06:00]}",
            "a.yml:3:19: hours.outside[0]: must be days and hours, like Mon-Fri 07:00-20:00, Sat,Sun 00:00-24:00 or"
            " 22:00-06:00; a window with a comma needs quotes inside brackets and braces",
        ),
        (
            "tests: [{it: x, events: [{at: 2026-01-15, times: 9, every: 9999d}], alerts: []}]",
            "a.yml:3:60: tests[0].events[0].every: makes the last of the events later than the year 2099",
        ),
        (
            "tests: [{it: x, events: [{at: 2026-01-15, times: 9, every: 1m, id: 7}], alerts: []}]",
            "a.yml:3:64: tests[0].events[0].id: is that of one event, and `times` makes several; leave it out",
        ),
        ("date: soon", "a.yml:3:7: date: must be a date, like 2026-02-01"),
        ("status: done", "a.yml:3:9: status: must be stable, test, experimental, deprecated or unsupported"),
        ("name: 'a:b'", "a.yml:3:7: name: may hold letters, digits, spaces and"),
        ("sequence: {within: 1h, steps: [{match: a}]}", "a.yml:3:31: sequence.steps: needs at least 2 of them"),
        (
            "sequence: {within: 1h, steps: [{match: a}, {match: b}]}",
            "a.yml:3:52: sequence.steps[1].match: there is no selection 'b'; another rule is written rule:NAME",
        ),
        (
            "sequence: {within: 1h, steps: [{match: a}, {match: 'rule:b'}]}",
            "a.yml:3:52: sequence.steps[1].match: there is no rule 'b'",
        ),
        (
            "sequence: {within: 1h, steps: [{match: a}, {match: 'rule:a'}]}",
            "a.yml:3:52: sequence.steps[1].match: goes in a circle: 'a' waits for this rule",
        ),
        ("tests: [{it: x, events: [], alert: []}]", "a.yml:3:29: tests[0].alert: unknown key; did you mean `alerts`?"),
        (
            "tests: [{it: x, events: [{at: 10:00}], alerts: []}]",
            "a.yml:3:31: tests[0].events[0].at: must be a time, like 2026-01-15 10:00",
        ),
        (
            "tests: [{it: x, events: [{at: 2026-01-15, logn: x}], alerts: []}]",
            "a.yml:3:43: tests[0].events[0].logn: unknown key; did you mean `login`?",
        ),
    ],
)
def test_a_mistake_names_its_place_and_says_what_to_do(tmp_path, change, expected):
    said = mistakes(tmp_path, f"title: x\ndetection: {{a: {{outcome: failure}}}}\n{change}\n")
    assert any(one.startswith(expected) for one in said), said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("detection: {a: {outcome: failure}}", ["a.yml:1:1: title: is missing"]),
        ("title: x", ["a.yml:1:1: detection: is missing"]),
        ("title: x\ndetection:", ["a.yml:2:11: detection: is empty"]),
        ("title: x\ndetection: {}", ["a.yml:2:12: detection: names no selection"]),
        ("title: x\ndetection: [a]", ["a.yml:2:12: detection: must be a mapping of named selections"]),
        ("- a", ["a.yml:1:1: must be a rule: a mapping with title and detection"]),
        (
            "title: x\ndetection: {a: {ip: x}, b: {ip: y}}",
            ["a.yml:2:1: detection: needs a condition, like `condition: a and b`"],
        ),
        (
            "title: x\ndetection: {a: {ip: x}, Conditon: a}",
            ["a.yml:2:25: detection.Conditon: is taken for a selection; did you mean `condition`?"],
        ),
        ("title: [x]\ndetection: {a: {ip: x}}", ["a.yml:1:8: title: must be a text"]),
        ("title: ' '\ndetection: {a: {ip: x}}", ["a.yml:1:8: title: is empty"]),
        (f"title: {'x' * 257}\ndetection: {{a: {{ip: x}}}}", ["a.yml:1:8: title: may have at most 256 characters"]),
        (
            "title: x\ndetection: {a: {ip: x}}\nburst: {count: 2, within: 1h}\nhours: {outside: 1:00-2:00}",
            ["a.yml:4:1: hours: a rule has one pattern, and this one has burst already"],
        ),
    ],
)
def test_a_rule_that_lacks_something_is_refused(tmp_path, text, expected):
    assert mistakes(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("travel: {}", Travel(900.0, 500.0, None)),
        ("travel: {faster_than: 800, familiar: 30d}", Travel(800.0, 500.0, timedelta(days=30))),
        ("spike: {within: 1h, factor: 5, count: 10}", Spike(timedelta(hours=1), 5.0, timedelta(days=7), 10)),
        ("dormant: {after: 60d}", Dormant(timedelta(days=60), timedelta(days=180))),
        ("absence: {within: 1h}", Absence(timedelta(hours=1), None)),
        ("hours: {learn: 30d, zone: UTC}", LearnedHours(timedelta(days=30), ZoneInfo("UTC"))),
    ],
)
def test_each_further_pattern_comes_out_as_the_engine_takes_it(tmp_path, key, expected):
    loaded = rule(tmp_path, f"title: x\ndetection: {{a: {{outcome: failure}}}}\n{key}\n")
    assert loaded.pattern == expected
    assert loaded.by == (("portal",) if "absence" in key else ("account",))


def test_what_is_told_comes_out_as_written(tmp_path):
    loaded = book(
        tmp_path,
        """
        title: x
        detection: {a: {outcome: failure}}
        except: [{match: {ip: 192.0.2.1}, why: the office, until: 2026-02-01}]
        raise: [{match: {role: owner}, to: critical}]
        group: ip
        inhibits: b
        route: night
        """,
        "title: y\ndetection: {a: {outcome: failure}}\n",
    ).rules[0]
    (exemption,), (raised,) = loaded.exemptions, loaded.raises
    assert exemption.match.test(event(ip="192.0.2.1"))
    assert (exemption.why, exemption.until) == ("the office", date(2026, 2, 1))
    assert raised.match.test(event(role="owner"))
    assert raised.to == "critical"
    assert (loaded.group, loaded.inhibits, loaded.route) == (("ip",), ("b",), "night")


def test_a_test_about_what_no_event_is_like_is_warned_of(tmp_path):
    text = """
        title: x
        detection: {a: {outcome: failure}}
        tests:
          - it: stays quiet, as it would whatever the rule says
            events: [{at: 2026-01-15, outcome: failed, role: owner}]
            alerts: []
            people: [{email: a@x.org, role: boss}]
    """
    assert [str(one).partition("a.yml:")[2] for one in book(tmp_path, text).warnings] == [
        "5:40: warning: tests[0].events[0].outcome: outcome is never 'failed'; did you mean 'failure'?",
        "7:37: warning: tests[0].people[0].role: role is never 'boss'",
    ]


def test_a_mistake_is_one_line_whatever_the_file_and_its_keys_are_called(tmp_path):
    write(tmp_path, "a\n\x1b[2J.yml", '"\\e[31m": 1')
    with pytest.raises(RulesError) as raised:
        load_rules([tmp_path])
    lines = str(raised.value).splitlines()
    assert len(lines) == len(raised.value.mistakes)
    assert all(line.isprintable() for line in lines)


def test_a_rule_cannot_hold_itself_back(tmp_path):
    said = mistakes(tmp_path, "title: x\nname: x\ndetection: {a: {ip: x}}\ninhibits: [x]\n")
    assert said == ["a.yml:4:12: inhibits[0]: a rule cannot hold itself back"]


def test_holding_back_a_rule_that_was_not_read_is_a_warning(tmp_path):
    (tmp_path / "a.yml").write_text(
        "title: x\nname: x\ndetection: {a: {ip: x}}\ninhibits: [guesing, other]\n---\n"
        "title: y\nname: guessing\ndetection: {a: {ip: x}}\n"
    )
    said = [str(warning).partition("a.yml:")[2] for warning in load_rules([tmp_path]).warnings]
    assert said == [
        "4:12: warning: inhibits[0]: there is no rule 'guesing'; did you mean 'guessing'?",
        "4:21: warning: inhibits[1]: there is no rule 'other' among those that were read",
    ]


def test_the_selection_of_an_exception_has_its_mistakes_at_their_place(tmp_path):
    (said,) = mistakes(tmp_path, "title: x\ndetection: {a: {ip: x}}\nexcept: [{match: {ipp: x}, why: y}]\n")
    assert said == "a.yml:3:19: except[0].match.ipp: events have no field 'ipp'; did you mean 'ip'?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("detection: {a: {browser: 131.10}}", ["2:26: detection.a.browser: is a number to YAML, and 131.10 would be lost"]),
        ("detection: {a: {login|contains: [x, 007]}}", ["2:37: detection.a.login|contains[1]: is a number to YAML, and 007"]),
        ("detection: {a: [1e3]}", ["2:17: detection.a[0]: is a number to YAML, and 1e3 would be lost"]),
        ("detection: {a: {ip: x}}\nonly: {login: +5}", ["3:15: only.login: is a number to YAML, and +5 would be lost"]),
        (
            "detection: {a: {ip: x}}\ntests: [{it: x, events: [{at: 2026-01-15, login: 0x1F}], alerts: [{login: '0x1F'}]}]",
            ["3:50: tests[0].events[0].login: is a number to YAML, and 0x1F would be lost; put quotes around it: '0x1F'"],
        ),
    ],
)
def test_a_text_that_yaml_takes_for_another_number_needs_quotes(tmp_path, text, expected):
    said = mistakes(tmp_path, f"title: 1.10\n{text}\n")
    assert [one.removeprefix("a.yml:").startswith(start) for one, start in zip(said, expected, strict=True)] == [True], said


def test_numbers_that_are_compared_as_numbers_may_be_written_as_one_likes(tmp_path):
    detection = "{a: {actionId: 0x3EA, browser|lte: 1e3, date|hour|gte: 07, login: '007', user: 131.0}}"
    loaded = rule(tmp_path, f"title: x\ndetection: {detection}\nburst: {{count: 0x5, within: 1h}}\n")
    assert loaded.condition is not None
    assert loaded.condition.test(event(browser="1000", login="007", user="131.0"))


def test_what_sigma_s_templates_leave_empty_may_be_empty(tmp_path):
    text = "title: x\nid:\nauthor:\nstatus:\nlogsource: {product: , service: }\ndetection: {a: {outcome: failure}}\n"
    assert rule(tmp_path, text).feeds == {"login"}


def test_a_list_that_does_not_exist_is_refused(tmp_path):
    (said,) = mistakes(tmp_path, "title: x\ndetection: {a: {ip|expand|cidr: '%office%'}}\n")
    assert said == "a.yml:2:33: detection.a.ip|expand|cidr: there is no list 'office'; it would be lists/office.yml"


def test_all_mistakes_of_all_files_are_told_at_once_in_their_order(tmp_path):
    said = mistakes(
        tmp_path,
        """
        title: x
        level: hi
        detection: {a: {outcom: failure}}
        burst: {count: 1, within: 10}
        by: acount
        only: {rol: x}
        """,
        "title: y\nlevel: [\n",
        "title: z\ndetection: {a: {known|gt: 1}}\n",
    )
    assert [one.split(" ")[0] for one in said] == [
        "a.yml:2:8:",
        "a.yml:3:17:",
        "a.yml:4:16:",
        "a.yml:4:27:",
        "a.yml:5:5:",
        "a.yml:6:8:",
        "b.yml:3:1:",
        "c.yml:2:17:",
    ]


def test_names_are_unique_over_all_files(tmp_path):
    text = "title: x\nname: same\ndetection: {a: {outcome: failure}}\n"
    assert mistakes(tmp_path, text, text) == [f"b.yml:2:7: the name 'same' is taken by {tmp_path}/a.yml:1; names are unique"]


def test_a_rule_among_several_in_a_file_needs_a_name(tmp_path):
    text = "title: x\ndetection: {a: {outcome: failure}}\n"
    assert mistakes(tmp_path, f"{text}---\nname: b\n{text}") == ["a.yml:1:1: needs a `name`: the file holds several rules"]


def test_a_folder_is_searched_without_lists_calendars_and_hidden_files(tmp_path):
    for name in ["b.yml", "a.yaml", "sub/c.yml", "lists/office.yml", "sub/lists/x.yml", "calendars.yml", "notes.txt"]:
        write(tmp_path, name, "x")
    write(tmp_path, "..2026/d.yml", "x")
    write(tmp_path, ".hidden.yml", "x")
    assert [str(file.relative_to(tmp_path)) for file in rule_files(tmp_path)] == ["a.yaml", "b.yml", "sub/c.yml"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path):
    file = write(tmp_path, "a.yml", "title: x\ndetection: {a: {outcome: failure}}\n")
    assert len(load_rules([tmp_path, file]).rules) == 1


@pytest.mark.parametrize("name", ["nothing.yml", "nowhere"])
def test_a_path_that_is_not_there_is_a_mistake(tmp_path, name):
    with pytest.raises(RulesError, match=f"{name}: cannot be read: No such file"):
        load_rules([tmp_path / name])


@pytest.mark.parametrize(("target", "reason"), [("nowhere.yml", "No such file"), ("b.yml", "Too many levels")])
def test_a_link_that_leads_nowhere_is_a_mistake_and_no_rule_less(tmp_path, target, reason):
    write(tmp_path, "a.yml", "title: x\ndetection: {a: {outcome: failure}}\n")
    (tmp_path / "b.yml").symlink_to(tmp_path / target)
    with pytest.raises(RulesError, match=f"b.yml: cannot be read: {reason}"):
        load_rules([tmp_path])


def test_what_is_no_file_is_passed_over(tmp_path):
    write(tmp_path, "a.yml", "title: x\ndetection: {a: {outcome: failure}}\n")
    (tmp_path / "b.yml").mkdir()
    os.mkfifo(tmp_path / "c.yml")
    (tmp_path / "d.yml").symlink_to("/dev/zero")
    assert [one.name for one in load_rules([tmp_path]).rules] == ["a"]


def test_a_file_without_end_is_refused():
    with pytest.raises(RulesError, match="/dev/zero: is larger than 4 MB"):
        load_rules([Path("/dev/zero")])


def test_rules_come_through_a_pipe_too(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"title: x\nname: x\ndetection: {a: {outcome: failure}}\n")
    os.close(writing)
    assert [one.name for one in load_rules([Path(f"/dev/fd/{reading}")]).rules] == ["x"]
    os.close(reading)


def test_a_folder_without_rules_is_a_mistake(tmp_path):
    with pytest.raises(RulesError, match="holds no rule file"):
        load_rules([tmp_path])


def test_odd_things_are_warned_of_and_do_not_hinder(tmp_path):
    found = book(
        tmp_path,
        """
        title: x
        detection: {a: {outcome: failure}, b: {ip: x}, condition: a}
        respond: Call {nmae}, {count} times; {n m} is no field.
        mode: off
        """,
        """
        title: y
        detection: {ok: {outcome: success}}
        sequence: {within: 1h, steps: [{match: "rule:a"}, {match: ok}]}
        """,
        "# nothing yet\n",
    )
    assert [one.name for one in found.rules] == ["a", "b"]
    assert [str(warning).removeprefix(f"{tmp_path}/") for warning in found.warnings] == [
        "a.yml:2:36: warning: detection.b: nothing uses this selection",
        "a.yml:3:10: warning: respond: nothing is known as {nmae}: it will stay as it is; did you mean {name}?",
        "b.yml:3:40: warning: sequence.steps[0].match: the rule 'a' is off and never fires",
        "c.yml: warning: holds no rule",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_mistake(tmp_path):
    write(tmp_path, "a.yml", "title: x").chmod(0)
    with pytest.raises(RulesError, match="Permission denied"):
        load_rules([tmp_path])


def test_the_rules_that_ship_are_found():
    assert shipped_rules().is_dir()


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["title", "detection", "burst", "distinct", "sequence", "first_seen", "hours", "by", "only", "tests", "name"]
PARTS = ["condition", "a|re", "outcome", "count", "within", "of", "each", "steps", "match", "outside", "zone", "it", "events"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), ODD | st.dictionaries(st.sampled_from(PARTS), ODD), max_size=6) | ODD)
def test_whatever_stands_in_a_file_it_is_a_rule_or_mistakes(value):
    builder = builder_of(Document("x.yml", value, {(): (1, 1)}), Shared())
    found = builder.rule("x")
    assert builder.broken == (found is None)
    assert all(isinstance(mistake, Mistake) and mistake.message for mistake in builder.mistakes)


def test_a_remark_that_yaml_takes_for_a_mapping_is_told_to_need_quotes(tmp_path: Path) -> None:
    remark = "falsepositives:\n  - a new phone: its first day\n"
    (tmp_path / "x.yml").write_text(f"title: Failures\ndetection: {{failed: {{outcome: failure}}}}\n{remark}", encoding="utf-8")
    with pytest.raises(
        RulesError, match=r"x\.yml:4:5: falsepositives\[0\]: must be a text; a text that holds `: ` needs quotes"
    ):
        load_rules([tmp_path / "x.yml"])
