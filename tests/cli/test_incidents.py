"""`alertbot incidents` lists open work, and messages name commands that there are."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

import alertbot
from alertbot import cli
from alertbot.cli import execute
from alertbot.incidents import Incident
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from tests.people import incident

SOURCES = [path.read_text("utf-8") for path in Path(alertbot.__file__).parent.rglob("*.py")]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Incident:
    """A store with one incident."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCSPACE_URL", "https://acme.onlyoffice.com")
    monkeypatch.setenv("DOCSPACE_API_KEY", "sk-of-nobody")
    one = incident()
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        store.commit_poll(PollCommit(state=PortalState(name=one.portal), incidents=[one]))
    return one


@pytest.mark.parametrize("command", [["incidents"], ["incidents", "list"], ["incidents", "list", "--all"]])
def test_open_work_is_listed(opened: Incident, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([*command, "--format", "json"]) == 0
    assert [one["incident"] for one in json.loads(capsys.readouterr().out)] == [opened.id]


def test_for_the_next_shift_what_a_summary_tells_of_is_a_line_for_each_rule(
    opened: Incident, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    summed = [incident(id=f"{number:020x}", message=None, summary="storm1", summed_as="storm") for number in range(40)]
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        store.commit_poll(PollCommit(state=PortalState(name=opened.portal), incidents=summed))
    assert execute(["status", "--handover"]) == 0
    said = capsys.readouterr().out
    assert "Nobody has looked (1)" in said
    assert "40 × Password guessing: alertbot incidents resolve rule:guessing HOW" in said
    assert execute(["incidents", "resolve", "rule:guessing", "real", "--as", "ben"]) == 0
    assert capsys.readouterr().out == "Resolved 40.\n"


@pytest.mark.parametrize("name", ["incidents", "silence"])
def test_what_texts_tell_people_to_type_is_a_command(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    group = typer.main.get_command(getattr(import_module(module), attribute))
    named = {word for source in SOURCES for word in re.findall(rf"\balertbot {name} ([a-z]+)\b", source)}
    assert named - set(getattr(group, "commands")) == set()  # noqa: B009 -- only a group has commands
    assert named
