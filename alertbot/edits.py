"""What editors of rules do while the service runs: put in force where it can be used, and told where it cannot.

In come the changes of the rule files; out go, through the outbox, that an edit is broken and where, and that it is mended. A
broken edit leaves the last good rules at work. What was told is kept in the same transaction, so that a mistake is told once,
and its end is told too, also when it was mended while the bot was down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from alertbot.errors import LostOwnership, RulesError, StoreError
from alertbot.outbox import Message, OutboxEntry, entry_id
from alertbot.reload import changes
from alertbot.rules.model import Rule, RuleBook
from alertbot.slack.rule_files import rules_broken, rules_mended
from alertbot.store.records import RULES_BROKEN
from alertbot.store.store import InStore, Store

TRY_AGAIN_EVERY = timedelta(seconds=1)
"""How soon an edit is taken up again that could not be, for the store was away."""

AFTER_A_MISTAKE = timedelta(minutes=1)

T = TypeVar("T")
log = structlog.get_logger("alertbot.edits")


class Edits:
    """Those of one service. `put_in_force` takes the rules of an edit that can be used; `channel` is where others are told."""

    def __init__(
        self,
        store: Store,
        in_store: InStore,
        channel: str,
        put_in_force: Callable[[Sequence[Rule]], Awaitable[None]],
        *,
        on_commit: Callable[[], None],
        now_us: Callable[[], int],
    ) -> None:
        self._store = store
        self._in_store = in_store
        self._channel = channel
        self._put_in_force = put_in_force
        self._on_commit = on_commit
        self._now_us = now_us

    async def follow(self, paths: Sequence[Path], book: RuleBook, stopping: asyncio.Event) -> None:
        """Take up every edit of the files of which `book` was read, until `stopping` is set."""
        while not stopping.is_set():
            try:
                await self._take_up(paths, book, stopping)
            except LostOwnership:
                raise
            except Exception:
                log.exception("rules.unfollowed")
                await asyncio.sleep(AFTER_A_MISTAKE.total_seconds())

    async def _take_up(self, paths: Sequence[Path], book: RuleBook, stopping: asyncio.Event) -> None:
        told: str | None = await self._stored(self._in_store, self._store.meta, RULES_BROKEN)
        if told is not None:
            told = await self._tell(None, rules_mended(len(book.rules)))
        async for change in changes(paths, book.digest, stopping):
            if isinstance(change, RulesError):
                log.error("rules.broken", mistakes=str(change))
                if told != str(change):
                    told = await self._tell(str(change), rules_broken(change.mistakes))
                continue
            await self._stored(self._put_in_force, change.rules)
            log.info("rules.changed", rules=len(change.rules))
            if told is not None:
                told = await self._tell(None, rules_mended(len(change.rules)))

    async def _tell(self, mistakes: str | None, message: Message) -> str | None:
        """Tell of the state of the rule files, and keep it for `status`."""
        now_us = self._now_us()
        entry = OutboxEntry(
            id=entry_id("rules", str(now_us)), created_us=now_us, kind="notice", channel=self._channel, message=message
        )
        await self._stored(self._in_store, self._store.announce, [entry], {RULES_BROKEN: mistakes})
        self._on_commit()
        return mistakes

    async def _stored(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Do it, again and again while the store is away: an edit must not get lost by that."""
        said = None
        while True:
            try:
                return await function(*args)
            except LostOwnership:
                raise
            except StoreError as error:
                if said != str(error):
                    said = str(error)
                    log.error("rules.waiting", error=said)  # noqa: TRY400 -- a sentence for people
                await asyncio.sleep(TRY_AGAIN_EVERY.total_seconds())
