"""`alertbot sandbox` serves a portal and a Slack until it is told to stop, and says how to use them."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from alertbot.errors import EventsFileError, UsageError
from alertbot.moments import iso, to_us
from alertbot.sandbox.holdings import ApiKey
from alertbot.sandbox.play import begin, play_files, play_story
from alertbot.sandbox.story import office
from tests.sandbox.serving import FILTER, LAST, NOW, client_of

ALERTBOT = (sys.executable, "-m", "alertbot", "sandbox")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The command as its own process, and the variables that it says to export."""
    with subprocess.Popen([*ALERTBOT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "/sandbox/faults" in line:
                    break
            pairs = [shlex.split(line)[1].partition("=") for line in lines if line.startswith("  export ")]
            yield process, {name: value for name, _, value in pairs}
        finally:
            if process.poll() is None:
                process.kill()


def events_file(folder: Path) -> Path:
    rows = [
        {"id": 1, "date": iso(to_us(NOW)), "actionId": 1029, "userId": "u1", "user": "Anna"},
        {"id": 2, "date": iso(to_us(NOW + timedelta(hours=1))), "actionId": 1002, "login": "bo@example.com"},
        {"id": 3, "date": iso(to_us(NOW + timedelta(hours=2))), "actionId": 1029, "userId": "u1", "user": "Anna B"},
    ]
    path = folder / "events.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_it_prints_variables_that_open_both_servers_and_ends_on_ctrl_c_with_130() -> None:
    with running() as (process, variables):
        assert set(variables) == {
            *("DOCSPACE_URL", "DOCSPACE_API_KEY", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_CHANNEL", "SLACK_API_URL"),
        }
        key = {"Authorization": f"Bearer {variables['DOCSPACE_API_KEY']}"}
        rows = httpx.get(variables["DOCSPACE_URL"] + LAST, headers=key).json()["response"]
        token = {"Authorization": f"Bearer {variables['SLACK_BOT_TOKEN']}"}
        slack = httpx.post(variables["SLACK_API_URL"] + "auth.test", headers=token).json()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert len(rows) == 20
    assert slack["ok"]


def test_it_serves_a_file_and_ends_on_sigterm_with_0(tmp_path: Path) -> None:
    with running("--events", str(events_file(tmp_path)), "--history", "90m") as (process, variables):
        told = httpx.get(variables["DOCSPACE_URL"] + "/sandbox").json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert (told["shown"]["login"], told["coming"]["login"], told["running"]) == (2, 1, False)
    assert any(re.search(r"POST +/sandbox/events", line) for line in told["orders"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--events", "nowhere.json"), "nowhere.json cannot be read: No such file or directory"),
        (("--people", "people.json"), "go with --events FILE"),
        (("--speed", "0"), "must be more than 0"),
        (("--events", "nowhere.json", "--history", "soon"), "--history soon: must be a whole number and s, m, h or d"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments: tuple[str, ...], sentence: str) -> None:
    done = subprocess.run([*ALERTBOT, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_port_that_is_taken_is_named() -> None:
    with running() as (_, variables):
        port = variables["DOCSPACE_URL"].rpartition(":")[2]
        done = subprocess.run([*ALERTBOT, "--port", port], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be listened on" in done.stderr


def test_without_history_all_of_a_file_is_there_at_once(tmp_path: Path) -> None:
    sandbox = play_files(events_file(tmp_path))
    assert [row.id for row in sandbox.shown()] == [1, 2, 3]
    assert sandbox.clock.now() == NOW + timedelta(hours=2)


def test_without_people_those_who_logged_in_are_the_directory(tmp_path: Path) -> None:
    sandbox = play_files(events_file(tmp_path))
    assert [(member.id, member.name) for member in sandbox.people] == [("u1", "Anna B")]


def test_an_empty_file_and_a_speed_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(EventsFileError, match="holds no events"):
        play_files(tmp_path / "empty.json")
    with pytest.raises(UsageError, match="--speed -1"):
        play_story(office(), speed=-1)


async def test_time_goes_on_once_the_portal_was_asked() -> None:
    sandbox = play_story(office(), speed=1000)
    assert isinstance(sandbox.key, ApiKey)
    assert sandbox.key.owner in {member.id for member in sandbox.people if member.row.get("isOwner")}
    async with client_of(sandbox) as client:
        assert not sandbox.clock.running
        await client.get(FILTER)
        await begin(sandbox, timedelta())
        assert sandbox.clock.running
