"""Station 7: findings that go on together become an incident: what people are told of.

In come the findings that changed, as stored before and as they are now, and the incidents that they may belong to; out go
incidents as they are to be, log entries with a named reason, and what to tell. Pure: incidents are stored and not worked out
anew, because people and the order of arrival shape them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import msgspec

from alertbot.finding import Finding
from alertbot.moments import span_us
from alertbot.rules.model import Level, Rule

Phase = Literal["going_on", "over"]
Work = Literal["new", "acknowledged", "resolved"]
BOT = "alertbot"


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What on-call is told of. Moments are microseconds since 1970, UTC, in the portal's time.

    `phase` comes from events, `work` from people; they do not change each other. `key` holds the values of `fields`.
    `findings` counts the matches of each of its findings; `follows` is the incident of the same rule and key before it.
    """

    id: str
    portal: str
    rule: str
    version: str
    title: str
    level: Level
    fields: tuple[str, ...]
    key: tuple[str, ...]
    findings: dict[str, int]
    first_us: int
    at_us: int
    last_us: int
    over_at_us: int
    phase: Phase = "going_on"
    work: Work = "new"
    withdrawn: bool = False
    follows: str | None = None

    @property
    def count(self) -> int:
        """The matches of all of its findings."""
        return sum(self.findings.values())


class Reason(StrEnum):
    """Why an incident changed. The names are stable: they stand in logs, in the store and in reports."""

    OPENED = "opened"
    OPENED_AGAIN = "opened_again"
    EXTENDED = "extended"
    JOINED = "joined"
    COUNTED = "counted"
    OVER = "over"
    WITHDRAWN = "withdrawn"


class Untold(StrEnum):
    """Why a finding is recorded and nobody is told of it."""

    HISTORY = "history"
    SHADOW = "shadow"


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an incident: when (the portal's time, microseconds), who (`alertbot` or a person), the named reason."""

    incident: str
    at_us: int
    who: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when findings are news: after the newest event of the first read, and since a rule's version is in force."""

    portal_us: int
    versions_us: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def is_news(self, found: Finding) -> bool:
        """A finding that began in history and that a later event extends is news."""
        return found.last_us > max(self.portal_us, self.versions_us.get((found.rule, found.version), self.portal_us))


@dataclass(frozen=True, slots=True)
class Telling:
    """An incident that people are to be told of, and the finding that is the occasion."""

    incident: Incident
    finding: Finding


@dataclass(slots=True)
class Decision:
    """What is to be stored and told. `untold` names the findings that nobody is told of, `belongs` the others' incidents."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    log: list[LogEntry] = field(default_factory=list)
    tell: list[Telling] = field(default_factory=list)
    untold: dict[str, Untold] = field(default_factory=dict)
    belongs: dict[str, str] = field(default_factory=dict)


def decide(
    changed: Sequence[Finding],
    gone: Iterable[str],
    incidents: Iterable[Incident],
    rules: Mapping[str, Rule],
    watch: Watch,
    now_us: int,
) -> Decision:
    """What the changed findings (in order of firing) and those that are `gone` mean for incidents.

    `incidents` are all that may be concerned: those of the findings, and the latest of every rule and key. `now_us` is the
    portal's now.
    """
    desk = _Desk(incidents, now_us)
    for found in changed:
        rule = rules[found.rule]
        if not watch.is_news(found) and found.id not in desk.of_finding:
            desk.decision.untold[found.id] = Untold.HISTORY
        elif rule.mode == "shadow":
            desk.decision.untold[found.id] = Untold.SHADOW
        else:
            desk.take(found, rule)
    for finding_id in gone:
        desk.lose(finding_id)
    return desk.decision


def close(incidents: Iterable[Incident], now_us: int) -> Decision:
    """Incidents that have been quiet for long enough are over; who gave them goes by `over_at_us`."""
    desk = _Desk(incidents, now_us)
    for incident in list(desk.incidents.values()):
        if incident.phase == "going_on" and incident.over_at_us <= now_us:
            desk.put(msgspec.structs.replace(incident, phase="over"), Reason.OVER)
    return desk.decision


class _Desk:
    """The incidents in hand while a decision is made."""

    def __init__(self, incidents: Iterable[Incident], now_us: int) -> None:
        self.now_us = now_us
        self.decision = Decision()
        self.incidents = {incident.id: incident for incident in incidents}
        self.of_finding = {finding: incident.id for incident in self.incidents.values() for finding in incident.findings}

    def put(self, incident: Incident, reason: Reason, detail: str = "") -> None:
        """Change an incident, and write down why."""
        self.incidents[incident.id] = self.decision.incidents[incident.id] = incident
        self.decision.log.append(LogEntry(incident=incident.id, at_us=self.now_us, who=BOT, reason=reason, detail=detail))

    def take(self, found: Finding, rule: Rule) -> None:
        """A finding is new or has changed."""
        own = self.of_finding.get(found.id)
        if own is not None:
            incident = self.incidents[own]
            reason = Reason.COUNTED if incident.work == "resolved" else Reason.EXTENDED
            self._add(incident, found, rule, reason)
            return
        going_on = self._that_it_continues(found, rule)
        if going_on is not None:
            self._add(going_on, found, rule, Reason.JOINED)
        else:
            self._open(found, rule)

    def lose(self, finding_id: str) -> None:
        """A finding is no more: events that came late have changed what happened."""
        own = self.of_finding.pop(finding_id, None)
        if own is None:
            return
        incident = self.incidents[own]
        left = {name: count for name, count in incident.findings.items() if name != finding_id}
        if left:
            self.put(msgspec.structs.replace(incident, findings=left), Reason.EXTENDED, "a finding was withdrawn")
        else:
            self.put(
                msgspec.structs.replace(incident, findings={}, withdrawn=True, phase="over"),
                Reason.WITHDRAWN,
                "logins that the portal showed late have changed what happened",
            )

    def _that_it_continues(self, found: Finding, rule: Rule) -> Incident | None:
        quiet_us = span_us(rule.quiet)
        for incident in reversed(self._of(found)):
            near = found.at_us <= incident.last_us + quiet_us and found.last_us + quiet_us >= incident.first_us
            if near and incident.work != "resolved" and (not incident.withdrawn or incident.version == found.version):
                return incident
        return None

    def _of(self, found: Finding) -> list[Incident]:
        same = (found.portal, found.rule, folded(found.fields, found.key))
        mine = [i for i in self.incidents.values() if (i.portal, i.rule, folded(i.fields, i.key)) == same]
        return sorted(mine, key=lambda incident: (incident.at_us, incident.id))

    def _open(self, found: Finding, rule: Rule) -> None:
        before = self._of(found)
        incident = Incident(
            id=found.id,
            portal=found.portal,
            rule=found.rule,
            version=found.version,
            title=rule.title,
            level=rule.level,
            fields=found.fields,
            key=found.key,
            findings={found.id: found.count},
            first_us=found.first_us,
            at_us=found.at_us,
            last_us=found.last_us,
            over_at_us=found.last_us + span_us(rule.quiet),
            follows=before[-1].id if before else None,
        )
        self.put(incident, Reason.OPENED_AGAIN if before else Reason.OPENED)
        self.of_finding[found.id] = self.decision.belongs[found.id] = incident.id
        self.decision.tell.append(Telling(incident, found))

    def _add(self, incident: Incident, found: Finding, rule: Rule, reason: Reason) -> None:
        last_us = max(incident.last_us, found.last_us)
        over_at_us = last_us + span_us(rule.quiet)
        self.put(
            msgspec.structs.replace(
                incident,
                findings={**incident.findings, found.id: found.count},
                first_us=min(incident.first_us, found.first_us),
                last_us=last_us,
                over_at_us=over_at_us,
                phase="going_on" if over_at_us > self.now_us else "over",
                withdrawn=False,
            ),
            reason,
        )
        self.of_finding[found.id] = self.decision.belongs[found.id] = incident.id


def folded(fields: Sequence[str], key: Sequence[str]) -> str:
    """The text by which incidents of one key are found: fields and values, case ignored."""
    return "\x1f".join(f"{name}={value.lower()}" for name, value in zip(fields, key, strict=True))
