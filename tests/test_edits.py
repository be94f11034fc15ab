"""Edits of rules are put in force or told, whatever else goes wrong, and nobody is told twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alertbot.edits import Edits
from alertbot.errors import LostOwnership, StoreError
from alertbot.rules.load import load_rules
from alertbot.rules.model import Rule
from alertbot.store.records import RULES_BROKEN
from alertbot.store.store import Store

RULE = "title: Failures\ndetection: {failed: {outcome: failure}}\n"
PATIENCE = 20.0


class Editor:
    """Edits one rule file of a service that is nothing but its store and the rules in force."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.file = folder / "failures.yml"
        self.store = store
        self.in_force: list[str] = []
        self.away: list[Exception] = []
        self._now_us = 0

    def write(self, text: str) -> None:
        """Replace the file."""
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, self.file)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[asyncio.Task[None]]:
        """While the service runs."""
        stopping = asyncio.Event()
        edits = Edits(self.store, self._in_store, "#security", self._put_in_force, on_commit=lambda: None, now_us=self._clock)
        task = asyncio.create_task(edits.follow([self.file.parent], load_rules([self.file.parent]), stopping))
        yield task
        stopping.set()
        await asyncio.gather(task, return_exceptions=True)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something that an edit leads to."""
        async with asyncio.timeout(PATIENCE):
            while not reached():  # noqa: ASYNC110 -- a store has no event to wait for
                await asyncio.sleep(0.02)

    @property
    def told(self) -> list[str]:
        """What people were told, by its beginning."""
        return [entry.message.text.partition(".")[0] for entry in self.store.entries()]

    async def _put_in_force(self, rules: Sequence[Rule]) -> None:
        self._fail()
        self.in_force += [rule.title for rule in rules]

    async def _in_store(self, function: Callable[..., Any], *args: object, **named: object) -> Any:
        self._fail()
        return function(*args, **named)

    def _fail(self) -> None:
        if self.away:
            raise self.away.pop()

    def _clock(self) -> int:
        self._now_us += 1
        return self._now_us


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    (tmp_path / "rules").mkdir()
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        one = Editor(tmp_path / "rules", store)
        one.write(RULE)
        yield one


async def test_a_mistake_is_told_once_and_its_end_too_also_over_restarts(editor: Editor) -> None:
    with capture_logs() as logged:
        async with editor.followed():
            editor.write(RULE + "burst: {count: 1, within: 10m}\n")
            await editor.until(lambda: len(logged) == 1)
            editor.write(RULE + "burst: {count: 1, within: 11m}\n")  # the same mistake in the same place
            await editor.until(lambda: len(logged) == 2)
            editor.write(RULE + "burst: {count: 0, within: 11m}\nlevel: loud\n")
            await editor.until(lambda: len(editor.told) == 2)
            assert "4:8: level: must be" in (editor.store.meta(RULES_BROKEN) or "")
    editor.write(RULE)
    async with editor.followed():
        await editor.until(lambda: len(editor.told) == 3)
    async with editor.followed():
        editor.write(RULE.replace("Failures", "Failed logins"))
        await editor.until(lambda: editor.in_force == ["Failed logins"])
    assert editor.told == [
        "A change of the rules cannot be used",
        "A change of the rules cannot be used",
        "The rules are right again: 1 rule in force",
    ]
    assert editor.store.meta(RULES_BROKEN) is None


async def test_an_edit_while_the_store_is_away_is_taken_up_when_it_is_back(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alertbot.edits.TRY_AGAIN_EVERY", timedelta(milliseconds=10))
    async with editor.followed() as following:
        editor.away = [StoreError("database is locked"), StoreError("database is locked")]
        editor.write(RULE.replace("Failures", "Failed logins"))
        await editor.until(lambda: editor.in_force == ["Failed logins"])
        editor.away = [StoreError("disk is full")]
        editor.write("title: [")
        await editor.until(lambda: len(editor.told) == 1)
        assert not following.done()


async def test_who_has_lost_the_store_to_another_bot_follows_no_edits(editor: Editor) -> None:
    async with editor.followed() as following:
        editor.away = [LostOwnership("another bot has it")]
        editor.write(RULE.replace("Failures", "Failed logins"))
        with pytest.raises(LostOwnership):
            await asyncio.wait_for(following, PATIENCE)
