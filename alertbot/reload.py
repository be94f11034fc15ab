"""Rules that change while the service runs.

In come the paths of rules as configured; out goes, whenever what stands in their files has changed, the new book of rules, or
what is wrong with them. A file system only says that something may have happened: what counts is the files' content, so a swap
of links, a touched file and an editor's temporary copy change nothing. Where a file system says nothing at all, the content is
looked at now and then.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from watchfiles import awatch

from alertbot.errors import RulesError
from alertbot.rules.load import load_rules
from alertbot.rules.model import RuleBook

SETTLED_AFTER = timedelta(milliseconds=300)
LOOK_EVERY = timedelta(seconds=10)
_ENDINGS = (".yml", ".yaml")


async def changes(paths: Sequence[Path], stopping: asyncio.Event) -> AsyncIterator[RuleBook | RulesError]:
    """Each change of the rules from now on, read and checked, until `stopping` is set."""
    known = await asyncio.to_thread(content, paths)
    looked = awatch(
        *_folders(paths),
        watch_filter=None,
        debounce=int(SETTLED_AFTER.total_seconds() * 1_000),
        rust_timeout=int(LOOK_EVERY.total_seconds() * 1_000),
        yield_on_timeout=True,
        stop_event=stopping,
        recursive=False,
    )
    async for _ in looked:
        now = await asyncio.to_thread(content, paths)
        if now != known:
            known = now
            yield await asyncio.to_thread(_read, paths)


def content(paths: Iterable[Path]) -> str:
    """A digest of the names and content of every rule file, list and calendar of these paths, and of what lies beside them."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in _folders(paths):
        for file in sorted(file for file in folder.iterdir() if file.suffix in _ENDINGS):
            digest.update(f"\x00{file}\x00".encode("utf-8", "surrogateescape"))
            try:
                digest.update(file.read_bytes())
            except OSError as exc:
                digest.update(f"{exc.errno}".encode())
    return digest.hexdigest()


def _read(paths: Sequence[Path]) -> RuleBook | RulesError:
    try:
        return load_rules(paths)
    except RulesError as exc:
        return exc


def _folders(paths: Iterable[Path]) -> list[Path]:
    """What to watch: folders and all below; of a file its folder, where an editor puts a new file, and the lists there."""
    folders: dict[Path, None] = {}
    for path in paths:
        below = [path, *path.rglob("*/")] if path.is_dir() else [path.parent, path.parent / "lists"]
        folders |= dict.fromkeys(folder for folder in below if folder.is_dir())
    return list(folders)
