"""Rule files change in every way in which people and programs change files: each is read once, whole, and soon."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from alertbot.errors import RulesError
from alertbot.reload import changes
from alertbot.rules.load import load_rules

RULE = "title: Failures\ndetection: {failed: {outcome: failure}}\n"
OFFICE = "title: From the office\ndetection: {inside: {ip|expand|cidr: '%office%'}}\n"
SOON = 5.0
"""Seconds; two are promised, the rest is for machines that do much else."""

LONG_ENOUGH = 1.6
"""Seconds after which nothing more comes of an edit."""


FIRST_LOOK = 0.1


class Follower:
    """Takes up what comes of the changes of some paths."""

    def __init__(self, changed: AsyncIterator[object]) -> None:
        self._changed = changed
        self._next: asyncio.Task[object] | None = None

    async def names(self) -> list[str]:
        """The names of the rules that the next change brings, or its mistakes."""
        self._next = self._next or asyncio.ensure_future(anext(self._changed))  # type: ignore[arg-type]
        found = await asyncio.wait_for(asyncio.shield(self._next), SOON)
        self._next = None
        return str(found).splitlines() if isinstance(found, RulesError) else [rule.name for rule in found.rules]  # type: ignore[attr-defined]

    async def nothing(self, within: float = LONG_ENOUGH) -> bool:
        """Whether no change comes."""
        self._next = self._next or asyncio.ensure_future(anext(self._changed))  # type: ignore[arg-type]
        return not (await asyncio.wait([self._next], timeout=within))[0]


@asynccontextmanager
async def following(*paths: Path, known: str | None = None) -> AsyncIterator[Follower]:
    """Follow the changes of these paths from what stands there now, or from a book's digest."""
    stopping = asyncio.Event()
    changed = changes(paths, load_rules(paths).digest if known is None else known, stopping)
    follower = Follower(changed)
    assert known is not None or await follower.nothing(FIRST_LOOK)
    yield follower
    stopping.set()
    if follower._next is not None:
        with suppress(StopAsyncIteration):
            await follower._next


def put(folder: Path, **texts: str) -> None:
    """Write files; `__` stands for a folder's end."""
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


async def in_parts(file: Path, parts: Iterable[str]) -> None:
    """Write a file as a slow copy does."""
    with file.open("w", encoding="utf-8") as out:
        for part in parts:
            out.write(part)
            out.flush()
            await asyncio.sleep(0.4)


async def test_an_edit_between_the_first_reading_and_the_first_look_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, a=RULE)
    known = load_rules([tmp_path]).digest
    put(tmp_path, b=RULE)
    async with following(tmp_path, known=known) as follower:
        assert await follower.names() == ["a", "b"]


async def test_what_changes_no_content_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, a=RULE)
    async with following(tmp_path) as follower:
        os.utime(tmp_path / "a.yml")
        put(tmp_path, a=RULE)
        (tmp_path / "new").write_text(RULE, encoding="utf-8")
        os.replace(tmp_path / "new", tmp_path / "a.yml")
        (tmp_path / "folder.yml").mkdir()
        os.mkfifo(tmp_path / "pipe.yml")
        put(tmp_path, **{".a": "title: ["})
        assert await follower.nothing()


async def test_a_file_that_is_written_in_pieces_is_read_whole(tmp_path: Path) -> None:
    """Half of it is no rule, and no broken edit that people are to be told of."""
    put(tmp_path, a=RULE)
    async with following(tmp_path) as follower:
        await in_parts(tmp_path / "b.yml", (RULE, "burst: {count: ", "3, within: 10m}\n"))
        assert await follower.names() == ["a", "b"]


async def test_a_folder_that_is_deleted_and_made_again_is_followed_as_before(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    put(rules, a=RULE)
    async with following(rules) as follower:
        shutil.rmtree(rules)
        assert await follower.names() == [f"{rules}: cannot be read: No such file or directory"]
        put(rules, b=RULE)
        assert await follower.names() == ["b"]
        put(rules, c=RULE)
        assert await follower.names() == ["b", "c"]


async def test_a_list_in_a_folder_that_is_new_is_followed(tmp_path: Path) -> None:
    put(tmp_path, a=RULE)
    async with following(tmp_path) as follower:
        put(tmp_path, b=OFFICE, lists__office="- 10.0.0.0/8\n")
        assert await follower.names() == ["a", "b"]
        put(tmp_path, lists__office="- 10.0.0.0/8\n- 192.0.2.0/24\n")
        assert await follower.names() == ["a", "b"]
        (tmp_path / "lists" / "office.yml").unlink()
        [mistake] = await follower.names()
        assert "there is no list 'office'" in mistake


async def test_a_list_above_the_one_file_that_is_configured_is_followed(tmp_path: Path) -> None:
    put(tmp_path, mine__b=OFFICE, lists__office="- 10.0.0.0/8\n")
    async with following(tmp_path / "mine" / "b.yml") as follower:
        put(tmp_path, lists__office="- 192.0.2.0/24\n")
        assert await follower.names() == ["b"]


async def test_a_config_map_with_folders_is_read_and_its_swap_noticed(tmp_path: Path) -> None:
    """Kubernetes shows files, and the folders of a ConfigMap's `items`, as links over `..data`, and swaps that."""
    for name, net in (("..old", "10.0.0.0/8"), ("..new", "192.0.2.0/24")):
        put(tmp_path / name, b=OFFICE, lists__office=f"- {net}\n")
    (tmp_path / "..data").symlink_to("..old")
    for name in ("b.yml", "lists"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    async with following(tmp_path) as follower:
        (tmp_path / "..next").symlink_to("..new")
        os.replace(tmp_path / "..next", tmp_path / "..data")
        assert await follower.names() == ["b"]


def test_a_link_that_leads_to_where_it_stands_is_gone_through_once(tmp_path: Path) -> None:
    put(tmp_path, a=RULE, sub__b=RULE)
    (tmp_path / "sub" / "up").symlink_to("..")
    assert [rule.name for rule in load_rules([tmp_path]).rules] == ["a", "b"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("too many files are watched")])
async def test_where_a_system_watches_no_more_files_edits_are_noticed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("watchfiles.main.RustNotify", refuse)
    put(tmp_path, a=RULE)
    async with following(tmp_path) as follower:
        put(tmp_path, b=RULE)
        assert await follower.names() == ["a", "b"]
