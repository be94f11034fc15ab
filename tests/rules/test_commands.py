"""`alertbot check` and `alertbot test`, as people call them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from alertbot.cli import execute
from alertbot.portal.people import Person
from alertbot.store.records import PollCommit, PortalState, StoredPerson
from alertbot.store.store import Store
from tests.rules.build import write

PEOPLE = {"anna": ("Sales",), "bob": ()}

GOOD = """
title: x
detection: {failed: {outcome: failure}}
burst: {count: 3, within: 10m}
tests:
  - it: alerts on the third
    events: [{at: 2026-01-15 10:00, login: anna@example.com, outcome: failure, times: 3, every: 1m}]
    alerts: [{at: 2026-01-15 10:02, account: anna@example.com}]
"""
WRONG_TEST = GOOD.replace("10:02", "10:03").replace("alerts on", "is wrong on")
BROKEN = "title: x\ndetection: {failed: {outcom: failure}}\nburst: {count: 1, within: 10m}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no configuration in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DOCSPACE_", "SLACK_", "ALERTBOT_")):
            monkeypatch.delenv(name)
    return tmp_path


def test_check_says_how_much_is_fine(here, capsys):
    write(here, "rules/a.yml", GOOD)
    assert execute(["check", "rules"]) == 0
    assert capsys.readouterr().out == "1 rule, 1 test: fine\n"


def test_check_names_every_mistake_and_ends_with_1(here, capsys):
    write(here, "rules/a.yml", BROKEN)
    write(here, "rules/b.yml", "title: [\n")
    assert execute(["check", "rules/a.yml", "rules/b.yml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "rules/a.yml:2:22: detection.failed.outcom: events have no field 'outcom'; did you mean 'outcome'?"
    assert lines[1] == "rules/a.yml:3:16: burst.count: must be at least 2"
    assert lines[2].startswith("rules/b.yml:2:1: is not YAML")
    assert lines[3] == "3 mistakes"


def test_warnings_alone_are_no_mistake(here, capsys):
    write(here, "rules/a.yml", GOOD + "respond: Call {nam}.\n")
    assert execute(["check", "rules"]) == 0
    warning, summary = capsys.readouterr().out.splitlines()
    assert "warning: respond: nothing is known as {nam}" in warning
    assert summary == "1 rule, 1 test: fine (1 warning)"


def test_a_list_or_calendars_can_be_checked_by_themselves(here, capsys):
    write(here, "rules/lists/office.yml", "- 192.0.2.0/24\n")
    write(here, "rules/calendars.yml", "berlin: {hours: 07:00-20:00}\n")
    assert execute(["check", "rules/lists/office.yml", "rules/calendars.yml"]) == 0
    assert capsys.readouterr().out == "0 rules, 0 tests: fine\n"
    write(here, "rules/lists/office.yml", "- {valu: 192.0.2.0/24}\n")
    write(here, "rules/calendars.yml", "berlin: {hours: 7-20}\n")
    assert execute(["check", "rules/lists/office.yml", "rules/calendars.yml"]) == 1
    said = capsys.readouterr().out
    assert "rules/lists/office.yml:1:4: [0].valu: unknown key; did you mean `value`?" in said
    assert "rules/calendars.yml:1:17: berlin.hours: must be days and hours" in said


def test_check_hints_at_rules_without_tests(here, capsys):
    write(here, "rules/a.yml", GOOD.partition("tests:")[0])
    assert execute(["check", "rules"]) == 0
    assert capsys.readouterr().out == "1 rule, 0 tests: fine (1 rule without tests)\n"


def test_check_as_json_is_a_list_of_mistakes(here, capsys):
    write(here, "rules/a.yml", BROKEN)
    assert execute(["check", "rules", "--format", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said[1] == {
        "path": "rules/a.yml",
        "line": 3,
        "col": 16,
        "message": "burst.count: must be at least 2",
        "warning": False,
    }


def test_without_a_path_and_a_configuration_the_rules_here_are_looked_at(here, capsys):
    write(here, "rules/a.yml", GOOD)
    assert execute(["check"]) == 0
    assert capsys.readouterr().out.startswith("1 rule, 1 test: fine")
    assert execute(["test"]) == 0


def test_without_anything_the_rules_that_ship_are_looked_at(here, capsys):
    assert execute(["check"]) == 0
    assert ": fine" in capsys.readouterr().out


def test_check_looks_at_the_configuration_and_its_rules(here, capsys):
    write(here, "mine/a.yml", GOOD)
    file = write(here, "alertbot.yaml", "portals: [{name: main, url: http://[, api_key: x}]\nrules: [mine]\n")
    assert execute(["check"]) == 1
    assert "alertbot.yaml:1:" in capsys.readouterr().out
    file.write_text("portals: [{name: main, url: 'https://acme.example.com', api_key: x}]\nrules: [mine]\n")
    assert execute(["check"]) == 0
    assert "1 rule, 1 test: fine" in capsys.readouterr().out


def test_check_with_a_configuration_names_routes_that_nobody_looks_for(here, capsys):
    write(here, "rules/a.yml", GOOD + "route: nigth\n")
    portals = "portals: [{name: main, url: 'https://acme.example.com', api_key: x}]\nrules: [rules]\n"
    write(here, "alertbot.yaml", portals + "routes: [{match: {route: Night}, channel: '#night'}]\n")
    assert execute(["check"]) == 0
    assert "rules/a.yml:1:1: warning: route: no route looks for 'nigth'; did you mean 'Night'?" in capsys.readouterr().out
    write(here, "rules/a.yml", GOOD + "route: night\n")
    assert execute(["check"]) == 0
    assert "warning: route" not in capsys.readouterr().out


def test_test_shows_each_test_of_each_rule(here, capsys):
    write(here, "rules/a.yml", GOOD)
    write(here, "rules/b.yml", WRONG_TEST)
    assert execute(["test", "rules"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a",
        "  ✓ alerts on the third",
        "b",
        "  ✗ is wrong on the third",
        "      rules/b.yml:5",
        "      expected, did not come:  2026-01-15 10:03  account anna@example.com",
        "      came, not expected:      2026-01-15 10:02  account anna@example.com  count 3",
        "2 tests of 2 rules: 1 failed",
    ]


def test_test_as_json_is_a_list_of_results(here, capsys):
    write(here, "rules/b.yml", WRONG_TEST)
    assert execute(["test", "rules", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {
            "rule": "b",
            "it": "is wrong on the third",
            "passed": False,
            "path": "rules/b.yml",
            "line": 5,
            "missing": ["2026-01-15 10:03  account anna@example.com"],
            "unexpected": ["2026-01-15 10:02  account anna@example.com  count 3"],
        }
    ]


def test_test_of_broken_rules_names_the_mistakes_and_ends_with_2(here, capsys):
    write(here, "rules/a.yml", BROKEN)
    assert execute(["test", "rules"]) == 2
    assert "rules/a.yml:3:16: burst.count: must be at least 2" in capsys.readouterr().err


def test_rules_that_hold_anything_hostile_are_checked_without_a_traceback(here, capsys):
    write(here, "rules/a.yml", "title: " + "[" * 500)
    write(
        here,
        "rules/b.yml",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    )
    write(here, "rules/c.yml", "title: x\ndetection: {a: {login|re: '((a{50}){50}){50}'}}")
    started = time.monotonic()
    assert execute(["check", "rules"]) == 1
    assert time.monotonic() - started < 10
    out = capsys.readouterr().out
    assert all(f"rules/{name}.yml:" in out for name in "abc")
    assert "Traceback" not in out


def test_check_imports_nothing_that_only_a_running_bot_needs(here):
    program = (
        "import sys; from alertbot.cli import execute; execute(['check', 'rules']); "
        "print(sorted({'httpx', 'sqlalchemy', 'aiohttp', 'slack_sdk', 'rich', 'holidays', 'asyncio'} & set(sys.modules)))"
    )
    write(here, "rules/a.yml", GOOD)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1 rule, 1 test: fine", "[]"]


def test_check_warns_of_exceptions_that_have_ended(here, capsys):
    write(here, "rules/a.yml", GOOD + "except: [{match: {account: anna}, why: trip, until: 2020-02-01}]\n")
    assert execute(["check", "rules"]) == 0
    warning, summary = capsys.readouterr().out.splitlines()
    assert warning.startswith("rules/a.yml:8:53: warning: the exception (trip) has not applied since the end of 2020-02-01")
    assert summary == "1 rule, 1 test: fine (1 warning)"


def test_check_with_a_store_names_people_without_hours(here, capsys):
    config = "portals: [{name: main, url: 'https://acme.example.com', api_key: x}]\nrules: [rules]\nstore: sqlite:///a.db\n"
    write(here, "alertbot.yaml", config)
    write(here, "rules/a.yml", "title: x\ndetection: {a: {groups: Sales}}\nhours: {outside: 07:00-20:00}\n")
    assert execute(["check"]) == 0
    assert "no hours rule covers" not in capsys.readouterr().out
    people = [Person(id=name, email=f"{name}@x.org", groups=groups, status="active") for name, groups in PEOPLE.items()]
    with Store.open(f"sqlite:///{here}/a.db", write=True) as store:
        stored = tuple(StoredPerson(one.id, msgspec.json.encode(one)) for one in people)
        store.commit_poll(PollCommit(state=PortalState(name="main"), people=stored))
    assert execute(["check"]) == 0
    assert "main: warning: no hours rule covers 1 active person: bob@x.org" in capsys.readouterr().out


def test_a_backtest_joins_the_portals_own_json_of_both_feeds(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of the login history and of the audit trail in one file: the account joins them, under the rules that ship."""
    who = {"userId": "66fa", "user": "Anna Berg", "ip": "203.0.113.7", "country": "Germany"}
    logins = [who | {"id": n, "date": f"2026-01-{n:02}T09:00:00Z", "actionId": 1029} for n in range(1, 11)]
    strange = who | {"id": 11, "date": "2026-01-15T03:00:00Z", "actionId": 1029, "country": "Vietnam"}
    taken = who | {"id": 11, "date": "2026-01-15T03:20:00Z", "actionId": 5057, "target": ["4711"], "country": "Vietnam"}
    report = who | {"id": 12, "date": "2026-01-20T03:20:00Z", "actionId": 6028}
    (here / "events.json").write_text(json.dumps({"response": [*logins, strange, taken, report]}), encoding="utf-8")
    assert execute(["backtest", "--events", "events.json", "--format", "json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [export] = [one for one in found if one["rule"] == "export-after-strange-login"]
    assert (export["key"], export["first"], export["at"]) == (
        {"account": "66fa"},
        "2026-01-15T03:00:00Z",
        "2026-01-15T03:20:00Z",
    )


WAITS = """
title: A night, then failures
detection: {failed: {outcome: failure}}
sequence: {within: 1h, steps: [{match: rule:night}, {match: failed, count: 2}]}
inhibits: [night, nobody]
tests:
  - it: alerts on the second failure
    events:
      - {at: 2026-01-15 03:00, who: anna@example.com, outcome: success}
      - {at: 2026-01-15 03:10, who: anna@example.com, outcome: failure, times: 2, every: 1m}
    alerts: [{at: 2026-01-15 03:11}]
"""
NIGHT = """
title: Night
detection: {entered: {outcome: success}}
hours: {outside: "Mon-Fri 07:00-20:00"}
tests: [{it: is another file's, events: [{at: 2026-01-15 03:00, outcome: success}], alerts: [{at: 2026-01-15 03:00}]}]
"""


def test_a_rule_that_waits_for_one_of_another_file_is_checked_tested_and_tried_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "waits.yml").write_text(WAITS, encoding="utf-8")
    (tmp_path / "rules" / "night.yml").write_text(NIGHT, encoding="utf-8")
    (tmp_path / "rules" / "broken.yml").write_text("title: [", encoding="utf-8")
    assert execute(["check", "rules/waits.yml"]) == 0
    said = capsys.readouterr().out
    assert "there is no rule 'nobody' among those that were read" in said
    assert "'night'" not in said
    assert "1 rule, 1 test: fine" in said
    assert execute(["test", "rules/waits.yml"]) == 0
    assert "1 test of 1 rule: all passed" in capsys.readouterr().out
    kinds = ((1, "01:00", 1029, {"userId": "u1", "user": "Anna"}), (2, "01:10", 1002, {}), (3, "01:11", 1002, {}))
    rows = [
        {"id": number, "date": f"2026-01-15T{at}:00Z", "actionId": action, "userId": "u1", "login": "Anna", **more}
        for number, at, action, more in kinds
    ]
    (tmp_path / "logins.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    backtest = ("backtest", "--rules", "rules/waits.yml", "--events", "logins.json.gz", "--format", "json")
    assert execute(list(backtest)) == 0
    assert {json.loads(line)["rule"] for line in capsys.readouterr().out.splitlines()} <= {"waits"}
