"""The watch over one portal: poll, store, evaluate, decide, commit; again.

In come the pages of a portal's feeds; out goes, in one transaction for each poll, all that follows from them. Nothing counts
before its commit: after a crash or a failed commit at any point, what was before stands, and the next poll finds the same rows
again. Feeds are polled one beside the other; both are events of one engine, in the order of their dates.

The engine's state is never stored. At the start, after a catch-up, when a row comes too late for the engine, and when rules
change, a successor is built from the stored events beside the one at work, and takes over when it has seen all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import timedelta

import msgspec
import structlog

from alertbot.catchup import CatchUp
from alertbot.commit import Brought, Committer
from alertbot.config import PortalSettings
from alertbot.engine import Difference, Engine
from alertbot.engine.table import MOST_KEYS
from alertbot.enrichment import Enrichment
from alertbot.errors import PortalError
from alertbot.event import FEEDS, Event, Feed
from alertbot.feeds import Feeds, FeedState, Stage, earliest, gaps_between, is_begun_only, looked_at, looking_at
from alertbot.incidents import Watch
from alertbot.moments import span_us, to_us
from alertbot.portal.client import PortalClient
from alertbot.portal.cursor import doubtful
from alertbot.portal.history import Batch, HistoryReader, Range
from alertbot.portal.notes import Note
from alertbot.portal.ranges import join
from alertbot.rules.model import Rule
from alertbot.ruling import Rules, Ruling
from alertbot.store.records import DROPPED, PortalState, RuleVersion
from alertbot.store.store import InStore, Store
from alertbot.successor import AT_ONCE, Successor
from alertbot.versions import Versions
from alertbot.workshop import Workshop

log = structlog.get_logger("alertbot.watch")


class PortalWatch:
    """Watches one portal. `on_commit` is called after each commit that may have something to send, `on_notes` with what the
    reader has to tell, before that is stored. `most_keys`: how many keys a rule may hold beside those of people. `builds`: how
    many engines are built at a time, of all portals that share it.
    """

    def __init__(
        self,
        settings: PortalSettings,
        rules: Sequence[Rule],
        client: PortalClient,
        store: Store,
        in_store: InStore,
        committer: Committer,
        *,
        on_commit: Callable[[], None] = lambda: None,
        on_notes: Callable[[Sequence[Note]], Awaitable[None]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        most_keys: int = MOST_KEYS,
        builds: asyncio.Semaphore | None = None,
    ) -> None:
        self.settings = settings
        self.ready = asyncio.Event()
        self._ruling = Ruling(settings, rules)
        self._client = client
        self._store = store
        self._in_store = in_store
        self._committer = committer
        self._on_commit = on_commit
        self._on_notes = on_notes
        self._monotonic = monotonic
        self._most_keys = most_keys
        self._state = PortalState(name=settings.name)
        self._enrichment = Enrichment(client, monotonic)
        self._catch_up = CatchUp(settings.name, _now_us)
        self._engine: Engine | None = None
        self._versions = Versions(settings.name)
        self._feeds = Feeds()
        self._workshop = Workshop(
            settings.name,
            self._build,
            self._wants_an_engine,
            self._wants_it_at_once,
            room=builds or asyncio.Semaphore(1),
            monotonic=monotonic,
        )
        self._successor: Successor | None = None
        self._portal_now_us = 0
        self._dropped: dict[str, int] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Take up what the store holds of this portal."""
        name = self.settings.name
        self._state = await self._in_store(self._store.portal, name)
        self._versions.add(await self._in_store(self._store.rule_versions, name))
        self._enrichment.take_up(await self._in_store(self._store.people, name))
        await self._begin_feeds()

    async def _begin_feeds(self) -> None:
        """Read what the rules that are wanted look at from where the store ends."""
        name = self.settings.name
        for feed in sorted(looked_at(self._ruling.wanted.values()) - self._feeds.by_name.keys()):
            covered = await self._in_store(self._store.coverage, name, feed)
            ranges = join(Range(*pair) for pair in covered)
            newest_us = await self._in_store(self._store.newest_us, name, feed)
            known: list[tuple[int, int]] = []
            for part in doubtful(ranges, newest_us, span_us(self.settings.lateness)):
                known += await self._in_store(self._store.ids, name, feed, part.start_us, part.end_us)
            reader = HistoryReader(self._client, self.settings, feed, ranges, known, monotonic=self._monotonic)
            self._feeds.by_name[feed] = FeedState(
                feed,
                reader,
                is_new=self._state.watching_since_us is None or not covered or is_begun_only(ranges),
                owed_us=self._state.rebuild_from_us,
                good_us=self._state.last_poll_us,
            )

    def reads(self, feed: Feed) -> bool:
        """Whether a feed is to be polled: the logins always, the audit trail where a rule looks at it."""
        return feed in self._feeds.by_name

    def has_read(self, feed: Feed) -> bool:
        """Whether a feed was read to its end since it is watched: from then on a poll asks for what is new, and little else."""
        return self._feeds[feed].is_whole

    def interval(self, feed: Feed = "login") -> timedelta:
        """How soon to poll a feed again."""
        one = self._feeds.by_name.get(feed)
        return one.reader.interval if one is not None else self.settings.poll

    async def poll(self, feed: Feed = "login") -> None:
        """Read what is new of a feed that `reads` says is to be polled, once, and commit what follows.

        Raises PortalError and StoreError; nothing is lost by either.
        """
        one = self._feeds[feed]
        try:
            await self._enrichment.refresh()
            await self._read(one)
        except PortalError:
            async with self._one_at_a_time:
                one.failed()
                if self._engine is not None and self._feeds.is_all_read:
                    self.ready.set()  # there is nothing to wait for
                self._workshop.look()
            raise

    async def _read(self, one: FeedState) -> None:
        name = self.settings.name
        async for batch in one.reader.read():
            log.debug("poll.read", portal=name, feed=one.feed, events=len(batch.events), complete=batch.complete)
            events = await self._enrichment.enrich(batch.events)
            if batch.notes and self._on_notes is not None:
                await self._on_notes(batch.notes)
            async with self._one_at_a_time:
                if self._feeds.by_name.get(one.feed) is not one:
                    return  # no rule looks at it any more
                self._portal_now_us = to_us(batch.portal_now)
                await self._take(one, batch, events)
                one.reader.stored(batch)
            for note in batch.notes:
                log.warning("portal.note", portal=name, note=str(note))

    async def change_rules(self, rules: Sequence[Rule]) -> None:
        """Put other rules in force as soon as they know the past; until then those in force go on judging.

        What does not decide findings (titles, texts, levels, routes) is in force at once.
        """
        async with self._one_at_a_time:
            self._ruling.change(rules)
            await self._begin_feeds()
            self._workshop.look()

    async def close(self) -> None:
        """Stop what is being built; nothing of it is lost."""
        await self._workshop.close()

    # -- storing and evaluating ----------------------------------------------------------------------------------------

    async def _take(self, one: FeedState, batch: Batch, events: list[Event]) -> None:
        coverage = {one.feed: [(r.start_us, r.end_us) for r in batch.coverage]}
        people = self._enrichment.people
        brought = Brought(events, coverage, people)
        self._catch_up.sees(batch)
        if batch.complete:
            self._know_gaps(one, gaps_between(batch.coverage))
            one.now_us = self._portal_now_us
        if batch.complete and one.stage is self._feeds["login"].stage is Stage.AT_WORK:
            await self._evaluate(one, brought)
        else:
            await self._store_only(one, brought, complete=batch.complete)
        self._enrichment.stored(people)
        if self._successor is not None:
            self._successor.meanwhile.extend(events)
        self._workshop.look()

    def _know_gaps(self, one: FeedState, gaps: tuple[tuple[int, int], ...]) -> None:
        """What lies between covered ranges when a read is complete was never read, and no silence goes across it."""
        if gaps == one.gaps:
            return
        one.gaps = gaps
        if self._engine is not None and gaps:
            self._engine.know_gaps(self._feeds.gaps)
            if gaps[-1][0] <= self._engine.mark_us:
                one.owed_us = min(gaps[-1][0], one.owed_us or gaps[-1][0])

    async def _evaluate(self, one: FeedState, brought: Brought) -> None:
        engine = self._engine
        assert engine is not None, "an engine is at work"
        newest = max((event.at_us for event in brought.events), default=0)
        self._move_clock(engine, one)
        try:
            difference = engine.propose(brought.events)
            now_us = _now_us()
            owed_us = earliest([one.owed_us], difference.deep)
            state = msgspec.structs.replace(
                self._state,
                evaluated_to_us=max(self._state.evaluated_to_us or 0, newest),
                rebuild_from_us=self._feeds.owed_us({one.feed: owed_us}),
                last_poll_us=now_us if one.feed == "login" else self._state.last_poll_us,
            )
            unjudged = frozenset(event.at_us for event in brought.events)
            await self._commit(state, difference, brought, unjudged=unjudged, last_good_us=one.good_us, dropped=engine.dropped)
        except BaseException:
            engine.drop()
            raise
        engine.accept()
        one.owed_us, one.good_us = owed_us, now_us
        one.unjudged.update(event.at_us for event in difference.deep)

    def _move_clock(self, engine: Engine, one: FeedState) -> None:
        if one.now_us is not None:
            engine.advance_to(one.now_us - span_us(self.settings.lateness), one.feed)

    async def _store_only(self, one: FeedState, brought: Brought, *, complete: bool) -> None:
        """Pages of a first start or a catch-up: stored at once, evaluated when there is no hole before them any more."""
        owed_us = earliest([one.owed_us], brought.events)
        state = self._state
        versions: list[RuleVersion] = []
        if complete and one.is_new:
            stored = await self._in_store(self._store.newest_us, self.settings.name, one.feed)
            newest = max([*(event.at_us for event in brought.events), stored or 0])
            if one.feed == "login":
                state = msgspec.structs.replace(state, watching_since_us=newest)
            else:
                versions = self._in_force_since(newest, one.feed)
                owed_us = earliest([owed_us, await self._in_store(self._store.oldest_us, self.settings.name)])
        state = msgspec.structs.replace(state, rebuild_from_us=self._feeds.owed_us({one.feed: owed_us}))
        await self._commit(state, Difference((), (), ()), brought, versions, last_good_us=one.good_us)
        one.owed_us, one.stage = owed_us, Stage.PART
        if not one.is_new:
            one.unjudged.update(event.at_us for event in brought.events)
        if complete:
            one.is_new, one.stage = False, Stage.WHOLE
            one.read_us = _now_us()  # good as soon as it is evaluated: until then the silence before it counts

    def _in_force_since(self, newest_us: int, feed: Feed) -> list[RuleVersion]:
        """Rules that look at a feed are in force since its first complete read, at the earliest: what was before is history,
        and they have judged none of it yet.
        """
        since_us = max(newest_us, self._state.evaluated_to_us or 0)
        return [self._versions.at(rule, since_us) for rule in looking_at(self._ruling.wanted, feed)]

    async def _commit(
        self,
        state: PortalState,
        difference: Difference,
        brought: Brought,
        versions: Sequence[RuleVersion] = (),
        *,
        last_good_us: int | None,
        rules: Rules | None = None,
        unjudged: Set[int] = frozenset(),
        dropped: dict[str, int] | None = None,
    ) -> None:
        """Store what follows by the rules at work, or by others. `dropped`: which of the engine's rules let keys go before
        their time, and how many.
        """
        since_us = self._versions.since_us | {(v.rule, v.version): v.since_us for v in versions}
        state = self._with_reading(state)
        is_other = dropped is not None and dropped != self._dropped
        commit = await self._committer.commit(
            state,
            self._ruling.at_work if rules is None else rules,
            Watch(state.watching_since_us or 0, since_us, unjudged),
            self._portal_now_us,
            brought=brought,
            changed=difference.changed,
            gone=difference.gone,
            versions=versions,
            last_good_us=last_good_us,
            notes={DROPPED + state.name: msgspec.json.encode(dropped).decode()} if is_other else {},
        )
        log.debug("poll.committed", portal=state.name, events=len(brought.events))
        self._state = state
        self._versions.add(versions)
        if dropped is not None and dropped != self._dropped:
            if dropped.keys() - (self._dropped or {}).keys():  # once for each rule; how many goes on being counted in `status`
                log.warning("engine.keys_dropped", portal=state.name, keys=dropped)
            self._dropped = dropped
        if commit.outbox:
            self._on_commit()

    def _with_reading(self, state: PortalState) -> PortalState:
        """The portal's row with what `status` shows of reading it."""
        skew = self._client.skew
        return msgspec.structs.replace(
            state,
            plan=self._feeds["login"].reader.plan,
            catching_up_since_us=self._catch_up.since_us,
            skew_us=None if skew is None else span_us(skew),
        )

    # -- building an engine beside the one at work ---------------------------------------------------------------------

    def _wants_an_engine(self) -> bool:
        return self._feeds.can_build and (
            not self._ruling.is_settled or self._feeds.want_an_engine or bool(self._feeds.by_name.keys() - self._wanted_feeds)
        )

    @property
    def _wanted_feeds(self) -> frozenset[Feed]:
        return looked_at([*self._ruling.at_work.values(), *self._ruling.wanted.values()])

    def _wants_it_at_once(self) -> bool:
        """Whether the engine at work does not know a feed or the rules; what came late to it can wait."""
        return not self._ruling.is_settled or any(one.stage is Stage.WHOLE for one in self._feeds.by_name.values())

    async def _build(self) -> None:
        name = self.settings.name
        successor = Successor(
            self.settings, self._ruling.wanted, self._feeds, self._store, self._in_store, most_keys=self._most_keys
        )
        try:
            async with self._one_at_a_time:
                since_us = await successor.begin(self._state, self._versions)
                self._successor = successor
            log.debug("build.began", portal=name, since=since_us)
            async for _ in successor.load():
                await self._give_way()
                if self._is_outdated(successor):
                    return
            log.debug("build.loaded", portal=name)
            retired = self._engine
            async with self._one_at_a_time:
                if self._is_outdated(successor):
                    return
                await self._exchange(successor)
        finally:
            self._successor = None
            await successor.close()
        for _ in retired.let_go(AT_ONCE) if retired is not None else ():
            await self._give_way()

    def _is_outdated(self, successor: Successor) -> bool:
        """Whether the rules were edited again. Where no engine is at work, one with the rules before is better than none."""
        return self._engine is not None and not self._ruling.wants(successor.rules)

    async def _give_way(self) -> None:
        """Let others have their turn; a poll that is being evaluated and stored, all of it."""
        await asyncio.sleep(0)
        if self._one_at_a_time.locked():
            async with self._one_at_a_time:
                pass

    async def _exchange(self, successor: Successor) -> None:
        """Let the successor take over: what it finds otherwise than the store says is decided and committed."""
        engine, known = successor.engine, successor.known
        for one in known:
            self._move_clock(engine, one)
        succession = await successor.succeed(self._state, self._versions)
        wanted = looked_at([*successor.rules.values(), *self._ruling.wanted.values()])
        await self._commit(
            succession.state,
            succession.difference,
            Brought(coverage={feed: () for feed in FEEDS if feed not in wanted}),
            succession.versions,
            last_good_us=succession.last_good_us,
            rules=self._ruling.in_words_of_today(successor.rules),
            unjudged=frozenset().union(*(one.unjudged for one in known)),
            dropped=engine.dropped,
        )
        engine.accept()
        self._engine = engine
        self._ruling.take_over(successor.rules)
        for feed, one in self._feeds.by_name.items():
            one.owed_us = succession.owed_us[feed]
        for one in known:
            one.good_us = one.read_us if one.stage is Stage.WHOLE else one.good_us
            one.stage = Stage.AT_WORK
            one.unjudged = {event.at_us for event in succession.deep if event.feed == one.feed}
        for feed in self._feeds.by_name.keys() - wanted:
            del self._feeds.by_name[feed]
            self._catch_up.left(feed)
        log.debug("build.done", portal=self.settings.name, findings=len(succession.difference.changed))
        if self._feeds.is_all_read:
            self.ready.set()


def _now_us() -> int:
    return time.time_ns() // 1_000
