"""The README tells the truth: its commands exist and run, its rules and configurations load, and what works is in it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from alertbot import config
from alertbot.cli import COMMANDS, execute, load
from alertbot.errors import AlertbotError
from alertbot.event import ATTRIBUTES, GUEST_ID
from alertbot.rules.document import PATTERNS, RuleDocument
from alertbot.rules.inline import run_tests
from alertbot.rules.load import load_rules
from alertbot.rules.model import RuleBook

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@dataclass(frozen=True)
class Block:
    """A code block: its language, and its text."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it shows, where its first line names one."""
        first = re.match(r"# (rules/\S+\.yml)\n", self.text)
        return first[1] if first else None


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]
YAML = [block for block in BLOCKS if block.language == "yaml"]
RULES = [block for block in YAML if "title:" in block.text]
CONFIGURATIONS = [block for block in YAML if "portals:" in block.text]
FILES = {block.file: block for block in YAML if block.file}


def commands() -> Iterator[str]:
    """Every command line of the README, without what the shell does with its output."""
    for block in BLOCKS:
        if block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                yield line.partition(" > ")[0].strip()


LINES = list(commands())
OURS = [line for line in LINES if line.startswith("alertbot ")]


def runs_alone(line: str) -> bool:
    """Whether a command needs no portal, no Slack, no store and no configuration."""
    name = line.split()[1]
    return "/etc/" not in line and (name in ("check", "test", "schema", "init") or (name == "backtest" and "--events" in line))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules and a history, as somebody who follows the README has it, and no variable set."""
    for name in list(os.environ):
        if name.startswith(("DOCSPACE_", "SLACK_", "ALERTBOT_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    rows = [
        {"id": number, "date": f"2026-01-15T10:00:{number:02}.0000000Z", "actionId": 1002, "userId": GUEST_ID, "login": "root"}
        for number in range(20)
    ]
    (tmp_path / "logins.json").write_text(json.dumps(rows))
    (tmp_path / "people.json").write_text(json.dumps([{"id": "1", "email": "anna@example.com", "status": 1}]))
    return tmp_path


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> RuleBook:
    """All rules of the README, with its lists and calendars."""
    folder = tmp_path_factory.mktemp("readme")
    for number, block in enumerate(RULES):
        (folder / f"example-{number}.yml").write_text(block.text)
    for name, block in FILES.items():
        file = folder / str(name).removeprefix("rules/")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text)
    return load_rules([folder])


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", OURS)
def test_every_command_of_the_readme_exists_with_its_options(line: str) -> None:
    name, *arguments = shlex.split(line)[1:]
    assert name in COMMANDS
    load(name).make_context(name, arguments)


@pytest.mark.parametrize("line", [line for line in OURS if runs_alone(line)])
@pytest.mark.usefixtures("elsewhere")
def test_commands_that_need_nothing_run(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(shlex.split(line)[1:]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert any(line.split()[1] == name for line in OURS), f"the README has no example of alertbot {name}"
    assert f"**{name}**:" in README, f"the README does not say what alertbot {name} does"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute([name, "--help"]) == 0
    assert "Examples:" in capsys.readouterr().out


def test_the_make_commands_are_there() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = [line.split()[1] for line in LINES if line.startswith("make ")]
    assert set(wanted) >= {"demo", "test"}
    assert set(wanted) <= set(targets)


def test_exit_codes_are_those_of_the_errors() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, re.MULTILINE)}
    waiting, errors = [AlertbotError], {AlertbotError.exit_code}
    while waiting:
        kinds = waiting.pop().__subclasses__()
        errors |= {kind.exit_code for kind in kinds}
        waiting += kinds
    assert listed == errors | {0, 1, 130}


# -- rules -------------------------------------------------------------------------------------------------------------


def test_every_rule_of_the_readme_loads_without_a_warning(book: RuleBook) -> None:
    assert len(book.rules) >= len(RULES)
    assert book.warnings == ()


def test_the_tests_in_the_rules_of_the_readme_pass(book: RuleBook) -> None:
    results = run_tests(book.rules)
    assert len(results) >= 5
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_shown(pattern: str) -> None:
    assert any(re.search(rf"^{pattern}:", block.text, re.MULTILINE) for block in RULES)
    assert f"| `{pattern}` |" in README


OWN = ("by", "only", "except", "raise", "quiet", "group", "inhibits", "route", "respond", "mode", "tests")


@pytest.mark.parametrize("key", OWN)
def test_every_key_is_in_the_table(key: str) -> None:
    assert key in {field.alias or name for name, field in RuleDocument.model_fields.items()}
    assert re.search(rf"^\|[^|]*`{key}`", README, re.MULTILINE) is not None


def test_every_field_of_an_event_is_in_the_readme() -> None:
    assert [name for name in ATTRIBUTES if f"`{name}`" not in README] == []


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_every_configuration_of_the_readme_is_valid(block: Block, elsewhere: Path) -> None:
    (elsewhere / "secrets").mkdir()
    for name in re.findall(r"\$\{file:/run/secrets/(\w+)\}", block.text):
        (elsewhere / "secrets" / name).write_text("xoxb-secret\n")
    text = block.text.replace("/run/secrets", str(elsewhere / "secrets")).replace(
        "/etc/alertbot/rules", str(elsewhere / "rules")
    )
    (elsewhere / "alertbot.yaml").write_text(text)
    names = re.findall(r"\$\{(\w+)\}", text)
    variables = {name: f"xapp-{name}" if "APP" in name else f"xoxb-{name}" for name in names}
    settings = config.load(None, variables)
    assert settings.warnings == ()
    settings.need_slack()


def keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a configuration as the README writes it."""
    for name, field in model.model_fields.items():
        inner = [kind for kind in _types(field.annotation) if issubclass(kind, BaseModel)]
        several = "[]" if "tuple" in str(field.annotation).lower() else ""
        if inner:
            yield from keys(inner[0], f"{before}{field.alias or name}{several}.")
        else:
            yield before + (field.alias or name)


def _types(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _types(part)


def test_the_configuration_keys_that_have_an_effect_are_in_the_table_and_no_others() -> None:
    later = tuple(".".join(map(str, way)) for way in config.NOT_YET)
    wanted = {key for key in keys(config.Configuration) if not key.replace("[]", "").startswith(later)}
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", section, re.MULTILINE))
    assert listed == wanted


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "docs/alert.png" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_link_to_a_section_leads_to_one() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= sections


def test_the_picture_is_one() -> None:
    assert (ROOT / "docs" / "alert.png").read_bytes().startswith(b"\x89PNG")
