"""What follows on people's steps and on time: messages that show it, ends of silences and quiet hours, what nobody looks at.

In comes the store as people left it, from a button or a shell; out go transactions with outbox entries. It looks about once a
second, and at once when somebody pressed. Nothing counts before its commit: after a crash the next look finds the same to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from alertbot.errors import LostOwnership, StaleIncident, StoreBusy, StoreError
from alertbot.incidents import BOT, Decision, Incident, LogEntry, Occasion, Reason
from alertbot.moments import iso
from alertbot.newsroom import News, Newsroom
from alertbot.outbox import OutboxEntry, entry_id, priority_of
from alertbot.quiet import after_quiet_hours
from alertbot.respond import Desk
from alertbot.responses import ANEW
from alertbot.routing import Facts, due_escalations
from alertbot.rules.model import Rule
from alertbot.silences import Silence, holding
from alertbot.slack.remarks import escalation, silence_over
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import InStore, Store
from alertbot.tell import Outlet, awaited

EVERY = timedelta(seconds=1)
AT_ONCE = 100
"""So many incidents are followed up in one transaction."""

log = structlog.get_logger("alertbot.aftermath")
_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Bureau:
    """A portal's part in it: where its news go, who writes them, and the lock that its polls hold while they commit."""

    outlet: Outlet
    newsroom: Newsroom
    turn: asyncio.Lock


class Aftermath:
    """Follows up. `on_commit` is called when there is something to send, also where another process wrote it."""

    def __init__(
        self,
        store: Store,
        in_store: InStore,
        rules: Mapping[str, Rule],
        bureaus: Mapping[str, Bureau],
        *,
        on_commit: Callable[[], None],
        now_us: Callable[[], int],
    ) -> None:
        self._store = store
        self._desk = Desk(store, rules)
        self._in_store = in_store
        self._rules = rules
        self._bureaus = bureaus
        self._on_commit = on_commit
        self._now_us = now_us
        self._woken = asyncio.Event()
        self._newest: int | None = None

    def wake(self) -> None:
        """Somebody did something: look at once."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        said: str | None = None
        while True:
            self._woken.clear()
            try:
                await self.look()
            except StaleIncident:
                continue  # somebody was faster: look again
            except (LostOwnership, StoreBusy):
                raise
            except StoreError as error:
                if str(error) != said:
                    log.error("aftermath.failed", said=str(error))  # noqa: TRY400 -- a sentence for people
                said = str(error)
            else:
                said = None
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY.total_seconds()):
                    await self._woken.wait()

    async def look(self) -> None:
        """Follow up on all there is now."""
        async with AsyncExitStack() as stack:
            for name in sorted(self._bureaus):
                await stack.enter_async_context(self._bureaus[name].turn)
            told = await self._in_store(self._follow_up, self._now_us())
        newest = await self._in_store(self._store.newest_entry)
        if told or newest != self._newest:
            self._newest = newest
            self._on_commit()

    def _follow_up(self, now_us: int) -> bool:
        """One after another, each in a transaction of its own."""
        told = False
        for silence in self._store.silences(ended_by_us=now_us):
            self._end(silence, now_us)
            told = True
        if held := self._mine(self._store.incidents_after_quiet_hours(now_us)):
            self._sum_up_quiet_hours(held, now_us)
            told = True
        while due := self._mine(self._store.incidents_to_restate(AT_ONCE)):
            self._restate(due, now_us)
            told = True
        while due := self._mine(self._store.incidents_to_escalate(now_us, AT_ONCE)):
            self._escalate(due, now_us)
            told = True
        return told

    def _mine(self, incidents: Iterable[Incident]) -> list[Incident]:
        return [one for one in incidents if one.portal in self._bureaus]

    # -- what people did -----------------------------------------------------------------------------------------------

    def _restate(self, incidents: Sequence[Incident], now_us: int) -> None:
        """Let messages show what people did; what was opened again waits for somebody anew."""
        for portal, of_portal in _by_portal(incidents).items():
            bureau = self._bureaus[portal]
            decision = Decision()
            for incident in of_portal:
                anew = self._awaited(bureau.outlet, incident, now_us) if incident.escalate_at_us == ANEW else incident
                decision.incidents[incident.id] = _replace(anew, revision=incident.revision + 1)
                if incident.message is not None:
                    decision.note(incident.id, Occasion.UPDATE)
            news = bureau.newsroom.restate(decision, self._rules, now_us)
            self._commit(of_portal, decision, news, restate=False)

    def _awaited(self, outlet: Outlet, incident: Incident, now_us: int) -> Incident:
        """An incident that is nobody's again; what only a summary tells of does not escalate by itself."""
        if incident.message is None:
            return _replace(incident, escalate_at_us=None)
        return awaited(incident, outlet.places(Facts.of(incident, self._rules.get(incident.rule))), now_us)

    # -- silences ------------------------------------------------------------------------------------------------------

    def _end(self, silence: Silence, now_us: int) -> None:
        """A silence has ended: what goes on is told with what was held back."""
        held = self._mine(self._store.incidents_silenced(silence.id))
        for portal, of_portal in _by_portal(held).items():
            decision = Decision()
            released = [one for one in of_portal if self._release(one, silence, decision, now_us)]
            bureau = self._bureaus[portal]
            news = bureau.newsroom.write(decision, self._rules, [], max(one.last_us for one in of_portal), now_us)
            if any(one.silenced is not None and one.count > one.silenced.told for one in released):
                news.entries.append(self._remark(bureau.outlet, silence, released, now_us))
            self._commit(of_portal, decision, news, restate=False)
        self._store.respond(PeopleCommit(silences=[_replace(silence, over=True)]))
        log.info("silence.over", silence=silence.id, held=len(held), lifted_by=silence.lifted_by)

    def _release(self, incident: Incident, silence: Silence, decision: Decision, now_us: int) -> bool:
        """Let go of an incident, unless another silence holds it back too."""
        assert incident.silenced is not None, "it is held"
        other = self._also_held(incident, now_us)
        if other is not None:
            moved = _replace(incident.silenced, silence=other.id)
            decision.incidents[incident.id] = _replace(incident, silenced=moved, revision=incident.revision + 1)
            return False
        more = incident.count - incident.silenced.told
        decision.incidents[incident.id] = _replace(incident, silenced=None, quiet_until_us=None, revision=incident.revision + 1)
        detail = f"{silence.what}: {more} events were held back since {iso(incident.silenced.since_us)}"
        decision.log.append(_entry(incident, now_us, Reason.SILENCE_OVER, detail))
        if incident.message is not None:
            decision.note(incident.id, Occasion.UPDATE)
        elif incident.phase == "going_on" and incident.work != "resolved" and incident.stands_for_itself:
            decision.note(incident.id, Occasion.OPENING)
        return True

    def _also_held(self, incident: Incident, now_us: int) -> Silence | None:
        """Another silence that holds the same incident back."""
        case = self._desk.case(incident.id)
        if case is None or case.rule is None:
            return None
        return holding(self._store.silences(), case.rule, case.event, incident.portal, now_us)

    def _remark(self, outlet: Outlet, silence: Silence, held: Sequence[Incident], now_us: int) -> OutboxEntry:
        first = max(held, key=lambda one: priority_of(one.level) * -1)
        place = outlet.places(Facts.of(first, self._rules.get(first.rule)))[0]
        return OutboxEntry(
            id=entry_id("silence_over", silence.id, outlet.portal),
            created_us=now_us,
            kind="silence_over",
            channel=place.channel,
            message=silence_over(silence, held),
            portal=outlet.portal,
            priority=priority_of(first.level),
        )

    # -- quiet hours ---------------------------------------------------------------------------------------------------

    def _sum_up_quiet_hours(self, held: Sequence[Incident], now_us: int) -> None:
        """Quiet hours have ended: what they held back is told in one summary for each channel."""
        for portal, of_portal in _by_portal(held).items():
            decision, entries = after_quiet_hours(self._bureaus[portal].outlet, of_portal, self._rules, now_us)
            self._commit(of_portal, decision, News(entries=entries), restate=None)
            log.info("quiet_hours.over", portal=portal, held=len(of_portal), told=len(decision.log))

    # -- escalation ----------------------------------------------------------------------------------------------------

    def _escalate(self, incidents: Sequence[Incident], now_us: int) -> None:
        """Tell others of what nobody has looked at in time."""
        for portal, of_portal in _by_portal(incidents).items():
            outlet = self._bureaus[portal].outlet
            decision, news = Decision(), News()
            for incident in of_portal:
                news.entries += self._escalation(outlet, incident, decision, now_us)
            self._commit(of_portal, decision, news, restate=None)

    def _escalation(self, outlet: Outlet, incident: Incident, decision: Decision, now_us: int) -> list[OutboxEntry]:
        since_us, told_us = incident.escalate_at_us or 0, incident.told_us or 0
        if incident.escalate_at_us == ANEW:
            anew = self._awaited(outlet, incident, now_us)
            self._later(anew, anew.escalate_at_us, decision)
            return []
        silence = self._store.silence(incident.silenced.silence) if incident.silenced else None
        if silence is not None and silence.is_active(now_us):  # its time stands still
            paused = _replace(incident, told_us=told_us + silence.until_us - since_us)
            self._later(paused, silence.until_us, decision)
            return []
        places = outlet.places(Facts.of(incident, self._rules.get(incident.rule)))
        due, later_us = due_escalations(places, told_us, min(since_us, now_us), now_us)
        if incident.work != "new" or incident.withdrawn or not incident.stands_for_itself:
            due, later_us = [], None
        entries = []
        for one in due:
            message = outlet.call(escalation(incident, told_us, now_us, outlet.zone), one.mentions)
            entries.append(
                OutboxEntry(
                    id=entry_id("escalation", incident.id, str(told_us), str(one.after_us), one.channel),
                    created_us=now_us,
                    kind="escalation",
                    channel=one.channel,
                    message=message,
                    portal=outlet.portal,
                    incident=incident.id,
                    priority=priority_of(incident.level),
                )
            )
            decision.log.append(_entry(incident, now_us, Reason.ESCALATED, f"to {one.channel}"))
        self._later(incident, later_us, decision)
        return entries

    def _later(self, incident: Incident, at_us: int | None, decision: Decision) -> None:
        decision.incidents[incident.id] = _replace(incident, escalate_at_us=at_us, revision=incident.revision + 1)

    # ------------------------------------------------------------------------------------------------------------------

    def _commit(self, read: Sequence[Incident], decision: Decision, news: News, *, restate: bool | None) -> None:
        revisions = news.read | {incident.id: incident.revision for incident in read}
        self._store.respond(
            PeopleCommit(
                read={name: revision for name, revision in revisions.items() if name in decision.incidents},
                incidents=list(decision.incidents.values()),
                log=decision.log,
                outbox=news.entries,
                summed=news.summed,
                notes=news.notes,
                restate=restate,
            )
        )


def _by_portal(incidents: Iterable[Incident]) -> dict[str, list[Incident]]:
    found: dict[str, list[Incident]] = {}
    for incident in incidents:
        found.setdefault(incident.portal, []).append(incident)
    return found


def _entry(incident: Incident, now_us: int, reason: Reason, detail: str) -> LogEntry:
    return LogEntry(incident=incident.id, at_us=now_us, who=BOT, reason=reason, detail=detail)
