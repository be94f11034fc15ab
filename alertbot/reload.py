"""Rules that change while the service runs.

In come the paths of rules as configured, and a digest of what was read there last; out goes, whenever what stands in their
files has changed, the new book of rules, or what is wrong with them. What counts is the files' content, so a swap of links, a
touched file and an editor's temporary copy change nothing, and what is still being written is waited for.

A file system says that something may have happened. Not every one does, and none says it of a folder that did not exist when it
was asked, so each second the files are looked at anyway: their dates and sizes, and where these differ, their content.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from watchfiles import awatch

from alertbot.errors import RulesError
from alertbot.rules.files import digest_of, files_read
from alertbot.rules.load import load_rules
from alertbot.rules.model import RuleBook

LOOK_EVERY = timedelta(seconds=1)
GATHER = timedelta(milliseconds=50)
WRITTEN_AFTER = timedelta(milliseconds=250)
"""Files that have not changed for so long are read."""

BROKEN_AFTER = timedelta(milliseconds=500)
"""What is wrong in files is told when they have not changed for so long: half a file is broken more often than a whole one."""

TRIES = 4
"""So often files that are written all the time are waited for."""

log = structlog.get_logger("alertbot.reload")
_Seen = list[tuple[str, int, int, int]]


async def changes(paths: Sequence[Path], known: str, stopping: asyncio.Event) -> AsyncIterator[RuleBook | RulesError]:
    """Each change of the rules since `known` (a book's `digest`), read and checked, until `stopping` is set."""
    seen: _Seen | None = None
    async for was_told in _looks(paths, stopping):
        before, seen = seen, await asyncio.to_thread(_seen, paths)
        if seen == before and not was_told:
            continue
        while await asyncio.to_thread(digest_of, paths) != known:
            known, read = await _read_when_written(paths)
            yield read


async def _looks(paths: Iterable[Path], stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Now, and then each moment at which to look, and whether something is said to have changed."""
    yield True
    try:
        told = awatch(
            *await asyncio.to_thread(_folders, paths),
            watch_filter=None,
            debounce=int(GATHER.total_seconds() * 1_000),
            rust_timeout=int(LOOK_EVERY.total_seconds() * 1_000),
            yield_on_timeout=True,
            stop_event=stopping,
            recursive=False,
        )
        async for changed in told:
            yield bool(changed)
    except (OSError, RuntimeError) as exc:  # no watch is to be had, as where a system allows only so many
        log.warning("rules.unwatched", error=str(exc))
    while not stopping.is_set():
        await asyncio.sleep(LOOK_EVERY.total_seconds())
        yield False


async def _read_when_written(paths: Sequence[Path]) -> tuple[str, RuleBook | RulesError]:
    """What stands in the files when nobody is writing them any more, and a digest of that."""
    for left in reversed(range(TRIES)):
        digest = await asyncio.to_thread(digest_of, paths)
        await asyncio.sleep(WRITTEN_AFTER.total_seconds())
        if left and await asyncio.to_thread(digest_of, paths) != digest:
            continue
        read = await asyncio.to_thread(_read, paths)
        if isinstance(read, RuleBook):
            return read.digest, read
        await asyncio.sleep(BROKEN_AFTER.total_seconds())
        if not left or await asyncio.to_thread(digest_of, paths) == digest:
            break
    return digest, read


def _read(paths: Sequence[Path]) -> RuleBook | RulesError:
    try:
        return load_rules(paths)
    except RulesError as exc:
        return exc


def _seen(paths: Iterable[Path]) -> _Seen:
    """What a file system shows of the files without reading them."""
    found: _Seen = []
    try:
        for file in files_read(paths):
            state = file.stat()
            found.append((str(file), state.st_ino, state.st_mtime_ns, state.st_size))
    except OSError as exc:
        found.append((str(exc), 0, 0, 0))
    return found


def _folders(paths: Iterable[Path]) -> list[Path]:
    """The folders that hold the files, and those that were named: an editor puts a new file beside the old one."""
    named = [path for path in paths if path.is_dir()]
    try:
        holding = [file.parent for file in files_read(paths)]
    except OSError:
        holding = []
    return [folder for folder in dict.fromkeys([*named, *holding]) if os.access(folder, os.R_OK)]
