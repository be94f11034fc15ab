"""Long reads, of a first start or after an outage: how far they have come, for the log now and then, and for `status`.

In come the reader's batches; out go lines of the log, the first at once, and since when a portal is being caught up with. Pages
come newest first, so what is missing lies between the oldest row of this read and the newest that was read before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from alertbot.event import Feed
from alertbot.moments import iso, span_us
from alertbot.portal.history import Batch
from alertbot.portal.ranges import holes

SAY_EVERY = timedelta(seconds=10)

log = structlog.get_logger("alertbot.catchup")


@dataclass(slots=True)
class _Read:
    since_us: int
    said_us: int = 0
    events: int = 0


class CatchUp:
    """The long reads of one portal. `now_us` is the bot's own clock."""

    def __init__(self, portal: str, now_us: Callable[[], int]) -> None:
        self._portal = portal
        self._now_us = now_us
        self._reads: dict[Feed, _Read] = {}

    @property
    def since_us(self) -> int | None:
        """Since when something is missing that is being read; None: nothing is."""
        return min((read.since_us for read in self._reads.values()), default=None)

    def left(self, feed: Feed) -> None:
        """A feed is not read any more."""
        self._reads.pop(feed, None)

    def sees(self, batch: Batch) -> None:
        """A batch comes, and is to be stored; where that fails it comes again."""
        now_us = self._now_us()
        if batch.complete:
            if (done := self._reads.pop(batch.feed, None)) is not None:
                events = done.events + len(batch.events)
                log.info("catch_up.done", portal=self._portal, feed=batch.feed, events=events)
            return
        read = self._reads.setdefault(batch.feed, _Read(now_us))
        read.events += len(batch.events)
        if now_us - read.said_us < span_us(SAY_EVERY):
            return
        read.said_us = now_us
        for hole in list(holes(batch.coverage))[:1]:
            back, down = iso(hole.upper.start_us), iso(hole.lower.end_us)
            log.info(
                "catch_up", portal=self._portal, feed=batch.feed, events=read.events, read_back_to=back, still_down_to=down
            )
