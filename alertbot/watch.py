"""The watch over one portal: poll, store, evaluate, decide, commit; again.

In come the pages of a portal's feeds; out goes, in one transaction for each poll, all that follows from them. Nothing counts
before its commit: after a crash or a failed commit at any point, what was before stands, and the next poll finds the same rows
again. Feeds are polled one beside the other; both are events of one engine, in the order of their dates.

The engine's state is never stored. At the start, after a catch-up, when a row comes too late for the engine, and when rules
change, an engine is built from the stored events beside the one at work, and takes over when it has seen all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice

import msgspec
import structlog

from alertbot.catchup import CatchUp
from alertbot.commit import Brought, Committer, InStore
from alertbot.config import PortalSettings
from alertbot.engine import Difference, Engine
from alertbot.engine.engine import SETTLE_AFTER
from alertbot.engine.table import MOST_KEYS
from alertbot.enrichment import Enrichment
from alertbot.errors import PortalError, StaleIncident, StoreError
from alertbot.event import FEEDS, Event, Feed
from alertbot.feeds import Feeds, FeedState, Stage, earliest, gaps_between, is_begun_only, judging, looked_at, looking_at
from alertbot.incidents import Watch
from alertbot.moments import span_us, to_us
from alertbot.portal.client import PortalClient
from alertbot.portal.cursor import doubtful
from alertbot.portal.history import Batch, HistoryReader, Range
from alertbot.portal.notes import Note
from alertbot.portal.ranges import join
from alertbot.rules.model import Rule
from alertbot.store.events import decode
from alertbot.store.records import DROPPED, PortalState, RuleVersion
from alertbot.store.store import Store
from alertbot.versions import Versions

REBUILD_EVERY = timedelta(minutes=1)
TRY_AGAIN_EVERY = timedelta(seconds=5)
TRIES = 8
"""So often a poll is decided anew when people change its incidents at the same time."""

SLICE = 1_000
"""So many events are fetched from the store at once by a build."""
AT_ONCE = 100
"""So many events are folded at once by a build, a millisecond or two, before it gives way to polls and messages."""

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
        self._rules = _in_force(rules, settings)
        self._next_rules: dict[str, Rule] | None = None
        self._client = client
        self._store = store
        self._in_store = in_store
        self._committer = committer
        self._on_commit = on_commit
        self._on_notes = on_notes
        self._monotonic = monotonic
        self._most_keys = most_keys
        self._builds = builds or asyncio.Semaphore(1)
        self._state = PortalState(name=settings.name)
        self._enrichment = Enrichment(client, monotonic)
        self._catch_up = CatchUp(settings.name, _now_us)
        self._engine: Engine | None = None
        self._versions = Versions(settings.name)
        self._building: asyncio.Task[None] | None = None
        self._feeds = Feeds()
        self._urgent = asyncio.Event()
        self._meanwhile: list[Event] = []
        self._portal_now_us = 0
        self._dropped: dict[str, int] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Take up what the store holds of this portal."""
        name = self.settings.name
        self._state = await self._in_store(self._store.portal, name)
        self._versions.add(await self._in_store(self._store.rule_versions, name))
        self._enrichment.take_up(await self._in_store(self._store.people, name))
        await self._begin_feeds(self._rules)

    async def _begin_feeds(self, rules: Mapping[str, Rule]) -> None:
        """Read what rules look at from where the store ends."""
        name = self.settings.name
        for feed in sorted(looked_at(rules.values()) - self._feeds.by_name.keys()):
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
                self._look_what_to_build()
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
        changed = _in_force(rules, self.settings)
        async with self._one_at_a_time:
            current = self._rules if self._next_rules is None else self._next_rules
            if _deciding(changed) == _deciding(current) == _deciding(self._rules):
                self._rules, self._next_rules = changed, None
                return
            await self._begin_feeds(changed)
            self._next_rules = changed
            self._urgent.set()
            self._look_what_to_build()

    async def close(self) -> None:
        """Stop what is being built; nothing of it is lost."""
        if self._building is not None:
            self._building.cancel()
            await asyncio.gather(self._building, return_exceptions=True)

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
        if self._building is not None and not self._building.done():
            self._meanwhile.extend(events)
        self._look_what_to_build()

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
            await self._commit(state, difference, brought, last_good_us=one.good_us, dropped=engine.dropped)
        except BaseException:
            engine.drop()
            raise
        engine.accept()
        one.owed_us, one.good_us = owed_us, now_us

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
        if complete:
            one.is_new, one.stage = False, Stage.WHOLE
            one.read_us = _now_us()  # good as soon as it is evaluated: until then the silence before it counts

    def _in_force_since(self, newest_us: int, feed: Feed) -> list[RuleVersion]:
        """Rules that look at a feed are in force since its first complete read, at the earliest: what was before is history,
        and they have judged none of it yet.
        """
        rules = self._rules if self._next_rules is None else self._next_rules
        since_us = max(newest_us, self._state.evaluated_to_us or 0)
        return [self._versions.at(rule, since_us) for rule in looking_at(rules, feed)]

    async def _commit(
        self,
        state: PortalState,
        difference: Difference,
        brought: Brought,
        versions: Sequence[RuleVersion] = (),
        *,
        last_good_us: int | None,
        dropped: dict[str, int] | None = None,
    ) -> None:
        """Store what follows. `dropped`: which rules of the engine at work let keys go before their time, and how many."""
        since_us = self._versions.since_us | {(v.rule, v.version): v.since_us for v in versions}
        state = self._with_reading(state)
        async with self._committer.turn:
            for tried in count(1):
                commit = await self._committer.prepare(
                    state,
                    self._rules,
                    Watch(state.watching_since_us or 0, since_us),
                    self._portal_now_us,
                    brought=brought,
                    changed=difference.changed,
                    gone=difference.gone,
                    versions=versions,
                    last_good_us=last_good_us,
                )
                if dropped is not None and dropped != self._dropped:
                    note = {DROPPED + state.name: msgspec.json.encode(dropped).decode()}
                    commit = msgspec.structs.replace(commit, notes={**commit.notes, **note})
                log.debug("poll.decided", portal=state.name, findings=len(difference.changed), messages=len(commit.outbox))
                try:
                    await self._in_store(self._store.commit_poll, commit)
                except StaleIncident:  # somebody pressed a button just now: decide anew from what stands
                    if tried == TRIES:
                        raise
                else:
                    break
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

    @property
    def _must_build(self) -> bool:
        return self._feeds.can_build and (self._next_rules is not None or self._feeds.want_an_engine)

    def _look_what_to_build(self) -> None:
        """Have an engine built where one is wanted: at once where none knows the logins, else with what comes in a minute."""
        if not self._must_build:
            return
        if any(one.stage is Stage.WHOLE for one in self._feeds.by_name.values()):
            self._urgent.set()
        if self._building is None or self._building.done():
            self._building = asyncio.create_task(self._build_until_in_order(), name=f"build {self.settings.name}")

    async def _build_until_in_order(self) -> None:
        while self._must_build:
            self._urgent.clear()
            pause = REBUILD_EVERY
            try:
                async with self._builds:
                    await self._build()
            except StoreError as exc:
                log.error("build.failed", portal=self.settings.name, error=str(exc))  # noqa: TRY400 -- a sentence for people
                pause = TRY_AGAIN_EVERY
            except Exception:
                log.exception("build.broken", portal=self.settings.name)
            if self._must_build:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), pause.total_seconds())

    async def _build(self) -> None:
        rules = self._rules if self._next_rules is None else self._next_rules
        settings = self.settings
        stream = self._store.bodies(self.settings.name)
        try:
            async with self._one_at_a_time:
                # What is stored from here on comes in `_meanwhile`, and is not in the stream: it shows the store as it is now.
                newest_us = await self._in_store(self._store.newest_us, self.settings.name)
                bodies = await self._in_store(_slice, stream)
                self._meanwhile = []
                whole = self._feeds.whole
                judges = judging(rules, whole)
                engine = Engine(
                    tuple(judges.values()),
                    settings.name,
                    settings.zone,
                    settings.lateness,
                    gaps=self._feeds.gaps,
                    most_keys=self._most_keys,
                )
                since_us = await self._settled_since(judges, newest_us)
            if since_us is not None:
                engine.begin(since_us)
            log.debug("build.began", portal=self.settings.name, since=since_us)
            while bodies:
                for start in range(0, len(bodies), AT_ONCE):
                    engine.load(map(decode, bodies[start : start + AT_ONCE]), newest_us)
                    await self._give_way()
                bodies = await self._in_store(_slice, stream)
        finally:
            await self._in_store(stream.close)
        for _ in engine.fold_tail(AT_ONCE):
            await self._give_way()
        log.debug("build.loaded", portal=self.settings.name)
        retired = self._engine
        async with self._one_at_a_time:
            await self._exchange(engine, rules, [self._feeds[feed] for feed in sorted(whole)])
        for _ in retired.let_go(AT_ONCE) if retired is not None else ():
            await self._give_way()

    async def _settled_since(self, rules: dict[str, Rule], newest_us: int | None) -> int | None:
        """The moment before which all that these rules found is stored and stands, so that the past can be gone through
        quickly; None where it cannot: where rules are new, and where something came that is older than what was judged."""
        state, evaluated_us = self._state, self._state.evaluated_to_us
        if newest_us is None or evaluated_us is None:
            return None
        since_us = min(newest_us - span_us(max(SETTLE_AFTER, self.settings.lateness)), evaluated_us)
        if state.rebuild_from_us is not None and state.rebuild_from_us < since_us:
            return None
        if self._versions.beginning(rules.values(), evaluated_us):
            return None
        if await self._in_store(self._store.meta, DROPPED + state.name) not in (None, "{}"):
            return None
        return since_us

    async def _give_way(self) -> None:
        """Let others have their turn; a poll that is being evaluated and stored, all of it."""
        await asyncio.sleep(0)
        if self._one_at_a_time.locked():
            async with self._one_at_a_time:
                pass

    async def _exchange(self, engine: Engine, rules: dict[str, Rule], known: list[FeedState]) -> None:
        """Let the new engine take over: what it finds otherwise than the store says is decided and committed."""
        before, self._rules = self._rules, rules
        try:
            await self._take_over(engine, [one for one in known if one.is_whole])
        except BaseException:
            self._rules = before
            raise
        if self._next_rules is rules:
            self._next_rules = None
        if self._feeds.is_all_read:
            self.ready.set()

    async def _take_over(self, engine: Engine, known: list[FeedState]) -> None:
        """`known`: the feeds of which the engine knows all."""
        state, name = self._state, self.settings.name
        evaluated_us = state.evaluated_to_us
        since_us = state.watching_since_us or 0 if evaluated_us is None else evaluated_us
        new_versions = self._versions.beginning(engine.rules, since_us)
        floor_us = min(x for x in (engine.mark_us, state.rebuild_from_us, evaluated_us or 0) if x is not None)
        floor_us = max(floor_us, engine.since_us)
        may_go_on_us = min(floor_us, engine.since_us - engine.goes_on_us) if engine.since_us > 0 else floor_us
        fresh = {(v.rule, v.version) for v in new_versions}
        ours = {(rule.name, rule.version) for rule in engine.rules}
        stored = await self._in_store(self._store.findings, name, touched_since_us=None if fresh else may_go_on_us)
        kept_us = state.kept_from_us or 0
        comparable = [
            f
            for f in (one.finding for one in stored)
            if (f.rule, f.version) in ours
            and (f.last_us >= may_go_on_us or ((f.rule, f.version) in fresh and f.first_us >= kept_us))
        ]
        for one in known:
            self._move_clock(engine, one)
        difference = engine.resume(self._meanwhile, comparable)
        changed = [f for f in difference.changed if f.last_us >= floor_us or (f.rule, f.version) in fresh]
        newest = await self._in_store(self._store.newest_us, name)
        owed = {
            feed: earliest((), [event for event in difference.deep if event.feed == feed])
            if one in known
            else earliest([one.owed_us, evaluated_us])  # rules that wait for it have yet to judge what comes from now on
            for feed, one in self._feeds.by_name.items()
        }
        silent_since_us = earliest(one.good_us for one in known if one.stage is Stage.WHOLE)
        state = msgspec.structs.replace(
            state,
            evaluated_to_us=newest if newest is not None else evaluated_us,
            rebuild_from_us=self._feeds.owed_us(owed),
            last_poll_us=max(state.last_poll_us or 0, self._feeds["login"].read_us or 0) or None,
        )
        wanted = looked_at([*self._rules.values(), *(self._next_rules or {}).values()])
        unread = Brought(coverage={feed: () for feed in FEEDS if feed not in wanted})
        difference = Difference(tuple(changed), difference.gone, ())
        last_good_us = silent_since_us or self._state.last_poll_us
        await self._commit(state, difference, unread, new_versions, last_good_us=last_good_us, dropped=engine.dropped)
        engine.accept()
        self._engine, self._meanwhile = engine, []
        for feed, one in self._feeds.by_name.items():
            one.owed_us = owed[feed]
        for one in known:
            one.good_us = one.read_us if one.stage is Stage.WHOLE else one.good_us
            one.stage = Stage.AT_WORK
        for feed in self._feeds.by_name.keys() - wanted:
            del self._feeds.by_name[feed]
            self._catch_up.left(feed)
        log.debug("build.done", portal=name, findings=len(changed))


def _now_us() -> int:
    return time.time_ns() // 1_000


def _in_force(rules: Sequence[Rule], settings: PortalSettings) -> dict[str, Rule]:
    return {rule.name: rule.in_zone(settings.zone) for rule in rules if rule.mode != "off"}


def _deciding(rules: dict[str, Rule]) -> dict[str, str]:
    """What of the rules decides findings."""
    return {name: rule.version for name, rule in rules.items()}


def _slice(stream: Iterator[bytes]) -> list[bytes]:
    return list(islice(stream, SLICE))
