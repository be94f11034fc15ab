"""The pages of the sandbox portal: no order within a second, cut before the filter, nothing ever lost to who overlaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.sandbox.portal import SandboxPortal
from tests.sandbox.serving import FILTER, LAST, NOW, client_of, failures, portal, rows_of

EXAMPLES = settings(max_examples=25, deadline=None)


def filled(seconds: list[int]) -> SandboxPortal:
    """A portal with one event at each of so many seconds before NOW."""
    sandbox = portal(seed=7)
    for number, before in enumerate(seconds):
        at = NOW - timedelta(seconds=before)
        sandbox.add({"date": at.isoformat(), "actionId": 1002 + number % 3, "login": f"u{number}"})
    return sandbox


async def read_all(client: httpx.AsyncClient, count: int) -> set[int]:
    """What a careful reader does: passes until the ids are as many as the rows that there are."""
    ids: set[int] = set()
    for _ in range(200):
        start = 0
        while rows := await rows_of(client, startIndex=start, count=count):
            ids |= {row["id"] for row in rows}
            start += len(rows)
        if len(ids) == start:
            return ids
    raise AssertionError("200 passes did not show every row")


@EXAMPLES
@given(seconds=st.lists(st.integers(0, 3), max_size=14), count=st.integers(1, 6))
async def test_passes_repeated_until_complete_return_every_row(seconds: list[int], count: int) -> None:
    sandbox = filled(seconds)
    async with client_of(sandbox) as client:
        assert await read_all(client, count) == set(range(1, len(seconds) + 1))


@EXAMPLES
@given(seconds=st.lists(st.integers(0, 3), max_size=20), start=st.integers(0, 22), count=st.integers(1, 20))
async def test_a_page_holds_the_right_seconds_newest_first(seconds: list[int], start: int, count: int) -> None:
    async with client_of(filled(seconds)) as client:
        rows = await rows_of(client, startIndex=start, count=count)
    moments = sorted((NOW - timedelta(seconds=before) for before in seconds), reverse=True)
    assert [datetime.fromisoformat(row["date"]) for row in rows] == moments[start : start + count]
    assert len({row["id"] for row in rows}) == len(rows)


@EXAMPLES
@given(
    seconds=st.lists(st.integers(0, 9), max_size=30, unique=True),
    start=st.integers(0, 10),
    count=st.integers(1, 10),
    since=st.integers(0, 9),
    until=st.integers(0, 9),
    action=st.sampled_from([0, 1002, 1003]),
)
async def test_a_page_is_cut_before_it_is_filtered(
    seconds: list[int], start: int, count: int, since: int, until: int, action: int
) -> None:
    async with client_of(filled(seconds)) as client:
        page = await rows_of(client, startIndex=start, count=count)
        bounds: dict[str, Any] = {
            "from": (NOW - timedelta(seconds=since)).isoformat().replace("+00:00", "Z"),
            "to": (NOW - timedelta(seconds=until)).isoformat(),
        }
        rows = await rows_of(client, startIndex=start, count=count, action=action, **bounds)

    def wanted(row: dict[str, Any]) -> bool:
        before = (NOW - datetime.fromisoformat(row["date"])).total_seconds()
        return until <= before <= since and action in (0, row["actionId"])

    assert rows == [row for row in page if wanted(row)]


async def test_rows_of_one_second_change_places_between_requests_but_not_between_runs() -> None:
    async def orders() -> list[list[int]]:
        async with client_of(filled([0] * 8)) as client:
            return [[row["id"] for row in await rows_of(client)] for _ in range(5)]

    first, second = await orders(), await orders()
    assert first == second
    assert len({tuple(order) for order in first}) > 1
    assert {tuple(sorted(order)) for order in first} == {tuple(range(1, 9))}


async def test_a_row_can_jump_over_a_page_boundary() -> None:
    async with client_of(filled([0] * 8)) as client:
        passes = []
        for _ in range(5):
            pages = [await rows_of(client, startIndex=start, count=4) for start in (0, 4)]
            passes.append({row["id"] for page in pages for row in page})
    assert min(len(ids) for ids in passes) < 8


@pytest.mark.parametrize("start", [0, 2, 4])
async def test_any_page_of_a_second_can_hold_any_of_its_rows(start: int) -> None:
    async with client_of(filled([0] * 8)) as client:
        pages = [await rows_of(client, startIndex=start, count=4) for _ in range(20)]
    assert {row["id"] for page in pages for row in page} == set(range(1, 9))


async def test_rows_that_arrive_push_the_others_to_the_next_page() -> None:
    sandbox = portal()
    for row in failures(6):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        first = await rows_of(client, count=3)
        sandbox.clock.advance(timedelta(seconds=1))
        sandbox.add({"actionId": 1002, "login": "new"})
        second = await rows_of(client, startIndex=3, count=3)
    assert [row["id"] for row in first] == [6, 5, 4]
    assert [row["id"] for row in second] == [4, 3, 2]


async def test_a_filter_by_person_finds_only_those_on_the_page() -> None:
    sandbox = portal()
    sandbox.add({"actionId": 1029, "userId": "u-anna", "date": (NOW - timedelta(hours=1)).isoformat()})
    for row in failures(100):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        first = await rows_of(client, userId="u-anna")
        second = await rows_of(client, userId="u-anna", startIndex=100)
    assert (first, [row["id"] for row in second]) == ([], [1])


async def test_last_gives_the_newest_twenty_whatever_is_asked() -> None:
    sandbox = portal()
    for row in failures(25):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        rows = await rows_of(client, LAST, startIndex=5, count=3)
        every = await rows_of(client, FILTER)
    assert [row["id"] for row in rows] == list(range(25, 5, -1))
    assert len(every) == 25
