"""`alertbot explain` reads the store and changes nothing."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest

from alertbot.cli import execute
from alertbot.engine import Engine
from alertbot.rules.load import load_rules
from alertbot.store.records import PollCommit, PortalState, StoredFinding
from alertbot.store.store import Store
from tests.engine.build import MINUTE, event

RULE = """
title: Guessing
name: guessing
detection: {failed: {outcome: failure}}
burst: {count: 3, within: 10m}
"""


@pytest.fixture
def finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with four failures and the finding that follows from them, as history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCSPACE_URL", "https://acme.onlyoffice.com")
    monkeypatch.setenv("DOCSPACE_API_KEY", "sk-of-nobody")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "guessing.yml").write_text(RULE, encoding="utf-8")
    events = [event(number, number * MINUTE, portal="main") for number in range(1, 5)]
    found = Engine(load_rules([tmp_path / "rules"]).rules, "main", UTC).fold_all(events)[0]
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        stored = [StoredFinding(finding=found, history=True)]
        store.commit_poll(PollCommit(state=PortalState(name="main"), events=events, findings=stored))
    return found.id


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert execute(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_an_event_is_told_with_every_rule(finding: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "3", "--format", "json"))["events"]
    assert [(one["event"]["id"], [(r["rule"], r["outcome"], r["finding"]) for r in one["rules"]]) for one in told] == [
        (3, [("guessing", "fired", finding)])
    ]
    assert "3 matches within 10m; it fires at 3" in said(capsys, "3")


def test_a_finding_is_told_with_its_evidence_and_why_nobody_was_told(finding: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, finding, "--format", "json"))
    assert [one["id"] for one in told["evidence"]] == [1, 2, 3]
    assert (told["rule"], told["count"], told["in_force"]) == ("guessing", 4, True)
    assert told["untold"].startswith("history")
    assert "Nobody was told: history" in said(capsys, finding)


def test_what_the_store_does_not_have_is_a_sentence(finding: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "99"]) == 2
    assert "has no event 99" in capsys.readouterr().err
    assert execute(["explain", "0000000"]) == 2
