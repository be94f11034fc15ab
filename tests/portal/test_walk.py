"""A pass down the history: which page comes next, and when nothing can be missing."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from alertbot.portal.ranges import Range, holes, join, without
from alertbot.portal.walk import PAGE, Row, Seen, Walk

S = 1_000_000


def _walk(sizes: list[int], seed: int, *, patient: bool = True) -> tuple[Walk, Seen, int]:
    """Walk over seconds that hold so many rows each, newest first, shuffled anew for every page."""
    chance, walk, seen, asked = random.Random(seed), Walk(patient=patient), Seen(), 0
    seconds = [[(1_000 * place + n, (10_000 - place) * S) for n in range(size)] for place, size in enumerate(sizes)]
    while not walk.finished:
        for rows in seconds:
            chance.shuffle(rows)
        page: list[Row] = [row for rows in seconds for row in rows][walk.next_index : walk.next_index + PAGE]
        for row in page:
            seen.add(*row)
        walk.take(page, len(page), seen.in_second)
        asked += 1
        assert asked < 2_000
    return walk, seen, asked


@given(st.lists(st.integers(1, 99), max_size=40), st.integers(0, 2**32))
def test_seconds_smaller_than_a_page_are_read_in_one_pass(sizes: list[int], seed: int) -> None:
    """However rows are shuffled within their seconds, one pass meets every one."""
    _, seen, asked = _walk(sizes, seed)
    assert len(seen) == sum(sizes)
    assert asked <= len(sizes) + 1


@given(st.lists(st.integers(1, 330), max_size=8), st.integers(0, 2**32))
def test_crowds_are_read_until_they_are_whole(sizes: list[int], seed: int) -> None:
    """Seconds of more rows than a page are complete too."""
    walk, seen, _ = _walk(sizes, seed)
    assert (len(seen), walk.unsettled) == (sum(sizes), [])


@given(st.lists(st.integers(1, 330), max_size=8), st.integers(0, 2**32))
def test_an_impatient_pass_says_what_may_be_missing(sizes: list[int], seed: int) -> None:
    """Read once, every second that is not whole is named."""
    walk, seen, _ = _walk(sizes, seed, patient=False)
    missing = {10_000 - place for place, size in enumerate(sizes) if seen.in_second(10_000 - place) < size}
    assert missing <= set(walk.unsettled)


def test_what_was_reached_is_whole() -> None:
    """Until a pass ends, it tells down to which second everything was read."""
    walk = Walk()
    rows = [(n, (1_000 - n // 30) * S) for n in range(PAGE)]
    walk.take(rows, PAGE, lambda _: 0)
    assert (walk.reached_us, walk.next_index, walk.finished) == (998 * S, 90, False)


def test_a_page_of_rows_that_cannot_be_read_is_passed() -> None:
    """A page without one good row does not stop the pass."""
    walk = Walk()
    walk.take([], PAGE, lambda _: 0)
    assert walk.next_index == PAGE
    walk.take([], 0, lambda _: 0)
    assert walk.finished


MOMENTS = st.builds(lambda a, b: Range(min(a, b), max(a, b)), st.integers(0, 60), st.integers(0, 60))


@given(st.lists(MOMENTS, max_size=8), MOMENTS)
def test_ranges_are_sets_of_moments(parts: list[Range], cut: Range) -> None:
    """Joining and cutting do what they do to the sets; holes are what lies between."""
    moments = {at for at in range(70) if any(at in part for part in parts)}
    joined = join(parts)
    assert {at for at in range(70) if any(at in part for part in joined)} == moments
    assert list(joined) == sorted(joined)
    assert {at for at in range(70) if any(at in part for part in without(joined, cut))} == {
        at for at in moments if at not in cut
    }
    for hole in holes(joined):
        assert hole.lower.end_us + 1 < hole.upper.start_us
