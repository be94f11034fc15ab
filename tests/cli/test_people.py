"""Commands about people's work: what is wrong says what to write instead, and nothing is stored then."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alertbot import cli
from alertbot.portal.people import Person
from alertbot.store.records import PollCommit, PortalState, StoredPerson, encode
from alertbot.store.store import Store
from tests.people import incident

RULE = "title: Guessing\nname: guessing\ndetection: {failed: {outcome: failure}}\n"
OTHER = "b" * 20


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in a folder with a store that holds two incidents; gives its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in list(os.environ):
        if name.startswith(("SLACK_", "DOCSPACE_", "ALERTBOT_")):
            monkeypatch.delenv(name)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "guessing.yml").write_text(RULE)
    (tmp_path / "alertbot.yaml").write_text("portals: [{url: https://acme.example.com, api_key: sk-1}]\n")
    people = [
        Person(id="u-anna", email="Anna@example.com", name="Anna Berg"),
        Person(id="u-1", email="ben@example.com", name="Ben"),
        Person(id="u-2", email="ben2@example.com", name="Ben"),
    ]
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        stored = [StoredPerson(person.id, encode(person)) for person in people]
        incidents = [incident(), incident(id=OTHER, key=("u-ben",), about=None, phase="over")]
        store.commit_poll(PollCommit(state=PortalState(name="main"), incidents=incidents, people=stored))

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.execute(list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("incidents", "show", "zzzz"), "There is no incident 'zzzz'"),
        (("incidents", "show", "01"), "There is no incident"),
        (("incidents", "acknowledge", "0123", "--as", "  "), "write --as NAME"),
        (("incidents", "resolve", "0123", "solved"), "write real, false_alarm or expected"),
        (("incidents", "--config", "x.yaml", "show", "0123"), "--config goes behind the command"),
        (("silence", "add", "--for", "1h", "--reason", "x"), "Say what is to be silent"),
        (("silence", "add", "--rule", "guessing", "--reason", "x"), "Say how long"),
        (("silence", "add", "--rule", "guessing", "--for", "1h", "--until", "2030-01-01", "--reason", "x"), "Say how long"),
        (("silence", "add", "--rule", "guessing", "--for", "1h"), "needs a reason"),
        (("silence", "add", "--rule", "guesing", "--for", "1h", "--reason", "x"), "did you mean `guessing`"),
        (("silence", "add", "--rule", "guessing", "--for", "1y", "--reason", "x"), "--for 1y: must be a whole number"),
        (("silence", "add", "--rule", "guessing", "--for", "91d", "--reason", "x"), "90 days at most"),
        (("silence", "add", "--rule", "guessing", "--until", "2020-01-01", "--reason", "x"), "end later than now"),
        (("silence", "add", "--rule", "guessing", "--until", "soon", "--reason", "x"), "is no date"),
        (("silence", "add", "--address", "10.0.0.0/8", "--for", "1h", "--reason", "x"), "is no address"),
        (("silence", "add", "--country", "Germany", "--for", "1h", "--reason", "x"), "two letters"),
        (("silence", "add", "--account", "ben", "--for", "1h", "--reason", "x"), "several people"),
        (("silence", "add", "--rule", "guessing", "--portal", "other", "--for", "1h", "--reason", "x"), "unknown portal"),
        (("silence", "lift", "abcd"), "No silence in force begins with 'abcd'"),
    ],
)
def test_what_is_wrong_ends_with_2_and_says_what_to_write(shell: Any, arguments: tuple[str, ...], says: str) -> None:
    code, said = shell(*arguments)
    assert (code, says in said) == (2, True), said
    assert "Traceback" not in said
    assert json.loads(shell("silence", "--format", "json")[1]) == []


def test_incidents_are_listed_by_what_is_open(shell: Any) -> None:
    code, said = shell("incidents")
    assert code == 0
    assert "going on, nobody has looked" in said
    assert "over, nobody has looked" in said
    shell("incidents", "resolve", OTHER, "real", "--as", "ben")
    assert [one["incident"] for one in json.loads(shell("incidents", "--format", "json")[1])] == [incident().id]
    everything = json.loads(shell("incidents", "--all", "--format", "json")[1])
    assert {one["incident"]: one["work"] for one in everything} == {incident().id: "new", OTHER: "resolved"}
    assert len(json.loads(shell("incidents", "--all", "--limit", "1", "--format", "json")[1])) == 1


def test_the_story_of_one_has_every_step_with_who_and_why(shell: Any) -> None:
    shell("incidents", "resolve", "0123", "false-alarm", "--reason", "a scanner", "--as", "ben")
    shell("incidents", "reopen", "0123", "--reason", "it was none", "--as", "anna")
    code, said = shell("incidents", "show", "0123")
    assert code == 0
    assert "ben  resolved: false alarm: a scanner" in said
    assert "anna  reopened: it was none" in said
    told = json.loads(shell("incidents", "show", "0123", "--format", "json")[1])
    assert [(step["who"], step["reason"]) for step in told["log"]] == [("ben", "resolved"), ("anna", "reopened")]


def test_an_account_is_silenced_by_e_mail_name_or_id_and_shown_by_its_e_mail(shell: Any) -> None:
    for who in ("ANNA@example.com", "anna berg", "u-anna"):
        code, said = shell("silence", "add", "--account", who, "--for", "8h", "--reason", "travels", "--as", "ben")
        assert (code, "account Anna@example.com" in said) == (0, True), said
    silences = json.loads(shell("silence", "list", "--format", "json")[1])
    assert [one["match"] for one in silences] == [{"account": "u-anna"}] * 3
    shell("silence", "add", "--account", " Root ", "--for", "1h", "--reason", "x")
    assert {"account": "root"} in [one["match"] for one in json.loads(shell("silence", "--format", "json")[1])]
    shell("silence", "lift", silences[0]["silence"], "--as", "anna")
    assert len(json.loads(shell("silence", "--format", "json")[1])) == 3
    everything = json.loads(shell("silence", "list", "--all", "--format", "json")[1])
    assert [one["lifted_by"] for one in everything if not one["active"]] == ["anna"]
    assert "holds back" in shell("silence")[1]


def test_status_needs_nobody_else_and_says_what_is_wrong(shell: Any) -> None:
    code, said = shell("status")
    assert code == 0
    assert "main: not watched now" in said
    assert "1 going on and nobody has looked, 1 over and nobody has looked, 0 in somebody's hands" in said
    shell("incidents", "acknowledge", "0123", "--as", "ben")
    handover = shell("status", "--handover")[1]
    assert "Over, nobody has looked (1)" in handover
    assert "In somebody's hands (1)" in handover
    told = json.loads(shell("status", "--handover", "--format", "json")[1])
    assert told["open"] == {"untouched": 1, "over_and_nobody_has_looked": 1, "acknowledged": 1}
    assert [one["by"] for one in told["acknowledged"]] == ["ben"]
    assert told["portals"][0]["watched"] is False


def test_rules_are_listed_without_a_store_too(shell: Any, tmp_path: Path) -> None:
    shell("incidents", "resolve", "0123", "expected", "--reason", "her phone", "--as", "ben")
    [one] = json.loads(shell("rules", "--format", "json")[1])
    assert (one["rule"], one["level"], one["mode"], one["wishes"], one["last"]) == ("guessing", "medium", "live", 1, None)
    code, said = shell("rules", "--wishes")
    assert code == 0
    assert 'except:\n  - match: {account: "u-anna"}\n    why: "her phone (ben)"' in said
    (tmp_path / "alertbot.db").unlink()
    assert "never" in shell("rules")[1]
    assert shell("rules", "--wishes")[0] == 2


def test_without_a_store_commands_say_that_run_makes_it(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "alertbot.db").unlink()
    for arguments in (("incidents",), ("incidents", "acknowledge", "0123"), ("silence",), ("status",)):
        code, said = shell(*arguments)
        assert (code, "alertbot run makes it" in said) == (2, True), said
