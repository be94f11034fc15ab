"""Every step is logged by name; no secret and no control character gets through."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from alertbot import log
from alertbot.secret import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log, "_watchers", [])
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _fail(message: str) -> None:
    raise ValueError(message)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_name_time_and_fields() -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    structlog.get_logger().info("polled", portal="main", events=3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["portal"], line["events"]) == ("polled", "info", "main", 3)
    assert line["timestamp"].endswith("Z")


def test_a_terminal_gets_text_and_colours_only_when_it_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    log.configure(stream=stream)
    structlog.get_logger().info("polled", portal="main")
    assert "\x1b[" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    log.configure(stream=plain)
    structlog.get_logger().info("polled", portal="main")
    assert "\x1b" not in plain.getvalue()
    assert "portal=main" in plain.getvalue()


def test_no_secret_gets_through_in_any_form() -> None:
    secret = Secret('sk-"geheim"/1')
    stream = io.StringIO()
    log.configure(stream=stream, secrets=lambda: [secret])
    logger = structlog.get_logger()
    logger.info('sk-"geheim"/1', key='sk-"geheim"/1', nested={"a": ['sk-"geheim"/1']}, url="https://x/?k=sk-%22geheim%22%2F1")
    try:
        _fail('sk-"geheim"/1')
    except ValueError:
        logger.exception("failed")
        logging.getLogger("httpx").warning("GET %s", 'https://x/sk-"geheim"/1', exc_info=True)
    assert "geheim" not in stream.getvalue()
    assert len(lines(stream)) == 3


def test_a_secret_that_was_rotated_is_still_kept_out() -> None:
    secrets = [Secret("first-key")]
    stream = io.StringIO()
    log.configure(stream=stream, secrets=lambda: secrets)
    secrets.append(Secret("second-key"))
    structlog.get_logger().info("read", old="first-key", new="second-key")
    assert "-key" not in stream.getvalue()


@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_what_an_outsider_typed_never_commands_the_terminal(make: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = make()
    log.configure(stream=stream)
    structlog.get_logger().info("seen", login="\x1b[2J\u202egro.elpmaxe@anna\x00")
    logging.getLogger("other").warning("\x1b[2J\u202e")
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())


def test_a_traceback_shows_no_local_variables() -> None:
    stream = Terminal()
    log.configure(stream=stream)
    local = "only-" + "here"
    try:
        _fail("no")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError: no" in stream.getvalue()
    assert local not in stream.getvalue()


def test_steps_below_the_level_are_not_written_but_watchers_see_them() -> None:
    seen: list[tuple[str, object]] = []
    log.watch(lambda event, fields: seen.append((event, fields.get("portal"))))
    stream = io.StringIO()
    log.configure(stream=stream)
    logger = structlog.get_logger()
    logger.debug("stored", portal="main")
    logger.info("committed", portal="main")
    assert seen == [("stored", "main"), ("committed", "main")]
    assert [line["event"] for line in lines(stream)] == ["committed"]


def test_debug_writes_all_steps_and_other_libraries_only_warn_by_default() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, level="debug")
    structlog.get_logger().debug("stored")
    logging.getLogger("httpx").info("GET https://acme.example")
    assert [line["event"] for line in lines(stream)] == ["stored"]
