"""A portal's history, of logins or of what was done, read so that every event is offered once, in spite of everything.

In come the portal's pages and what of them is stored already; out go batches of new events with the ranges of history that are
covered once they are stored. Nothing counts before `stored` is called: after a failed commit the same rows are found again.

A poll asks from the newest stored event less `lateness` on, and reads pages until one adds nothing new and lies behind that
event; what lies deeper is read at most once a minute. Where much is missing (a first start, an outage) batches come page by
page, newest first, with `complete` false, until the ranges meet; killed in between, the next reader goes on with the hole.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alertbot.errors import PortalError, PortalRefused
from alertbot.event import Event, Feed
from alertbot.moments import from_us, span_us, to_us
from alertbot.portal import notes
from alertbot.portal.client import Answer, PortalClient
from alertbot.portal.cursor import LAST, interval, not_before, repeated_hour_us, trusted
from alertbot.portal.notebook import Notebook
from alertbot.portal.notes import Note, NoteKind
from alertbot.portal.ranges import Hole, Range, holes, join, without
from alertbot.portal.walk import PAGE, SECOND_US, Seen, Walk, Way
from alertbot.rows import Page
from alertbot.settings import PortalSettings

__all__ = ["Batch", "HistoryReader", "Note", "NoteKind", "Range"]

DEEP_EVERY_S = 60.0
DEEP_PAGES_PER_S = 15
"""Of the 20 requests a second that the client sends at most; the others are for what is new."""

DEEP_PAGES_AT_LEAST = 10
PLAN_EVERY_S = 60.0
STEADY_PAGES = 200
"""A poll of more pages than this is a catch-up; one that follows a read within `OUTAGE_S` is not before."""
CATCH_UP_PAGES = 20
OUTAGE_S = 900.0
SETTLING_REQUESTS = 600
_HOUR_US = 3_600 * SECOND_US
_DAY_US = 24 * _HOUR_US
_LONGEST_LIFETIME_US = 180 * _DAY_US


@dataclass(frozen=True, slots=True)
class Batch:
    """New events, each offered once, and the ranges that are covered when they are stored.

    `complete`: nothing older is missing, so all that is stored can be evaluated. `portal_now` is the portal's clock before its
    first page was read.
    """

    feed: Feed
    events: tuple[Event, ...]
    coverage: tuple[Range, ...]
    complete: bool
    portal_now: datetime
    notes: tuple[Note, ...] = ()


class HistoryReader:
    """Reads one feed of one portal. One `read` at a time.

    `coverage` and `known` are what the store holds: the covered ranges, and id and date of the events where `cursor.doubtful`
    says that they must be known.
    """

    def __init__(
        self,
        client: PortalClient,
        portal: PortalSettings,
        feed: Feed,
        coverage: Sequence[Range],
        known: Iterable[tuple[int, int]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._portal = portal
        self._feed = feed
        self._monotonic = monotonic
        self._lateness_us = span_us(portal.lateness)
        self._coverage = join(coverage)
        known = tuple(known)
        self._seen = Seen(known)
        self._newest_us = max((at_us for _, at_us in known), default=None)
        self._trusted = trusted(self._coverage, self._newest_us, self._lateness_us)
        self._offered: Batch | None = None
        self._fresh: dict[int, Event] = {}
        self._counts = Seen()
        self._notebook = Notebook(portal.name, portal.max_skew)
        self._now_us = 0
        self._read_at: float | None = None
        self._deep_at: float | None = None
        self._deep_way: Way | None = None
        self._began_at = 0.0
        self._lifetime_us: int | None = None
        self._plan_checked_at: float | None = None
        self._no_plan = False
        self._with_plan: frozenset[int] = frozenset()
        self._given_up: set[int] = set()
        self.interval = portal.poll
        """How soon to read again: sooner than `poll` where only the newest 20 rows are shown and many come."""

    @property
    def plan(self) -> str | None:
        """`audit`, or `none` where only the newest rows are shown; None before anything was read."""
        return None if self._plan_checked_at is None else "none" if self._no_plan else "audit"

    async def read(self) -> AsyncIterator[Batch]:
        """One poll. Each batch must be stored, and `stored` called, before the next is asked for."""
        self._fresh, self._counts, self._offered = {}, Seen(), None
        self._began_at = self._monotonic()
        if self._no_plan and not self._is_due(self._plan_checked_at, PLAN_EVERY_S):
            yield self._newest_only(await self._last())
            return
        floor_us = self._floor_us()
        answer = await self._page(0, floor_us)
        if await self._is_disguised(answer.content, floor_us):
            yield self._newest_only(answer.content)
            return
        if floor_us is None:
            floor_us = self._now_us - span_us(self._portal.history)
            self._coverage = (Range(floor_us, floor_us),)
            answer = replace(answer, content=not_before(floor_us, answer.content))
        elif floor_us > self._now_us - self._lateness_us:  # the portal's clock was set back
            floor_us = self._now_us - self._lateness_us
            answer = await self._page(0, floor_us)
        async for batch in self._all(answer, floor_us):
            yield batch
            if self._is_unstored():
                return

    def stored(self, batch: Batch) -> None:
        """The batch was committed: from now on its events and ranges are known."""
        for event in batch.events:
            self._seen.add(event.id, event.at_us)
            self._fresh.pop(event.id, None)
        dates = [event.at_us for event in batch.events if event.at_us <= self._now_us]
        self._newest_us = max([*dates, self._newest_us or 0]) or None
        self._notebook.stored(batch.notes)
        self._coverage = batch.coverage
        trust = trusted(self._coverage, self._newest_us, self._lateness_us)
        self._trusted = trust if batch.complete else join((*self._trusted, *trust[-1:]))
        self._seen.forget(self._trusted)
        self._counts = Seen((event.id, event.at_us) for event in self._fresh.values())
        self._offered = None

    # What is asked

    async def _all(self, answer: Answer[Page], floor_us: int) -> AsyncIterator[Batch]:
        """The news, then old holes, then what lies deep."""
        is_outage = self._coverage[-1].start_us == self._coverage[-1].end_us or self._is_due(self._read_at, OUTAGE_S)
        news = Way(
            Walk(patient=is_outage), floor_us, chunk=CATCH_UP_PAGES if is_outage else STEADY_PAGES, is_catch_up=is_outage
        )
        async for batch in self._descend(news, answer):
            yield batch
            if self._is_unstored():
                return
        yield await self._finished(news)
        if self._is_unstored():
            return
        while (hole := await self._old_hole(self._coverage)) is not None:
            async for batch in self._fill(hole):
                yield batch
                if self._is_unstored():
                    return
        self._read_at = self._monotonic()
        if not (news.stopped_early or news.walk.unsettled or self._young_holes()):
            self._deep_at, self._deep_way = self._monotonic(), None
        elif self._deep_way is not None or self._is_due(self._deep_at, DEEP_EVERY_S):
            if self._deep_way is not None:  # it has passed these seconds, before they held so much
                self._deep_way.walk.unsettled += news.walk.unsettled
            async for batch in self._deep(floor_us):
                yield batch

    async def _descend(self, way: Way, answer: Answer[Page] | None = None) -> AsyncIterator[Batch]:
        """Read pages until the way ends; what a long way has brought is offered now and then, or before an error ends it."""
        walk = way.walk
        newest_us = None if way.until_us is not None or way.is_deep else self._newest_us
        while True:
            if answer is None:
                try:
                    answer = await self._page(walk.next_index, way.floor_us)
                except PortalError:
                    if way.is_catch_up and self._fresh and (batch := self._partial(way)):
                        yield batch
                    raise
            page = answer.content
            answer = None
            has_news = self._take(page)
            walk.take([(event.id, event.at_us) for event in page.events], page.rows, self._in_second)
            way.pages += 1
            dates = [event.at_us for event in page.events]
            way.top_us = max([way.top_us, *(at_us for at_us in dates if at_us <= self._now_us)])
            if walk.finished or (dates and max(dates) < way.floor_us):
                way.done = True
                return
            if way.is_deep and self._has_read_enough(way):
                return
            if way.pages > SETTLING_REQUESTS and not way.is_catch_up:
                walk.patient = False
            is_behind = newest_us is not None and dates and max(dates) // SECOND_US < newest_us // SECOND_US
            if is_behind and not has_news and not walk.crowded:
                way.stopped_early = True
                return
            if way.pages % way.chunk == 0 and (batch := self._partial(way)):
                yield batch
                if self._is_unstored():
                    return

    async def _deep(self, floor_us: int) -> AsyncIterator[Batch]:
        """All that lies within lateness, and holes of the last hour: rows that came late or hide in crowds.

        It keeps no news waiting: after a poll's time it rests until the next poll has read what is new. Rows are only ever
        pushed down, so none is missed by going on where it was.
        """
        way = self._deep_way
        self._deep_way = None  # what it has passed counts only when what it found there is stored
        if way is None:
            young = [hole.lower.end_us for hole in self._young_holes()]
            way = Way(Walk(), min([floor_us, *young]), chunk=sys.maxsize, is_deep=True)
            self._deep_at = self._monotonic()
        way.rested_at = way.pages
        failed: PortalError | None = None
        try:
            async for batch in self._descend(way):
                yield batch
        except PortalError as exc:
            failed = exc
        before = self._coverage
        batch = await self._finished(way) if way.done else self._offer(before, complete=True)
        if batch.events or batch.notes or len(batch.coverage) != len(before):
            yield batch
            if self._is_unstored():
                return
        else:
            self._offered = None
        self._deep_way = None if way.done else way
        if failed is not None:
            raise failed

    def _young_holes(self) -> list[Hole]:
        """Those of the last hour: crowds of which rows may be missing. They keep nothing from being evaluated."""
        return [hole for hole in holes(self._coverage) if hole.lower.end_us > self._coverage[-1].end_us - _HOUR_US]

    def _has_read_enough(self, way: Way) -> bool:
        """Whether it is time for a deep way to rest."""
        poll_s, read = self._portal.poll.total_seconds(), way.pages - way.rested_at
        is_late = self._monotonic() - self._began_at >= poll_s
        return read >= DEEP_PAGES_AT_LEAST and (is_late or read >= DEEP_PAGES_PER_S * poll_s)

    async def _fill(self, hole: Hole) -> AsyncIterator[Batch]:
        """Read what lies between two covered ranges, newest first, and offer it as it comes."""
        floor_us = hole.lower.end_us - self._lateness_us
        start = await self._seek(hole.upper.start_us + _HOUR_US + 60 * SECOND_US, floor_us)
        way = Way(Walk(start), floor_us, chunk=CATCH_UP_PAGES, is_catch_up=True, until_us=hole.upper.start_us)
        async for batch in self._descend(way):
            yield batch
            if self._is_unstored():
                return
        yield await self._finished(way)

    async def _seek(self, target_us: int, floor_us: int) -> int:
        """A position whose row is dated after a moment, not much before the first that is not."""
        low, high = 0, PAGE
        while await self._is_after(high, target_us, floor_us):
            low, high = high, high * 2
        while high - low > PAGE:
            middle = (low + high) // 2
            if await self._is_after(middle, target_us, floor_us):
                low = middle
            else:
                high = middle
        return low

    async def _is_after(self, index: int, target_us: int, floor_us: int) -> bool:
        events = (await self._page(index, floor_us)).content.events
        return bool(events) and events[0].at_us > target_us

    async def _page(self, index: int, floor_us: int | None) -> Answer[Page]:
        answer = await self._client.page(self._feed, index, PAGE, floor_us)
        self._look_at_clock(answer, is_first=index == 0)
        return answer

    async def _last(self) -> Page:
        answer = await self._client.last(self._feed)
        self._look_at_clock(answer, is_first=True)
        return answer.content

    # What is offered

    def _take(self, page: Page) -> bool:
        """Keep what is new of a page; whether there was anything."""
        self._notebook.complain(page.complaints)
        has_news = False
        for event in page.events:
            if event.id in self._fresh or event.id in self._seen or self._is_trusted(event.at_us):
                continue
            self._fresh[event.id] = event
            self._counts.add(event.id, event.at_us)
            has_news = True
        return has_news

    def _is_trusted(self, at_us: int) -> bool:
        return any(at_us in part for part in self._trusted)

    def _in_second(self, second: int) -> int:
        """How many rows of a second are known; of one that is stored for sure, as many as there can be."""
        if self._is_trusted(second * SECOND_US):
            return sys.maxsize
        return self._seen.in_second(second) + self._counts.in_second(second)

    def _offer(self, coverage: tuple[Range, ...], *, complete: bool, down_to_us: int | None = None) -> Batch:
        """What was found, as a batch; with `down_to_us` only what is not older, for of the rest more may come."""
        events = [event for event in self._fresh.values() if down_to_us is None or event.at_us >= down_to_us]
        self._offered = Batch(self._feed, tuple(events), coverage, complete, from_us(self._now_us), self._notebook.notes)
        return self._offered

    def _partial(self, way: Way) -> Batch | None:
        """A batch in the middle of a long way, with the range that it covers; none inside of a crowd."""
        reached_us = way.walk.reached_us
        if reached_us is None or way.walk.crowded:
            return None
        part = Range(reached_us, max(reached_us, way.top_us if way.until_us is None else way.until_us))
        return self._offer(self._with(part, way), complete=False, down_to_us=reached_us)

    async def _finished(self, way: Way) -> Batch:
        """The batch at the end of a way."""
        if way.stopped_early:
            part = Range(self._coverage[-1].start_us, self._end_us(way))
        else:
            start_us = await self._what_is_gone(way)
            part = Range(start_us, max(start_us, self._end_us(way)))
        coverage = self._with(part, way)
        return self._offer(coverage, complete=await self._old_hole(coverage) is None)

    def _end_us(self, way: Way) -> int:
        """Where a way's range ends: what is committed later than `lateness` after its date is not waited for."""
        if way.until_us is not None:
            return way.until_us
        return max(self._coverage[-1].end_us, way.top_us, self._now_us - self._lateness_us)

    def _with(self, part: Range, way: Way) -> tuple[Range, ...]:
        """The covered ranges with one more, less the crowds of which rows may be missing."""
        coverage = join((*self._coverage, part))
        for second in way.walk.unsettled:
            crowd = Range(second * SECOND_US, (second + 1) * SECOND_US - 1)
            if way.until_us is None and crowd.start_us > self._now_us - _HOUR_US:
                coverage = without(coverage, crowd)
            elif way.walk.patient and second not in self._given_up:
                self._given_up.add(second)
                self._notebook.add(notes.crowded(self._portal.name, self._feed, crowd.start_us, crowd.end_us))
        return coverage

    async def _what_is_gone(self, way: Way) -> int:
        """Where a finished way's range begins; what the portal deleted before that is a gap, and told."""
        lower = max((part for part in self._coverage if part.start_us <= way.floor_us + self._lateness_us), default=None)
        if lower is None or lower.start_us == lower.end_us or self._now_us - lower.end_us < _DAY_US:
            return way.floor_us
        horizon_us = self._now_us - await self._lifetime()
        if horizon_us <= lower.end_us:
            return way.floor_us
        self._notebook.add(notes.deleted(self._portal.name, self._feed, lower.end_us, horizon_us))
        return horizon_us

    async def _old_hole(self, coverage: Sequence[Range]) -> Hole | None:
        """The newest hole that keeps the events from being evaluated: not of the last hour, and not of what was deleted."""
        for hole in holes(coverage):
            if hole.lower.end_us > coverage[-1].end_us - _HOUR_US:
                continue
            if self._now_us - hole.upper.start_us >= _DAY_US and hole.upper.start_us <= self._now_us - await self._lifetime():
                continue
            return hole
        return None

    async def _lifetime(self) -> int:
        """How long the portal keeps its history, in microseconds; asked once."""
        if self._lifetime_us is None:
            try:
                told = (await self._client.lifetime(self._feed)).content
            except PortalRefused:
                told = None
            self._lifetime_us = _LONGEST_LIFETIME_US if told is None else span_us(told)
        return self._lifetime_us

    # The plan without audit

    async def _is_disguised(self, page: Page, floor_us: int | None) -> bool:
        """Whether `/filter` serves `/last`: 20 rows, and 20 again where the second page would be."""
        ids = frozenset(event.id for event in page.events)
        if page.rows != LAST or ids == self._with_plan:
            disguised = False
        else:
            disguised = await self._client.shows_newest_only(self._feed, page, floor_us)
            self._with_plan = frozenset() if disguised else ids
        self._plan_checked_at = self._monotonic()
        if disguised != self._no_plan:
            self._no_plan = disguised
            self._notebook.add((notes.no_plan if disguised else notes.plan_back)(self._portal.name, self._feed))
            self.interval = self._portal.poll
        return disguised

    def _newest_only(self, page: Page) -> Batch:
        """What `/last` shows; where it holds nothing that is known, what came between is a gap."""
        self._take(page)
        dates = [event.at_us for event in page.events]
        coverage = self._coverage
        if dates:
            part = Range(min(dates), min(max(dates), max(self._now_us, min(dates))))
            if coverage and page.rows >= LAST and all(event.id in self._fresh for event in page.events):
                start_us = self._newest_us or coverage[-1].end_us
                self._notebook.add(notes.passed_by(self._portal.name, self._feed, start_us, min(dates)))
                if start_us + 1 < part.start_us:
                    coverage = without(coverage, Range(start_us + 1, part.start_us - 1))
            elif coverage:
                part = Range(min(coverage[-1].start_us, part.start_us), max(coverage[-1].end_us, part.end_us))
            coverage = join((*coverage, part))
            self.interval = interval(max(dates) - min(dates), len(dates), self._portal.poll)
        return self._offer(coverage, complete=True)

    # Clocks and cursors

    def _look_at_clock(self, answer: Answer[Page], *, is_first: bool) -> None:
        """The portal's now, as it was before the first page; a clock that is too far from ours is told once."""
        if not is_first:
            return
        self._now_us = to_us(answer.portal_now or answer.answered_at)
        self._notebook.look_at_clock(answer.skew)

    def _is_unstored(self) -> bool:
        """Whether the last batch was not stored, so that nothing may be built on it."""
        return self._offered is not None

    def _floor_us(self) -> int | None:
        """From where to ask: the newest stored event, or the end of what is covered, less `lateness`; None at a first start."""
        if not self._coverage:
            return None
        last = self._coverage[-1]
        if last.start_us == last.end_us:
            return last.end_us
        cursor_us = min(last.end_us, self._newest_us or last.end_us)
        return cursor_us - self._lateness_us - repeated_hour_us(last.end_us, self._portal.zone)

    def _is_due(self, last: float | None, every_s: float) -> bool:
        return last is None or self._monotonic() - last >= every_s
