"""What the service writes about itself: text on a terminal, one JSON object a line otherwise, always to stderr.

Every step is logged by its name (`log.info("polled", portal=…)`); who wants to act at a step watches for it (`watch`).
No secret gets through, wherever in a line it stands, and nothing that an outsider typed reaches a terminal as it is.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from alertbot.secret import HIDDEN, Secret

Watcher = Callable[[str, EventDict], None]

SHORTEST_SECRET = 6
"""Shorter ones are not looked for: they would blot out half of every line."""

_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Have `watcher(event, fields)` called at every logged step, whatever the level, before it is written."""
    _watchers.append(watcher)


def configure(*, secrets: Callable[[], Iterable[Secret]] = tuple, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for this process. `secrets` is asked at every line, because a secret may be rotated meanwhile."""
    stream = stream or sys.stderr
    terminal = stream.isatty()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not terminal),
        structlog.processors.format_exc_info,
    ]
    render: Processor = _text(terminal) if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    ending: list[Processor] = [_printable, render, _Redactor(secrets)]
    structlog.configure(
        processors=[_tell_watchers, *shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if _watchers else threshold),
        logger_factory=lambda *_: _Writer(stream, threshold),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)


def _text(terminal: bool) -> Processor:
    colours = terminal and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)


class _Writer:
    """Where structlog's lines end. The level is looked at here and not before, so that watchers see every step."""

    def __init__(self, stream: TextIO, threshold: int) -> None:
        self._stream = stream
        self._threshold = threshold

    def __getattr__(self, method: str) -> Callable[[str], None]:
        level = logging.getLevelNamesMapping().get({"exception": "ERROR"}.get(method, method.upper()), logging.INFO)
        return self._write if level >= self._threshold else _drop

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def _drop(_line: str) -> None:
    pass


def _tell_watchers(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    for watcher in _watchers:
        watcher(str(fields.get("event")), fields)
    return fields


def _printable(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Show as its code what a terminal would obey."""
    return {key: _shown(value) for key, value in fields.items()}


def _shown(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in value)


class _Redactor:
    """Stars in place of every secret of a finished line, also as JSON or an address would write it."""

    def __init__(self, secrets: Callable[[], Iterable[Secret]]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> Any:
        text = str(line)
        for secret in self._secrets():
            value = secret.get_secret_value()
            if len(value) >= SHORTEST_SECRET:
                for form in {value, json.dumps(value)[1:-1], quote(value, safe="")}:
                    text = text.replace(form, HIDDEN)
        return text
