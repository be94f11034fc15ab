"""Covered ranges: from when to when everything that the portal showed is stored. Pure arithmetic on moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """From `start_us` to `end_us`, both inclusive: every event with a date in it that the portal showed is stored.

    One of no length marks where a first read is to end; nothing is stored there yet.
    """

    start_us: int
    end_us: int

    def __contains__(self, at_us: int) -> bool:
        return self.start_us <= at_us <= self.end_us


@dataclass(frozen=True, slots=True)
class Hole:
    """What lies between two covered ranges."""

    lower: Range
    upper: Range


def join(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same moments in as few ranges as there can be, oldest first.

    >>> join([Range(5, 9), Range(0, 4), Range(20, 30)])
    (Range(start_us=0, end_us=9), Range(start_us=20, end_us=30))
    """
    joined: list[Range] = []
    for part in sorted(ranges):
        if joined and part.start_us <= joined[-1].end_us + 1:
            joined[-1] = Range(joined[-1].start_us, max(joined[-1].end_us, part.end_us))
        else:
            joined.append(part)
    return tuple(joined)


def without(ranges: Iterable[Range], cut: Range) -> tuple[Range, ...]:
    """The ranges less one.

    >>> without([Range(0, 9)], Range(4, 5))
    (Range(start_us=0, end_us=3), Range(start_us=6, end_us=9))
    """
    kept: list[Range] = []
    for part in ranges:
        if part.end_us < cut.start_us or part.start_us > cut.end_us:
            kept.append(part)
            continue
        if part.start_us < cut.start_us:
            kept.append(Range(part.start_us, cut.start_us - 1))
        if part.end_us > cut.end_us:
            kept.append(Range(cut.end_us + 1, part.end_us))
    return tuple(kept)


def holes(ranges: Sequence[Range]) -> Iterator[Hole]:
    """What is missing between them, newest first. The ranges are joined and in order."""
    for place in range(len(ranges) - 1, 0, -1):
        yield Hole(ranges[place - 1], ranges[place])
