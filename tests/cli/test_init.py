"""`alertbot init` writes files to start from, and never touches what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alertbot import cli
from alertbot.config import load
from alertbot.rules.load import shipped_rules

ENV = {
    "DOCSPACE_URL": "https://acme.onlyoffice.com",
    "DOCSPACE_API_KEY": "sk-docspace",
    "SLACK_BOT_TOKEN": "xoxb-token",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_configuration_that_only_wants_the_keys(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["init"]) == 0
    settings = load(None, ENV)
    assert settings.path == here / "alertbot.yaml"
    assert settings.rules == (here / "rules",)
    assert settings.warnings == ()
    assert "alertbot check" in capsys.readouterr().out


def test_every_line_that_is_commented_out_works_when_the_mark_is_taken_away(here: Path) -> None:
    cli.execute(["init"])
    (here / "company-ca.pem").write_text("")
    written = (here / "alertbot.yaml").read_text(encoding="utf-8")
    (here / "alertbot.yaml").write_text(re.sub(r"(?m)^( *)# ?(?=[ -]*[a-z_]+:)", r"\1", written), encoding="utf-8")
    settings = load(None, ENV | {"SLACK_APP_TOKEN": "xapp-token"})
    assert settings.warnings == ()
    assert settings.routes[0].escalate is not None


def test_it_copies_every_rule_that_ships(here: Path) -> None:
    cli.execute(["init"])
    source = shipped_rules()
    names = sorted(path.relative_to(source) for path in source.rglob("*.y*ml"))
    assert names
    assert sorted(path.relative_to(here / "rules") for path in (here / "rules").rglob("*.y*ml")) == names


def test_what_is_there_stays_as_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.execute(["init"])
    rule = next((here / "rules").glob("*.yml"))
    rule.write_text("mine")
    (here / "alertbot.yaml").write_text("mine too")
    capsys.readouterr()
    assert cli.execute(["init"]) == 0
    assert (rule.read_text(), (here / "alertbot.yaml").read_text()) == ("mine", "mine too")
    assert "kept as" in capsys.readouterr().out


def test_it_writes_where_it_is_told(here: Path) -> None:
    assert cli.execute(["init", "--config", "etc/bot.yaml"]) == 0
    assert (here / "etc" / "bot.yaml").is_file()
    assert list((here / "etc" / "rules").glob("*.yml"))


def test_a_place_that_cannot_be_written_is_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").touch()
    assert cli.execute(["init", "--config", "file/bot.yaml"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
