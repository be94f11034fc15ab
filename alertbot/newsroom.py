"""What a decision has to be told as: which incidents singly, which in a summary, and what is gathered from the store for each.

In comes a decision; out go outbox entries, and the decision's incidents knowing their messages. It only reads the store: what
it writes is stored with the decision, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from alertbot.casefile import CaseFiles
from alertbot.event import Event
from alertbot.handling import Silenced
from alertbot.incidents import BOT, Decision, Incident, LogEntry, Occasion, Reason, Telling
from alertbot.incidents.storm import NEW, Storm, sort
from alertbot.moments import iso
from alertbot.outbox import OutboxEntry, entry_id
from alertbot.routing import Facts
from alertbot.rules.model import Rule
from alertbot.silences import holding
from alertbot.slack.summary import Roundup
from alertbot.store.store import Store
from alertbot.tell import Material, Outlet, roundup_entries, single, storm_entries

_MINUTE_US = 60_000_000
_replace = msgspec.structs.replace


@dataclass(slots=True)
class News:
    """Outbox entries, those that others tell of now, notes to keep in the store, and the revisions of incidents as read."""

    read: dict[str, int] = field(default_factory=dict)
    entries: list[OutboxEntry] = field(default_factory=list)
    summed: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


class Newsroom:
    """Writes the news of one portal."""

    def __init__(self, store: Store, outlet: Outlet, old_news_us: int) -> None:
        self._store = store
        self._outlet = outlet
        self._old_news_us = old_news_us

    def write(
        self,
        decision: Decision,
        rules: Mapping[str, Rule],
        events: Sequence[Event],
        now_us: int,
        clock_us: int,
        old_before_us: int | None = None,
    ) -> News:
        """The news of a decision. `events` are at hand already, `now_us` is the portal's now, `clock_us` the bot's own; what
        happened before `old_before_us` is told in one summary.
        """
        issue = _Issue(self._store, self._outlet, decision, rules, events, now_us, clock_us)
        due = issue.without_quiet(issue.without_silenced(decision.tell))
        tellings = issue.without_old_news(due, old_before_us)
        issue.storms(tellings)
        issue.late(self._old_news_us)
        return issue.news

    def restate(self, decision: Decision, rules: Mapping[str, Rule], clock_us: int) -> News:
        """The messages of a decision's incidents as they stand now: what people did shows in them, nothing new is told."""
        issue = _Issue(self._store, self._outlet, decision, rules, [], clock_us, clock_us)
        issue.changes(decision.tell)
        return issue.news


class _Issue:
    """What is written for one decision."""

    def __init__(
        self,
        store: Store,
        outlet: Outlet,
        decision: Decision,
        rules: Mapping[str, Rule],
        events: Sequence[Event],
        now_us: int,
        clock_us: int,
    ) -> None:
        self._files = CaseFiles(store, outlet.portal, decision, events, now_us)
        self.news = News(read=self._files.revisions)
        self._store = store
        self._outlet = outlet
        self._decision = decision
        self._rules = rules
        self._now_us = now_us
        self._clock_us = clock_us
        self._quiet: dict[Facts, int | None] = {}
        self._silences = {silence.id: silence for silence in store.silences()}

    # -- what is not told for a while ----------------------------------------------------------------------------------

    def without_silenced(self, tellings: Sequence[Telling]) -> list[Telling]:
        """Leave out what a silence holds back. A message that stands is still kept up to date: that calls nobody."""
        if not tellings or not self._silences:
            return list(tellings)
        return [left for telling in tellings if (left := self._unless_silenced(telling)) is not None]

    def _unless_silenced(self, telling: Telling) -> Telling | None:
        incident, rule = telling.incident, self._rules.get(telling.incident.rule)
        found = telling.finding
        if found is None or rule is None or telling.occasion is Occasion.CLOSING:
            return telling
        silence = holding(self._silences.values(), rule, self._files.firing(found), incident.portal, self._clock_us)
        if silence is None:
            if incident.silenced is None or incident.message is not None:
                return telling
            self._decision.incidents[incident.id] = incident = _replace(incident, silenced=None)
            return Telling(incident, Occasion.OPENING, found)
        if incident.silenced is None or incident.silenced.silence != silence.id:
            stored = next(iter(self._store.incidents_by_id([incident.id])), None)
            told = stored.count if stored is not None and stored.message is not None else 0
            before = incident.silenced
            held = Silenced(silence=silence.id, since_us=self._clock_us, told=before.told if before else told)
            self._decision.incidents[incident.id] = incident = _replace(incident, silenced=held)
            detail = f"{silence.what}, until {iso(silence.until_us)}: {silence.reason}"
            entry = LogEntry(incident=incident.id, at_us=self._now_us, who=BOT, reason=Reason.HELD_BY_SILENCE, detail=detail)
            self._decision.log.append(entry)
        return Telling(incident, Occasion.UPDATE, found) if incident.message is not None else None

    def without_quiet(self, tellings: Sequence[Telling]) -> list[Telling]:
        """Leave out what waits for the end of quiet hours. A message that stands is still kept up to date."""
        return [left for telling in tellings if (left := self._unless_quiet(telling)) is not None]

    def _unless_quiet(self, telling: Telling) -> Telling | None:
        incident, found = telling.incident, telling.finding
        if not _is_new(telling) or not incident.stands_for_itself:
            return telling
        until_us = self._quiet_until_us(incident)
        if until_us is None and incident.quiet_until_us is None:
            return telling
        if until_us is None:  # it has risen out of what may wait
            self._decision.incidents[incident.id] = incident = _replace(incident, quiet_until_us=None)
            return Telling(incident, Occasion.OPENING if incident.message is None else telling.occasion, found)
        if incident.quiet_until_us is None:
            self._decision.incidents[incident.id] = incident = _replace(incident, quiet_until_us=until_us)
            detail = f"until {iso(until_us)}"
            entry = LogEntry(
                incident=incident.id, at_us=self._now_us, who=BOT, reason=Reason.HELD_BY_QUIET_HOURS, detail=detail
            )
            self._decision.log.append(entry)
        return Telling(incident, Occasion.UPDATE, found) if incident.message is not None else None

    def _quiet_until_us(self, incident: Incident) -> int | None:
        facts = Facts.of(incident, self._rules.get(incident.rule))
        if facts not in self._quiet:
            self._quiet[facts] = self._outlet.quiet_until_us(facts, self._clock_us)
        return self._quiet[facts]

    # -- what is told together -----------------------------------------------------------------------------------------

    def without_old_news(self, tellings: Sequence[Telling], before_us: int | None) -> list[Telling]:
        """Tell what is old in one summary; the rest is left."""
        old = {
            telling.incident.id
            for telling in tellings
            if before_us is not None and _is_new(telling) and telling.incident.last_us < before_us
        }
        if len(old) < 2:
            return list(tellings)
        name = entry_id("old_news", self._outlet.portal, min(old))
        self._sum_up(sorted(old), Roundup(id=name, portal=self._outlet.portal, why="old_news", incidents=tuple(sorted(old))))
        return [telling for telling in tellings if telling.incident.id not in old]

    def late(self, old_news_us: int) -> None:
        """What waits for Slack so long that it is over and no news any more is told in one summary, behind what is current."""
        waiting = self._store.old_openings(self._outlet.portal, self._clock_us - old_news_us)
        if not waiting:
            return
        incidents = {one.id: one for one in self._files.read(dict.fromkeys(waiting.values()))}
        self.news.summed += [entry for entry, name in waiting.items() if name in incidents and incidents[name].message != entry]
        over = {
            entry: name
            for entry, name in waiting.items()
            if (one := incidents.get(name)) is not None and one.phase == "over" and one.message == entry
        }
        note = f"late:{self._outlet.portal}"
        kept = self._store.meta(note)
        gathered = msgspec.json.decode(kept, type=Roundup) if kept else None
        if gathered is not None and not self._waits(gathered.id):
            gathered = None
        if not over or (gathered is None and len(over) < 2):
            return
        is_new = gathered is None
        if gathered is None:
            gathered = Roundup(id=entry_id("late", self._outlet.portal, min(over)), portal=self._outlet.portal, why="late")
        names = (*gathered.incidents, *sorted(set(over.values())))
        gathered = _replace(gathered, incidents=names, revision=gathered.revision + 1)
        self.news.notes[note] = msgspec.json.encode(gathered).decode()
        self.news.summed += over
        self.news.entries = [entry for entry in self.news.entries if entry.update_of not in over]
        self._sum_up(sorted(over.values()), gathered, is_new=is_new)

    def _waits(self, entry: str) -> bool:
        return any(each.state == "waiting" for each in self._store.entries(ids=[entry]))

    def _sum_up(self, names: Sequence[str], gathered: Roundup, *, is_new: bool = True) -> None:
        for name in names:
            self._summed(name, gathered.id, gathered.why)
        told = self._files.read(gathered.incidents)
        self.news.entries += roundup_entries(self._outlet, gathered, told, is_new=is_new, now_us=self._clock_us)

    def _summed(self, name: str, summary: str, kind: str) -> None:
        incident = _replace(_changed(self._files.known(name)), summary=summary, summed_as=kind, message=None)
        self._decision.incidents[name] = incident
        entry = LogEntry(incident=name, at_us=self._now_us, who=BOT, reason=Reason.SUMMED_UP, detail=kind)
        self._decision.log.append(entry)

    # -- storms --------------------------------------------------------------------------------------------------------

    def storms(self, tellings: Sequence[Telling]) -> None:
        """Tell singly what is no part of a storm, and of a storm what must stand out; sum up the rest."""
        note = f"storms:{self._outlet.portal}"
        kept = self._store.meta(note) or "[]"
        before = {storm.rule: storm for storm in msgspec.json.decode(kept, type=list[Storm])}
        new, changes = [], []
        stirred: set[str] = set()
        for telling in tellings:
            if _is_new(telling) or self._goes_on_after_summary(telling):
                new.append(telling)
            elif telling.incident.summed_as == "storm" and telling.incident.message is None:
                stirred.add(telling.incident.rule)
            else:
                changes.append(telling)
        recent = self._recent({telling.incident.rule for telling in new})
        sorted_ = sort(
            new, before, recent, self._now_us, lambda rule, first: entry_id("storm", self._outlet.portal, rule, first)
        )
        for name, summary in sorted_.joined.items():
            self._summed(name, summary, "storm")
        self._singly([*sorted_.singly, *self._turns(sorted_.turn), *changes])
        for storm in sorted_.over:
            self._write(storm, before, over=True)
        after = []
        for rule, storm in sorted_.storms.items():
            changed = storm.id in sorted_.changed or rule in stirred or storm.is_calm(self._now_us)
            after.append(self._write(storm, before, over=False) if changed else storm)
        if after != list(before.values()):
            self.news.notes[note] = msgspec.json.encode(after).decode()

    def _turns(self, names: Iterable[str]) -> list[Telling]:
        """Whom a storm's summary has told of and who are to be told singly now, unless that was settled meanwhile."""
        waited = [_changed(self._files.known(name)) for name in names]
        waited = [
            one
            for one in waited
            if one.message is None and one.stands_for_itself and not one.withdrawn and one.work != "resolved"
        ]
        self._decision.incidents.update({one.id: one for one in waited})
        tellings = [Telling(one, Occasion.OPENING, self._files.latest(one)) for one in waited]
        return self.without_quiet(self.without_silenced(tellings))

    def _goes_on_after_summary(self, telling: Telling) -> bool:
        """An incident that only a summary of old things has told of, and that goes on now, is news."""
        incident = telling.incident
        told_as_old = incident.summed_as in ("old_news", "late") and incident.message is None
        return told_as_old and incident.phase == "going_on" and telling.finding is not None and incident.stands_for_itself

    def _recent(self, rules: Iterable[str]) -> dict[str, int]:
        since_us = self._now_us - _MINUTE_US
        return {rule: self._store.count_incidents(self._outlet.portal, rule, since_us) for rule in sorted(rules)}

    def _write(self, storm: Storm, before: Mapping[str, Storm], *, over: bool) -> Storm:
        stored = self._store.incidents_of_rule(storm.portal, storm.rule, storm.since_us)
        here = [one for one in self._decision.incidents.values() if one.rule == storm.rule and one.at_us >= storm.since_us]
        members = {one.id: one for one in (*stored, *here) if one.stands_for_itself}
        is_new = all(storm.id != one.id for one in before.values())
        storm = _replace(storm, revision=storm.revision + 1)
        storm, entries = storm_entries(
            self._outlet,
            storm,
            list(members.values()),
            self._rules.get(storm.rule),
            is_new=is_new,
            over=over,
            calm=storm.is_calm(self._now_us),
            now_us=self._clock_us,
        )
        self.news.entries += entries
        return storm

    # -- one incident, one message -------------------------------------------------------------------------------------

    def changes(self, tellings: Sequence[Telling]) -> None:
        """Show how incidents stand now that have a message."""
        self._singly(tellings)

    def _singly(self, tellings: Sequence[Telling]) -> None:
        """New messages first: a change of one may point to another."""
        for telling in sorted(tellings, key=lambda each: each.occasion not in NEW):
            current = Telling(self._files.known(telling.incident.id), telling.occasion, telling.finding)
            if self._goes_on_after_summary(current):
                current = Telling(current.incident, Occasion.OPENING, current.finding)
            incident, entries = single(
                self._outlet, current, self._rules.get(current.incident.rule), self._material(current), self._clock_us
            )
            self._decision.incidents[incident.id] = incident
            self.news.entries += entries

    def _material(self, telling: Telling) -> Material:
        incident = telling.incident
        if self._outlet.by_webhook and telling.occasion not in (Occasion.OPENING, Occasion.RISE):
            return Material()
        if telling.occasion not in NEW and incident.message is None:
            return Material()
        found = telling.finding or self._files.latest(incident)
        evidence = self._files.evidence(found) if found is not None else ()
        standing = self._files.standing(incident)
        held = self._silences.get(incident.silenced.silence) if incident.silenced else None
        silence = held if held is not None and held.is_active(self._clock_us) else None
        if telling.occasion not in NEW or incident.posts:
            return Material(evidence=evidence, standing=standing, silence=silence)
        return Material(
            evidence=evidence,
            before=self._files.before(incident, evidence),
            others=self._files.others(incident),
            standing=standing,
            silence=silence,
        )


def _changed(incident: Incident) -> Incident:
    """An incident that is about to change: whoever has read it before notices."""
    return _replace(incident, revision=incident.revision + 1)


def _is_new(telling: Telling) -> bool:
    return telling.occasion in NEW
