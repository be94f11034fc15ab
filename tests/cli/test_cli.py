"""The command line: help at once, one sentence for what people can mend, and the exit code that belongs to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from typing import Any, ClassVar

import pytest
import typer

from alertbot import __version__, cli
from alertbot.errors import AlertbotError, ConfigError, Mistake, PortalUnreachable

ALERTBOT = [sys.executable, "-m", "alertbot"]


def shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ALERTBOT, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


class Command:
    """A command of the tests' own: does what a test sets as `work`."""

    work: ClassVar[Any] = staticmethod(lambda: None)


def command() -> None:
    """Do what the test says."""
    Command.work()


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register `alertbot try`, and run it with the work that is given."""
    monkeypatch.setitem(cli.COMMANDS, "try", (f"{__name__}:command", "Do what the test says."))

    def run(work: Any) -> int:
        monkeypatch.setattr(Command, "work", staticmethod(work))
        return cli.execute(["try"])

    return run


def test_help_loads_nothing_heavy() -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "alertbot", "--help"], capture_output=True, text=True, check=True
    ).stderr
    heavy = {"asyncio", "httpx", "sqlalchemy", "aiohttp", "sigma", "structlog", "msgspec", "rich.console", "slack_sdk", "yaml"}
    assert not heavy & {line.rpartition("|")[2].strip() for line in loaded.splitlines()}


def test_help_names_every_command() -> None:
    said = shell("--help").stdout
    for name, (_, line) in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", said, re.MULTILINE), name


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_exists_and_its_help_has_an_example(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    function = getattr(import_module(module), attribute)
    if isinstance(function, typer.Typer):
        function = function.registered_callback.callback
    assert function.__doc__.partition("\n")[0] == cli.COMMANDS[name][1]
    said = shell(name, "--help").stdout
    assert re.search(rf"Examples?:\n +alertbot {name}", said)
    assert "--config" in said


def test_the_version_is_the_packages() -> None:
    assert shell("--version").stdout == f"alertbot {__version__}\n"


def test_without_a_command_there_is_help() -> None:
    assert "Commands:" in shell().stdout + shell().stderr


@pytest.mark.parametrize("arguments", [["chek"], ["--nonsense"], ["schema", "nonsense"], ["schema", "--nonsense"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = shell(*arguments)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistyped_command_is_recognised() -> None:
    assert "Did you mean 'check'" in shell("chek").stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AlertbotError("No."), 2),
        (ConfigError([Mistake("alertbot.yaml", 3, 1, "a: is wrong"), Mistake("b", 0, 0, "no")]), 2),
        (PortalUnreachable("Nothing answers at acme.example."), 3),
    ],
)
def test_what_people_can_mend_is_its_sentence_and_its_exit_code(
    works: Any, capsys: pytest.CaptureFixture[str], error: AlertbotError, code: int
) -> None:
    def fail() -> None:
        raise error

    assert works(fail) == code
    assert capsys.readouterr() == ("", f"{error}\n")


def test_an_error_never_commands_the_terminal(works: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise AlertbotError("He typed \x1b[2J\u202e.")

    works(fail)
    assert capsys.readouterr().err == "He typed \\x1b[2J\\u202e.\n"


def test_an_interrupted_command_ends_with_130(works: Any) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert works(interrupted) == 130


def test_a_command_can_end_with_a_code_of_its_own(works: Any) -> None:

    def no() -> None:
        raise typer.Exit(1)

    assert works(no) == 1
    assert works(lambda: None) == 0


WRITER = """
import sys
from alertbot import cli
cli.COMMANDS["try"] = ("writer:write", "Write.")
sys.modules["writer"] = type(sys)("writer")
def write() -> None:
    {body}
sys.modules["writer"].write = write
sys.exit(cli.execute(["try"]))
"""


@pytest.mark.parametrize(
    "body",
    [
        "[print('x' * 1000) for _ in range(1000)]",
        "from alertbot.cli.terminal import out; [out().print('x' * 1000) for _ in range(1000)]",
    ],
    ids=["print", "rich"],
)
def test_a_reader_that_has_seen_enough_is_no_failure(body: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(body=body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) == 0


def test_ctrl_c_ends_a_command_with_130_and_no_traceback() -> None:
    body = "print('ready', flush=True); import signal; signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(body=body)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_completion_knows_the_commands() -> None:
    env = os.environ | {"_ALERTBOT_COMPLETE": "complete_bash", "COMP_WORDS": "alertbot ba", "COMP_CWORD": "1"}
    done = shell(env=env)
    assert done.stdout.split() == ["backtest"]
