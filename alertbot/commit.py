"""From what the engine found to the one commit of a poll: decisions, messages, and all that must be stored with them.

In come a difference of findings and what the poll read; out goes a `PollCommit`. It reads the incidents and the evidence that
the decision needs, decides with `incidents.decide`, and renders the messages, so that they stand in the same transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from alertbot.event import Event, EventRef, Feed
from alertbot.finding import Finding
from alertbot.incidents import Decision, Incident, Telling, Untold, Watch, close, decide
from alertbot.outbox import OutboxEntry
from alertbot.rules.model import Rule
from alertbot.store.records import Covered, PollCommit, PortalState, RuleVersion, StoredFinding, StoredPerson
from alertbot.store.store import Store

T = TypeVar("T")
EVIDENCE = 50
"""So many of a finding's events at most go to the message: more than it ever shows."""


class InStore(Protocol):
    """Runs a function of the store's in the one thread that speaks to it."""

    def __call__(self, function: Callable[..., T], *args: object, **named: object) -> Awaitable[T]: ...


Write = Callable[[Telling, Rule, Sequence[Event]], list[OutboxEntry]]
"""Writes the messages of a telling, given its evidence, oldest first."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a poll read: events as they are to be stored, the ranges that are covered now, people when they were read."""

    events: Sequence[Event] = ()
    coverage: Mapping[Feed, Sequence[Covered]] | None = None
    people: Sequence[StoredPerson] | None = None


class Committer:
    """Makes the commits of one portal."""

    def __init__(self, store: Store, in_store: InStore, write: Write) -> None:
        self._store = store
        self._in_store = in_store
        self._write = write

    async def prepare(
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
    ) -> PollCommit:
        """The commit: `state` is the portal's row as it is to be, `now_us` the portal's now."""
        decision = await self._decide(state.name, rules, watch, now_us, changed, gone)
        outbox = [entry for telling in decision.tell for entry in await self._messages(telling, rules, brought.events)]
        return PollCommit(
            state=state,
            events=brought.events,
            coverage=brought.coverage or {},
            people=brought.people,
            findings=[_stored(found, decision) for found in changed],
            gone=dict.fromkeys(gone, "logins that the portal showed late have changed what happened"),
            incidents=list(decision.incidents.values()),
            log=decision.log,
            outbox=outbox,
            rule_versions=versions,
        )

    async def _decide(
        self,
        portal: str,
        rules: Mapping[str, Rule],
        watch: Watch,
        now_us: int,
        changed: Sequence[Finding],
        gone: Sequence[str],
    ) -> Decision:
        concerned = await self._concerned(portal, [f for f in changed if watch.is_news(f)], [f.id for f in changed], gone)
        decision = decide(changed, gone, concerned, rules, watch, now_us)
        due = await self._in_store(self._store.due_incidents, portal, now_us)
        over = close([decision.incidents.get(incident.id, incident) for incident in due], now_us)
        decision.incidents.update(over.incidents)
        decision.log.extend(over.log)
        return decision

    async def _concerned(
        self, portal: str, news: Sequence[Finding], changed: Sequence[str], gone: Sequence[str]
    ) -> Iterable[Incident]:
        if not news and not gone:
            return ()
        stored = await self._in_store(self._store.findings_by_id, [*changed, *gone])
        ids = {found.incident for found in stored.values() if found.incident}
        incidents = {i.id: i for i in await self._in_store(self._store.incidents_by_id, ids)} if ids else {}
        keys: dict[str, list[tuple[str, ...]]] = {}
        for found in news:
            keys.setdefault(found.rule, []).append(found.key)
        for rule, of_rule in keys.items():
            for read in (self._store.latest_incidents, self._store.open_incidents):
                incidents.update({i.id: i for i in await self._in_store(read, portal, rule, of_rule)})
        return incidents.values()

    async def _messages(self, telling: Telling, rules: Mapping[str, Rule], new: Sequence[Event]) -> list[OutboxEntry]:
        found = telling.finding
        wanted = set(found.events[-EVIDENCE:]) | {found.firing}
        evidence: dict[EventRef, Event] = {event.ref: event for event in new if event.ref in wanted}
        if missing := wanted - evidence.keys():
            stored = await self._in_store(self._store.events_by_ref, found.portal, missing)
            evidence.update({event.ref: event for event in stored})
        return self._write(telling, rules[found.rule], sorted(evidence.values(), key=lambda event: event.order))


def _stored(found: Finding, decision: Decision) -> StoredFinding:
    history = decision.untold.get(found.id) is Untold.HISTORY
    return StoredFinding(finding=found, history=history, incident=decision.belongs.get(found.id))
