"""What is shipped is whole: the wheel, the Slack app's manifest, the systemd unit and the container image."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertbot import config
from alertbot.cli import COMMANDS, load
from alertbot.sandbox.slack_methods import _METHODS as SLACK_METHODS

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "alertbot.service"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built as `make build` does."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(built)


def names(wheel: zipfile.ZipFile, under: str) -> set[str]:
    """The files of the wheel in a folder, as paths in it."""
    return {name.removeprefix(under) for name in wheel.namelist() if name.startswith(under)}


# -- the wheel ---------------------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_rules_that_ship(wheel: zipfile.ZipFile) -> None:
    rules = {str(file.relative_to(ROOT / "rules")) for file in (ROOT / "rules").rglob("*") if file.is_file()}
    assert len(rules) >= 10
    assert names(wheel, "alertbot/shipped_rules/") == rules


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "alertbot"
    files = {
        str(file.relative_to(package)) for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }
    inside = {name for name in names(wheel, "alertbot/") if not name.startswith("shipped_rules/")}
    assert inside == files
    data = {"py.typed", "slack/manifest.yaml", "cli/starter.yaml", "sandbox/slack_page.html", "gazetteer.bin"}
    data |= {"countries.tsv", "audit_actions.tsv"}
    assert data <= inside


def test_the_wheel_holds_licence_and_notice_and_nothing_else_beside_the_package(wheel: zipfile.ZipFile) -> None:
    beside = {name.partition(".dist-info/")[2] for name in wheel.namelist() if not name.startswith("alertbot/")}
    assert beside == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"}


def test_the_wheel_gives_the_command(wheel: zipfile.ZipFile) -> None:
    (entries,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "alertbot = alertbot.cli:main" in wheel.read(entries).decode()


# -- the Slack app -----------------------------------------------------------------------------------------------------

MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "alertbot" / "slack" / "manifest.yaml").read_text())


def test_the_app_has_a_scope_for_every_call_that_the_bot_makes() -> None:
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    calls = set(re.findall(r'"((?:chat|conversations|users|usergroups|files)\.\w+)"', _slack_sources()))
    assert {"chat.postMessage", "conversations.history", "conversations.list"} <= calls <= set(SLACK_METHODS)
    for call in calls:
        wanted = SLACK_METHODS[call][1]
        assert not wanted or set(wanted.split("|")) <= scopes, call


def _slack_sources() -> str:
    return "".join(file.read_text() for file in (ROOT / "alertbot" / "slack").glob("*.py"))


def test_the_app_takes_buttons_through_its_own_connection_and_needs_no_address() -> None:
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    assert MANIFEST["settings"]["interactivity"] == {"is_enabled": True}
    assert "request_url" not in str(MANIFEST)


def test_the_app_is_within_the_lengths_that_slack_takes() -> None:
    shown = MANIFEST["display_information"]
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit() -> configparser.SectionProxy:
    """The unit's service section; of keys that stand there more than once the last."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser["Service"]


def test_the_unit_runs_a_command_that_exists(unit: configparser.SectionProxy) -> None:
    program, name, *arguments = shlex.split(unit["ExecStart"])
    assert program == "/opt/alertbot/bin/alertbot"
    assert name in COMMANDS
    context = load(name).make_context(name, arguments)
    assert context.params["config"] == config.SEARCH[-1]


def test_the_unit_stores_where_it_may_write(unit: configparser.SectionProxy, tmp_path: Path) -> None:
    variable, _, url = unit["Environment"].partition("=")
    assert unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"
    assert _store(variable, url, tmp_path) == f"sqlite:///{unit['WorkingDirectory']}/alertbot.db"


def test_the_readme_names_the_files_of_the_unit(unit: configparser.SectionProxy) -> None:
    readme = (ROOT / "README.md").read_text()
    assert str(UNIT.relative_to(ROOT)) in readme
    assert unit["EnvironmentFile"].removeprefix("-") in readme
    assert str(config.SEARCH[-1]) in readme


def _store(variable: str, url: str, folder: Path) -> str:
    environ = {"DOCSPACE_URL": "https://acme.example", "DOCSPACE_API_KEY": "sk-x", "ALERTBOT_RULES": str(ROOT / "rules")}
    return config.load(None, {**environ, variable: url}, cwd=folder).store


# -- the container image -----------------------------------------------------------------------------------------------


def test_the_image_copies_what_is_there_and_what_the_build_needs() -> None:
    copied = {source for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    project = PYPROJECT["project"]
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["readme"], *project["license-files"], *included["packages"], *included["force-include"]}
    assert needed <= copied
    everything, *let_through = (ROOT / ".dockerignore").read_text().split()
    assert everything == "*"
    assert {f"!{source}" for source in copied} <= set(let_through)


def test_the_image_runs_a_command_that_exists_without_root() -> None:
    entry, command = (re.search(rf'^{word} \["(\w+)"\]$', DOCKERFILE, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    assert entry is not None
    assert entry[1] in PYPROJECT["project"]["scripts"]
    assert command is not None
    assert command[1] in COMMANDS
    assert re.search(r"^USER [1-9]\d+$", DOCKERFILE, re.MULTILINE)


def test_the_image_installs_extras_that_exist_on_a_python_that_is_new_enough() -> None:
    extras = re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE)
    assert set(",".join(extras).split(",")) <= PYPROJECT["project"]["optional-dependencies"].keys()
    (python,) = re.findall(r"^ARG PYTHON=3\.(\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(python) >= int(PYPROJECT["project"]["requires-python"].removeprefix(">=3."))


def test_the_image_stores_on_its_volume(tmp_path: Path) -> None:
    (url,) = re.findall(r"ALERTBOT_STORE=(\S+)", DOCKERFILE)
    (volume,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    assert _store("ALERTBOT_STORE", url, tmp_path) == f"sqlite:///{volume}/alertbot.db"
