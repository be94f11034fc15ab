"""From what the engine found to the one commit of a poll: decisions, messages, and all that must be stored with them.

In come a difference of findings and what the poll read; out goes a `PollCommit`. It reads the incidents and the evidence that
the decision needs, decides with `incidents.decide`, sorts out storms and old news, and has the messages written by `tell`, so
that all of it stands in the same transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import msgspec
import structlog

from alertbot.errors import StaleIncident
from alertbot.event import Event, EventRef, Feed
from alertbot.finding import Finding
from alertbot.incidents import Decision, Incident, Untold, Watch, close, decide, holding_keys, incident_key
from alertbot.moments import span_us
from alertbot.newsroom import Newsroom
from alertbot.rules.model import Rule
from alertbot.store.records import Covered, PollCommit, PortalState, RuleVersion, StoredFinding, StoredPerson
from alertbot.store.store import InStore, Store
from alertbot.tell import Outlet

TRIES = 8
"""So often a poll is decided anew when people change its incidents at the same time."""

log = structlog.get_logger("alertbot.commit")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a poll read: events as they are to be stored, the ranges that are covered now, people when they were read."""

    events: Sequence[Event] = ()
    coverage: Mapping[Feed, Sequence[Covered]] | None = None
    people: Sequence[StoredPerson] | None = None


class Committer:
    """Makes the commits of one portal. `clock` is the bot's own, microseconds."""

    def __init__(
        self, store: Store, in_store: InStore, outlet: Outlet, *, old_news: timedelta, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._in_store = in_store
        self._clock = clock
        self.turn = asyncio.Lock()
        """Held from reading what a commit is decided by until it is stored."""
        self._old_news_us = span_us(old_news)
        self.newsroom = Newsroom(store, outlet, self._old_news_us)

    async def commit(
        self,
        state: PortalState,
        rules: Mapping[str, Rule],
        watch: Watch,
        now_us: int,
        *,
        brought: Brought,
        changed: Sequence[Finding] = (),
        gone: Sequence[str] = (),
        versions: Sequence[RuleVersion] = (),
        last_good_us: int | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> PollCommit:
        """Decide and store: what was stored. `state` is the portal's row as it is to be, `now_us` the portal's now.

        `last_good_us` is when, by the bot's own clock, the portal was last read to its end before this; `notes` are stored too.
        """
        async with self.turn:
            for tried in count(1):
                commit = await self._in_store(
                    self._prepare, state, rules, watch, now_us, brought, changed, gone, versions, last_good_us
                )
                commit = msgspec.structs.replace(commit, notes={**commit.notes, **(notes or {})})
                log.debug("poll.decided", portal=state.name, findings=len(changed), messages=len(commit.outbox))
                try:
                    await self._in_store(self._store.commit_poll, commit)
                except StaleIncident:  # somebody pressed a button just now: decide anew from what stands
                    if tried == TRIES:
                        raise
                else:
                    break
        return commit

    def _prepare(
        self,
        state: PortalState,
        rules: Mapping[str, Rule],
        watch: Watch,
        now_us: int,
        brought: Brought,
        changed: Sequence[Finding],
        gone: Sequence[str],
        versions: Sequence[RuleVersion],
        last_good_us: int | None,
    ) -> PollCommit:
        read: dict[str, int] = {}
        decision, firing = self._decide(state.name, rules, watch, now_us, changed, gone, brought.events, read)
        clock_us = self._clock()
        silent = last_good_us is not None and clock_us - last_good_us > self._old_news_us
        old_before_us = now_us - self._old_news_us if silent else None
        news = self.newsroom.write(decision, rules, [*firing.values(), *brought.events], now_us, clock_us, old_before_us)
        read = news.read | read
        return PollCommit(
            read={name: revision for name, revision in read.items() if name in decision.incidents},
            state=state,
            events=brought.events,
            coverage=brought.coverage or {},
            people=brought.people,
            findings=[_stored(found, decision) for found in changed],
            gone=dict.fromkeys(gone, "what the portal showed late has changed what happened"),
            incidents=list(decision.incidents.values()),
            log=decision.log,
            outbox=news.entries,
            summed=news.summed,
            notes=news.notes,
            rule_versions=versions,
        )

    def _decide(
        self,
        portal: str,
        rules: Mapping[str, Rule],
        watch: Watch,
        now_us: int,
        changed: Sequence[Finding],
        gone: Sequence[str],
        new: Sequence[Event],
        read: dict[str, int],
    ) -> tuple[Decision, dict[str, Event]]:
        stored = self._store.findings_by_id([found.id for found in changed] + list(gone)) if changed or gone else {}
        ids = {found.incident for found in stored.values() if found.incident}
        news = [found for found in changed if watch.is_news(found) or (found.id in stored and stored[found.id].incident)]
        firing = self._firing(portal, news, new)
        concerned = self._concerned(portal, rules, news, firing, ids)
        decision = decide(changed, gone, concerned.values(), rules, watch, now_us, firing)
        due = self._store.due_incidents(portal, now_us)
        read.update({one.id: one.revision for one in (*due, *concerned.values())})
        decision.add(close([decision.incidents.get(incident.id, incident) for incident in due], now_us))
        return decision, firing

    def _firing(self, portal: str, news: Sequence[Finding], new: Sequence[Event]) -> dict[str, Event]:
        """The event that made each finding fire."""
        wanted = {found.firing for found in news}
        events: dict[EventRef, Event] = {event.ref: event for event in new if event.ref in wanted}
        if missing := wanted - events.keys():
            events.update({event.ref: event for event in self._store.events_by_ref(portal, missing)})
        return {found.id: events[found.firing] for found in news if found.firing in events}

    def _concerned(
        self,
        portal: str,
        rules: Mapping[str, Rule],
        news: Sequence[Finding],
        firing: Mapping[str, Event],
        ids: Collection[str],
    ) -> dict[str, Incident]:
        """Every incident that the decision may need, see `decide`."""
        found: dict[str, Incident] = {}
        keys: dict[str, dict[tuple[str, ...], None]] = {}
        held: dict[str, set[tuple[str, ...]] | None] = {}
        for each in news:
            event = firing.get(each.id)
            keys.setdefault(each.rule, {})[incident_key(each, rules[each.rule], event)[1]] = None
            for holding in holding_keys(each, event, rules):
                wanted = held.setdefault(holding.rule, set())
                if holding.key is None:
                    held[holding.rule] = None
                elif wanted is not None:
                    wanted.add(holding.key)
        for rule, of_rule in keys.items():
            quiet_us = span_us(rules[rule].quiet)
            since_us = min(each.first_us for each in news if each.rule == rule) - quiet_us
            until_us = max(each.last_us for each in news if each.rule == rule) + quiet_us
            _keep(found, self._store.latest_incidents(portal, rule, of_rule))
            _keep(found, self._store.near_incidents(portal, rule, of_rule, since_us, until_us))
        for rule, wanted in held.items():
            _keep(found, self._store.open_incidents(portal, rule, wanted))
        missing = set(ids) - found.keys()
        while missing:  # who holds it back, what it holds, and so on
            more = self._store.incidents_by_id(missing)
            _keep(found, more)
            related = {name for one in found.values() for name in (one.held_by, *one.holds) if name}
            missing = related - found.keys() if more else set()
        return found


def _keep(found: dict[str, Incident], more: Iterable[Incident]) -> None:
    found.update({incident.id: incident for incident in more})


def _stored(found: Finding, decision: Decision) -> StoredFinding:
    history = decision.untold.get(found.id) is Untold.HISTORY
    return StoredFinding(finding=found, history=history, incident=decision.belongs.get(found.id))
