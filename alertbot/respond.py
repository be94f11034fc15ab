"""Station 7: steps of people, from what they want to what is stored. From a button or a shell, it is the same.

In come an incident's id and what somebody wants; out goes what `responses` says to it, after one transaction that holds the
incident, its log, silences and wishes. The messages follow in `aftermath`. Who else writes the incident at the same time does
no harm: the step is decided anew from what stands then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from alertbot.errors import StaleIncident
from alertbot.event import Event
from alertbot.handling import Resolution
from alertbot.incidents import Incident, LogEntry
from alertbot.outbox import LATER, OutboxEntry, entry_id
from alertbot.responses import Actor, Response, lifted, resolve, silence, undo
from alertbot.rules.model import Rule
from alertbot.silences import Scope, Silence, lift, new_silence
from alertbot.slack.offer import offer
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import Store
from alertbot.wishes import wish

TOGETHER = 500
"""So many incidents are settled in one transaction."""

TRIES = 8
"""So often a step is decided anew when somebody else is faster."""

Decide = Callable[[Incident], Response]


@dataclass(frozen=True, slots=True)
class Case:
    """An incident with its rule, where that is still there, and the event that made it fire first, where that is kept."""

    incident: Incident
    rule: Rule | None
    event: Event | None


class Desk:
    """Takes steps in one store. It blocks: the service calls it in the store's thread."""

    def __init__(self, store: Store, rules: Mapping[str, Rule]) -> None:
        self._store = store
        self._rules = rules

    def case(self, incident_id: str) -> Case | None:
        """All that is needed to show and judge an incident."""
        incident = self._store.incident(incident_id)
        if incident is None:
            return None
        stored = self._store.findings_by_id([incident.id]).get(incident.id)
        events = self._store.events_by_ref(incident.portal, [stored.finding.firing]) if stored else []
        return Case(incident, self._rules.get(incident.rule), events[0] if events else None)

    def step(self, incident_id: str, decide: Decide) -> Response | None:
        """A step that changes only the incident. None where there is no such incident."""
        return self._take(incident_id, lambda case: (decide(case.incident), PeopleCommit()))

    def resolve(
        self, incident_id: str, who: Actor, now_us: int, resolution: Resolution, word: str = "", *, by_webhook: bool = False
    ) -> Response | None:
        """Settle an incident; one that was expected is a wish for its rule's editor, offered in its thread."""

        def decide(case: Case) -> tuple[Response, PeopleCommit]:
            response = resolve(case.incident, who, now_us, resolution, word)
            if not response.changes or resolution != "expected":
                return response, PeopleCommit()
            tags = case.rule.tags if case.rule else ()
            wanted = wish(case.incident, case.event, tags, by=who.name, why=word, at_us=now_us)
            entry = case.incident.message and OutboxEntry(
                id=entry_id("wish", case.incident.id, str(case.incident.turn)),
                created_us=now_us,
                kind="wish",
                channel="",
                message=offer(wanted, case.rule.path if case.rule else ""),
                portal=case.incident.portal,
                incident=case.incident.id,
                thread_of=case.incident.message,
                priority=LATER,
            )
            return response, PeopleCommit(wishes=[wanted], outbox=[entry] if entry and not by_webhook else [])

        return self._take(incident_id, decide)

    def resolve_summed(self, rule: str, who: Actor, now_us: int, resolution: Resolution, word: str = "") -> int:
        """Settle at once what only a summary tells of, as after a storm of a rule; how many that were."""
        left = [one.id for one in self._store.open_incidents_of_people() if one.rule == rule and one.told_in_summary]
        return sum(
            self._resolve_all(left[start : start + TOGETHER], who, now_us, resolution, word)
            for start in range(0, len(left), TOGETHER)
        )

    def _is_kept(self, step: PeopleCommit, tries: int) -> bool:
        """Whether a step is stored; not where somebody else changed one of its incidents meanwhile: then think of it anew.

        Raises StaleIncident at the last try.
        """
        try:
            self._store.respond(step)
        except StaleIncident:
            if tries == TRIES - 1:
                raise
            return False
        return True

    def _resolve_all(self, names: Sequence[str], who: Actor, now_us: int, resolution: Resolution, word: str) -> int:
        for tries in range(TRIES):
            read = [one for one in self._store.incidents_by_id(names) if one.told_in_summary]
            responses = [resolve(one, who, now_us, resolution, word) for one in read]
            changed = [response.incident for response in responses if response.incident is not None]
            log = [entry for response in responses for entry in response.log]
            step = PeopleCommit(read={one.id: one.revision for one in read}, incidents=changed, log=log, restate=None)
            if self._is_kept(step, tries):
                return len(changed)
        return 0

    def undo(self, incident_id: str, who: Actor, now_us: int, turn: int | None = None) -> Response | None:
        """Take back the last step; with it the wish that it made."""

        def decide(case: Case) -> tuple[Response, PeopleCommit]:
            response = undo(case.incident, who, now_us, turn)
            gone = response.changes and case.incident.resolution == "expected"
            return response, PeopleCommit(unwished=[case.incident.id] if gone else [])

        return self._take(incident_id, decide)

    def silence(self, incident_id: str, scope: Scope, who: Actor, now_us: int, until_us: int, reason: str) -> Response | None:
        """Silence something from an incident. Raises UsageError where it has no reason or no fit end."""

        def decide(case: Case) -> tuple[Response, PeopleCommit]:
            one = new_silence(
                scope,
                portal=case.incident.portal,
                since_us=now_us,
                until_us=until_us,
                by=who.name,
                by_id=who.id,
                reason=reason,
                incident=case.incident.id,
            )
            return silence(case.incident, one, who, now_us), PeopleCommit(silences=[one])

        return self._take(incident_id, decide)

    def lift_at(self, incident_id: str, who: Actor, now_us: int) -> Response | None:
        """End the silence that holds an incident back."""

        def decide(case: Case) -> tuple[Response, PeopleCommit]:
            held = case.incident.silenced
            one = self._store.silence(held.silence) if held else None
            ended = lift(one, who.name, now_us) if one else None
            if ended is None:
                return Response("Nothing changed: no silence holds it back."), PeopleCommit()
            return lifted(case.incident, ended, who, now_us), PeopleCommit(silences=[ended])

        return self._take(incident_id, decide)

    def lift(self, silence_id: str, who: Actor, now_us: int) -> Silence | None:
        """End a silence; None where none of this id is in force. What it held back is told by the service."""
        one = self._store.silence(silence_id)
        ended = lift(one, who.name, now_us) if one else None
        if ended is not None:
            self._store.respond(PeopleCommit(silences=[ended]))
        return ended

    def note(self, entry: LogEntry) -> None:
        """Write something into an incident's log."""
        self._store.respond(PeopleCommit(log=[entry]))

    def _take(self, incident_id: str, decide: Callable[[Case], tuple[Response, PeopleCommit]]) -> Response | None:
        for tries in range(TRIES):
            case = self.case(incident_id)
            if case is None:
                return None
            response, step = decide(case)
            if response.incident is None:
                return response
            step = msgspec.structs.replace(
                step,
                read={incident_id: case.incident.revision},
                incidents=[response.incident],
                log=response.log,
                outbox=[self._placed(entry) for entry in step.outbox],
            )
            if self._is_kept(step, tries):
                return response
        return None

    def _placed(self, entry: OutboxEntry) -> OutboxEntry:
        """A reply goes where its message is."""
        of = self._store.entries(ids=[entry.thread_of]) if entry.thread_of and not entry.channel else []
        return msgspec.structs.replace(entry, channel=of[0].channel) if of else entry
