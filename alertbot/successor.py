"""The engine that is built from the stored events beside the one at work, and what is so when it takes over.

In come the stored events in slices, and what is stored meanwhile; out goes an engine that has seen all of them, and what it
finds otherwise than the store says. The caller stores that in one transaction, or forgets the successor: until then nothing
counts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from alertbot.engine import Difference, Engine
from alertbot.engine.engine import SETTLE_AFTER
from alertbot.event import Event, Feed
from alertbot.feeds import Feeds, FeedState, Stage, earliest, judging
from alertbot.finding import Finding
from alertbot.moments import span_us
from alertbot.ruling import Rules
from alertbot.settings import PortalSettings
from alertbot.store.events import decode
from alertbot.store.records import DROPPED, PortalState, RuleVersion
from alertbot.store.store import InStore, Store
from alertbot.versions import Versions

SLICE = 1_000
"""So many events are fetched from the store at once."""

AT_ONCE = 100
"""So many events are folded at once, a millisecond or two, before others have their turn."""


@dataclass(frozen=True, slots=True)
class Succession:
    """What is so when an engine takes over. `owed_us`: from where on it does not know a feed's events in order;
    `deep`: events that it does not know in order; `last_good_us`: when, by the bot's own clock, all that it knows was evaluated
    last before this.
    """

    state: PortalState
    difference: Difference
    versions: Sequence[RuleVersion]
    owed_us: dict[Feed, int | None]
    deep: Sequence[Event]
    last_good_us: int | None


class Successor:
    """An engine in the making, for the rules that are to be in force. It holds those of them that can judge what was read.

    First `begin`, then `load`, then `succeed`; `meanwhile` takes what the caller stores from `begin` on; at last `close`.
    """

    def __init__(
        self, settings: PortalSettings, rules: Rules, feeds: Feeds, store: Store, in_store: InStore, *, most_keys: int
    ) -> None:
        self.rules = rules
        self.meanwhile: list[Event] = []
        self._name = settings.name
        self._lateness_us = span_us(settings.lateness)
        self._store = store
        self._in_store = in_store
        self._feeds = feeds
        self._whole = feeds.whole
        self._gaps = feeds.gaps
        self._late_us: dict[Feed, int | None] = {}
        self._judges = judging(rules, self._whole)
        self._stream = store.bodies(settings.name)
        self._bodies: list[bytes] = []
        self._newest_us: int | None = None
        self.engine = Engine(
            tuple(self._judges.values()),
            settings.name,
            settings.zone,
            settings.lateness,
            gaps=self._gaps,
            most_keys=most_keys,
        )

    @property
    def known(self) -> list[FeedState]:
        """The feeds of which it knows all."""
        return [self._feeds[feed] for feed in sorted(self._whole) if self._feeds[feed].is_whole]

    async def begin(self, state: PortalState, versions: Versions) -> int | None:
        """Take up the store as it is; nothing may be stored while this runs, and what is stored from then on is `meanwhile`.

        The moment before which the past is gone through quickly; None where all of it counts.
        """
        self._newest_us = await self._in_store(self._store.newest_us, self._name)
        self._bodies = await self._in_store(_slice, self._stream)
        since_us = await self._settled_since(state, versions)
        if since_us is not None:
            self.engine.begin(since_us)
        return since_us

    async def load(self) -> AsyncIterator[None]:
        """Go through what is stored, in pieces between which others can have their turn."""
        while self._bodies:
            for start in range(0, len(self._bodies), AT_ONCE):
                self.engine.load(map(decode, self._bodies[start : start + AT_ONCE]), self._newest_us)
                yield
            self._bodies = await self._in_store(_slice, self._stream)
        await self.close()
        for _ in self.engine.fold_tail(AT_ONCE):
            yield

        while self._feeds.gaps != self._gaps:
            self._learn_gaps()
            for _ in self.engine.fold_tail(AT_ONCE):
                yield

    def _learn_gaps(self) -> None:
        """Know what turned out meanwhile not to have been read. Silences that were settled before are not judged anew: where
        a gap begins before the mark, that is owed."""
        for feed, gaps in self._feeds.gaps.items():
            new = set(gaps).difference(self._gaps.get(feed, ()))
            settled = [start_us for start_us, _ in new if start_us <= self.engine.mark_us]
            self._late_us[feed] = earliest([self._late_us.get(feed), *settled])
        self._gaps = self._feeds.gaps
        self.engine.know_gaps(self._gaps)

    async def close(self) -> None:
        """Let go of the store."""
        await self._in_store(self._stream.close)

    async def _settled_since(self, state: PortalState, versions: Versions) -> int | None:
        """The moment before which all that these rules found is stored and stands, so that the past can be gone through
        quickly; None where it cannot: where rules are new, and where something came that is older than what was judged."""
        evaluated_us = state.evaluated_to_us
        if self._newest_us is None or evaluated_us is None:
            return None
        since_us = min(self._newest_us - max(span_us(SETTLE_AFTER), self._lateness_us), evaluated_us)
        if state.rebuild_from_us is not None and state.rebuild_from_us < since_us:
            return None
        if versions.beginning(self._judges.values(), evaluated_us):
            return None
        if await self._in_store(self._store.meta, DROPPED + self._name) not in (None, "{}"):
            return None
        return since_us

    async def succeed(self, state: PortalState, versions: Versions) -> Succession:
        """What is so when it takes over from the engine that has judged up to `state`."""
        if self._feeds.gaps != self._gaps:
            self._learn_gaps()
        evaluated_us = state.evaluated_to_us
        since_us = state.watching_since_us or 0 if evaluated_us is None else evaluated_us
        new_versions = versions.beginning(self.engine.rules, since_us)
        fresh = {(v.rule, v.version) for v in new_versions}
        floor_us = min(x for x in (self.engine.mark_us, state.rebuild_from_us, evaluated_us or 0) if x is not None)
        floor_us = max(floor_us, self.engine.since_us)
        difference = self.engine.resume(self.meanwhile, await self._comparable(state, fresh, floor_us))
        changed = [f for f in difference.changed if f.last_us >= floor_us or (f.rule, f.version) in fresh]
        newest_us = await self._in_store(self._store.newest_us, self._name)
        owed_us = self._owed_us(difference, evaluated_us)
        return Succession(
            state=msgspec.structs.replace(
                state,
                evaluated_to_us=newest_us if newest_us is not None else evaluated_us,
                rebuild_from_us=self._feeds.owed_us(owed_us),
                last_poll_us=max(state.last_poll_us or 0, self._feeds["login"].read_us or 0) or None,
            ),
            difference=Difference(tuple(changed), difference.gone, ()),
            versions=[*new_versions, *versions.ending(self.rules.keys(), since_us)],
            owed_us=owed_us,
            deep=difference.deep,
            last_good_us=earliest(one.good_us for one in self.known if one.stage is Stage.WHOLE) or state.last_poll_us,
        )

    async def _comparable(self, state: PortalState, fresh: set[tuple[str, str]], floor_us: int) -> list[Finding]:
        """The stored findings that these rules may find again."""
        engine = self.engine
        ours = {(rule.name, rule.version) for rule in engine.rules}
        may_go_on_us = min(floor_us, engine.since_us - engine.goes_on_us) if engine.since_us > 0 else floor_us
        since_us = None if fresh else may_go_on_us
        stored = await self._in_store(self._store.findings, self._name, touched_since_us=since_us)
        kept_us = state.kept_from_us or 0
        return [
            f
            for f in (one.finding for one in stored)
            if (f.rule, f.version) in ours
            and (f.last_us >= may_go_on_us or ((f.rule, f.version) in fresh and f.first_us >= kept_us))
        ]

    def _owed_us(self, difference: Difference, evaluated_us: int | None) -> dict[Feed, int | None]:
        known = self.known
        return {
            feed: earliest([self._late_us.get(feed)], [event for event in difference.deep if event.feed == feed])
            if one in known
            else earliest([one.owed_us, evaluated_us])  # rules that wait for it have yet to judge what comes from now on
            for feed, one in self._feeds.by_name.items()
        }


def _slice(stream: Iterator[bytes]) -> list[bytes]:
    return list(islice(stream, SLICE))
