"""The decision: what findings that changed mean for incidents.

In come findings as they are now, the events that made them fire, and the incidents that may be concerned; out goes a
`Decision`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from alertbot.engine.keys import text_of
from alertbot.event import Event
from alertbot.finding import Finding, Key
from alertbot.incidents.incident import BOT, About, Decision, Incident, LogEntry, Occasion, Reason, Untold, Watch, folded
from alertbot.moments import span_us
from alertbot.rules.model import LEVELS, Level, Rule

_LATE = "what the portal showed late has changed what happened"
_replace = msgspec.structs.replace
_Kind = tuple[str, str, str]


def decide(
    changed: Sequence[Finding],
    gone: Iterable[str],
    incidents: Iterable[Incident],
    rules: Mapping[str, Rule],
    watch: Watch,
    now_us: int,
    firing: Mapping[str, Event] | None = None,
) -> Decision:
    """What the changed findings (in order of firing) and those that are `gone` mean for incidents.

    `incidents` are all that may be concerned: those of the findings, with what they hold and are held by; of every rule and key
    the latest, and those near in time; and those that hold back or are held back (`holding_keys`). `now_us` is the portal's
    now, `firing` the event that made each finding fire.
    """
    desk = _Desk(incidents, rules, now_us)
    for found in changed:
        rule = rules[found.rule]
        if not watch.is_news(found) and found.id not in desk.of_finding:
            desk.decision.untold[found.id] = Untold.HISTORY
        elif rule.heard_only:
            desk.decision.untold[found.id] = Untold.HEARD
        elif rule.mode == "shadow":
            desk.decision.untold[found.id] = Untold.SHADOW
        else:
            desk.take(found, rule, (firing or {}).get(found.id))
    for finding_id in gone:
        desk.lose(finding_id)
    return desk.decision


def close(incidents: Iterable[Incident], now_us: int) -> Decision:
    """Incidents that have been quiet for long enough are over; who gave them goes by `over_at_us`."""
    desk = _Desk(incidents, {}, now_us)
    for incident in list(desk.incidents.values()):
        if incident.phase == "going_on" and incident.over_at_us <= now_us:
            detail = "nobody has looked" if incident.work == "new" and incident.stands_for_itself else ""
            desk.put(_replace(incident, phase="over"), Reason.OVER, detail)
            if incident.stands_for_itself:
                desk.decision.note(incident.id, Occasion.CLOSING)
    return desk.decision


def level_of(rule: Rule, event: Event | None) -> Level:
    """The level of a finding that this event made fire: `raise` lifts it, and never lowers it."""
    raised = [each.to for each in rule.raises if event is not None and each.match.test(event)]
    return max((rule.level, *raised), key=LEVELS.index)


def incident_key(found: Finding, rule: Rule, event: Event | None) -> tuple[tuple[str, ...], Key]:
    """The fields and values that key the incident of a finding: the rule's `group` where the firing event has all of it."""
    if rule.group and event is not None:
        values = tuple(_value(event, name) for name in rule.group)
        if all(values):
            return rule.group, values
    return found.fields, found.key


@dataclass(frozen=True, slots=True)
class Holding:
    """Incidents of a rule that may hold a finding back or be taken over by it: with this key, or of any (None)."""

    rule: str
    key: Key | None


def holding_keys(found: Finding, event: Event | None, rules: Mapping[str, Rule]) -> Iterator[Holding]:
    """Which incidents of other rules matter to a finding, because of `inhibits`."""
    rule = rules[found.rule]
    _, key = incident_key(found, rule, event)
    for other in rules.values():
        if rule.name in other.inhibits:
            for one in {key, found.key, *([_values(event, other.group)] if event is not None and other.group else [])}:
                yield Holding(other.name, one)
        if other.name in rule.inhibits:
            yield Holding(other.name, None if rule.group else key)


class _Desk:
    """The incidents in hand while a decision is made."""

    def __init__(self, incidents: Iterable[Incident], rules: Mapping[str, Rule], now_us: int) -> None:
        self.rules = rules
        self.now_us = now_us
        self.decision = Decision()
        self.incidents: dict[str, Incident] = {}
        self.of_kind: dict[_Kind, set[str]] = {}
        self.of_rule: dict[str, set[str]] = {}
        for incident in incidents:
            self._keep(incident)
        self.of_finding = {finding: incident.id for incident in self.incidents.values() for finding in incident.findings}
        self.holders = {name: [rule for rule in rules.values() if name in rule.inhibits] for name in rules}

    def _keep(self, incident: Incident) -> None:
        self.incidents[incident.id] = incident
        self.of_kind.setdefault(_kind(incident), set()).add(incident.id)
        self.of_rule.setdefault(incident.rule, set()).add(incident.id)

    def put(self, incident: Incident, reason: Reason, detail: str = "") -> Incident:
        """Change an incident, and write down why."""
        incident = _replace(incident, revision=incident.revision + 1)
        self._keep(incident)
        self.decision.incidents[incident.id] = incident
        self.decision.log.append(LogEntry(incident=incident.id, at_us=self.now_us, who=BOT, reason=reason, detail=detail))
        return incident

    # -- findings come -------------------------------------------------------------------------------------------------

    def take(self, found: Finding, rule: Rule, event: Event | None) -> None:
        """A finding is new or has changed."""
        own = self.of_finding.get(found.id)
        fields, key = incident_key(found, rule, event)
        near = self._near(found, rule, fields, key)
        if own is not None:
            incident = self.incidents[own]
            reason = Reason.COUNTED if incident.work == "resolved" else Reason.EXTENDED
            incident = self._add(incident, found, rule, event, reason)
        elif near:
            reason = Reason.GROUPED if rule.group and fields == rule.group else Reason.JOINED
            incident = self._add(near[0], found, rule, event, reason)
        else:
            self._open(found, rule, event, fields, key)
            return
        self._merge(incident, [one for one in self._near(found, rule, fields, key) if one.id != incident.id])

    def _near(self, found: Finding, rule: Rule, fields: Sequence[str], key: Key) -> list[Incident]:
        """The incidents that a finding continues, the oldest first."""
        quiet_us = span_us(rule.quiet)
        return [
            one
            for one in self._of((found.portal, found.rule, folded(fields, key)))
            if found.at_us <= one.last_us + quiet_us
            and found.last_us + quiet_us >= one.first_us
            and one.work != "resolved"
            and one.merged_into is None
            and (not one.withdrawn or one.version == found.version)
        ]

    def _of(self, kind: _Kind) -> list[Incident]:
        mine = [self.incidents[name] for name in self.of_kind.get(kind, ())]
        return sorted(mine, key=lambda incident: (incident.at_us, incident.id))

    def _open(self, found: Finding, rule: Rule, event: Event | None, fields: tuple[str, ...], key: Key) -> None:
        before = [one for one in self._of((found.portal, found.rule, folded(fields, key))) if one.merged_into is None]
        groups = {name for other in self.holders.get(found.rule, ()) for name in other.group}
        incident = Incident(
            id=found.id,
            portal=found.portal,
            rule=found.rule,
            version=found.version,
            title=rule.title,
            level=level_of(rule, event),
            fields=tuple(fields),
            key=key,
            findings={found.id: found.count},
            first_us=found.first_us,
            at_us=found.at_us,
            last_us=found.last_us,
            over_at_us=found.last_us + span_us(rule.quiet),
            follows=before[-1].id if before else None,
            about=About.of(event),
            shared={name: _value(event, name) for name in sorted(groups)} if event is not None else {},
        )
        self.of_finding[found.id] = self.decision.belongs[found.id] = incident.id
        self.decision.findings[incident.id] = found
        holder = self._holder(incident, found)
        if holder is not None:
            incident = self.put(_replace(incident, held_by=holder.id), Reason.HELD_BACK, f"while {holder.title} goes on")
            self.put(_replace(holder, holds=(*holder.holds, incident.id)), Reason.HELD_BACK, f"a finding of {incident.rule}")
            self.decision.note(holder.id, Occasion.UPDATE)
            return
        incident = self.put(incident, Reason.OPENED_AGAIN if before else Reason.OPENED)
        self.decision.note(incident.id, Occasion.OPENING)
        self._take_over(incident, rule)
        if before and before[-1].message is not None and before[-1].stands_for_itself:
            earlier = self.incidents[before[-1].id]
            self.put(_replace(earlier, followed_by=incident.id), Reason.OPENED_AGAIN, f"as {incident.id}")
            self.decision.note(earlier.id, Occasion.UPDATE)

    def _add(self, incident: Incident, found: Finding, rule: Rule, event: Event | None, reason: Reason) -> Incident:
        last_us = max(incident.last_us, found.last_us)
        over_at_us = last_us + span_us(rule.quiet)
        level = _higher(incident.level, level_of(rule, event)) if event is not None else incident.level
        was, resolved = incident, incident.work == "resolved"
        incident = self.put(
            _replace(
                incident,
                findings={**incident.findings, found.id: found.count},
                first_us=min(incident.first_us, found.first_us),
                last_us=last_us,
                over_at_us=over_at_us,
                phase="going_on" if over_at_us > self.now_us else "over",
                level=incident.level if resolved else level,
                withdrawn=False,
            ),
            reason,
        )
        self.of_finding[found.id] = self.decision.belongs[found.id] = incident.id
        self.decision.findings[incident.id] = found
        if incident.held_by is not None:
            return self._still_held(incident, found)
        self.decision.note(incident.id, Occasion.UPDATE)
        if resolved:
            return incident
        if was.level != incident.level:
            incident = self.put(incident, Reason.RAISED, f"from {was.level} to {incident.level}")
            self.decision.note(incident.id, Occasion.RISE)
        if was.phase == "over" and incident.phase == "going_on":
            incident = self.put(incident, Reason.RETURNED)
            self.decision.note(incident.id, Occasion.RETURN)
        return incident

    def _merge(self, incident: Incident, others: Sequence[Incident]) -> None:
        """A finding has closed the gap between incidents of one key: the earliest of them goes on."""
        if not others or incident.work == "resolved":
            return
        stays, *go = sorted((incident, *others), key=lambda one: (one.at_us, one.id))
        for one in go:
            self.put(
                _replace(one, merged_into=stays.id, findings={}, holds=(), phase="over"), Reason.MERGED, f"into {stays.id}"
            )
            for name in one.findings:
                self.of_finding[name] = stays.id
                self.decision.belongs[name] = stays.id
            for name in one.holds:
                self.put(_replace(self.incidents[name], held_by=stays.id), Reason.MERGED, f"its holder into {stays.id}")
            if one.id in self.decision.findings:
                self.decision.findings[stays.id] = self.decision.findings.pop(one.id)
            last_us = max(stays.last_us, one.last_us)
            stays = self.put(
                _replace(
                    stays,
                    findings={**stays.findings, **one.findings},
                    holds=(*stays.holds, *one.holds),
                    last_us=last_us,
                    over_at_us=max(stays.over_at_us, one.over_at_us),
                    phase="going_on" if "going_on" in (stays.phase, one.phase) else "over",
                    level=_higher(stays.level, one.level),
                    work="new" if "new" in (stays.work, one.work) else stays.work,
                    followed_by=one.followed_by if stays.followed_by == one.id else stays.followed_by,
                ),
                Reason.MERGED,
                f"with {one.id}",
            )
            if one.message is not None:
                self.decision.note(one.id, Occasion.UPDATE)
            else:
                self.decision.occasions.pop(one.id, None)
        self.decision.note(stays.id, Occasion.UPDATE)

    # -- findings go ---------------------------------------------------------------------------------------------------

    def lose(self, finding_id: str) -> None:
        """A finding is no more: events that came late have changed what happened."""
        own = self.of_finding.pop(finding_id, None)
        if own is None:
            return
        incident = self.incidents[own]
        left = {name: count for name, count in incident.findings.items() if name != finding_id}
        if left:
            self.put(_replace(incident, findings=left), Reason.EXTENDED, "a finding was withdrawn")
        else:
            incident = self.put(
                _replace(incident, findings={}, withdrawn=True, phase="over", holds=()), Reason.WITHDRAWN, _LATE
            )
            for name in self._held(incident.id):
                self._release(self.incidents[name], "what held it back was withdrawn")
        if incident.stands_for_itself:
            self.decision.note(incident.id, Occasion.UPDATE)

    def _held(self, holder: str) -> list[str]:
        return sorted(one.id for one in self.incidents.values() if one.held_by == holder)

    # -- inhibition ----------------------------------------------------------------------------------------------------

    def _holder(self, incident: Incident, found: Finding) -> Incident | None:
        """The incident that goes on and whose rule inhibits this one's, for an equal key."""
        for rule in self.holders.get(incident.rule, ()):
            for name in sorted(self.of_rule.get(rule.name, ())):
                other = self.incidents[name]
                if other.id != incident.id and _equal(other, rule, incident, found) and _goes_on_at(other, found):
                    top = self._top(other)
                    if top is not None and top.id != incident.id:
                        return top
        return None

    def _top(self, incident: Incident) -> Incident | None:
        """The incident that people are told of in place of this one; None where that is not in hand, or in a circle."""
        seen = {incident.id}
        while incident.held_by is not None:
            above = self.incidents.get(incident.held_by)
            if above is None or above.id in seen:
                return None
            seen.add(above.id)
            incident = above
        return incident

    def _take_over(self, incident: Incident, rule: Rule) -> None:
        """Findings of the rules that it inhibits are held back from now on; of those that were told, the message is taken."""
        for name in rule.inhibits:
            for other_id in sorted(self.of_rule.get(name, ())):
                other = self.incidents[other_id]
                if (
                    other.stands_for_itself
                    and not other.withdrawn
                    and other.phase == "going_on"
                    and other.work != "resolved"
                    and other.portal == incident.portal
                    and _equal(incident, rule, other, None)
                ):
                    incident = self._take(incident, other)

    def _take(self, incident: Incident, other: Incident) -> Incident:
        told = other.message is not None
        in_place = told and incident.message is None and not _is_higher(incident.level, other.level)
        self.put(
            _replace(
                other,
                held_by=incident.id,
                message=None if in_place else other.message,
                copies={} if in_place else other.copies,
            ),
            Reason.TAKEN_OVER if told else Reason.HELD_BACK,
            f"by {incident.title} ({incident.id})",
        )
        self.decision.occasions.pop(other.id, None)
        if told and not in_place:
            self.decision.note(other.id, Occasion.UPDATE)
        return self.put(
            _replace(
                incident,
                holds=(*incident.holds, other.id),
                message=other.message if in_place else incident.message,
                copies=other.copies if in_place else incident.copies,
            ),
            Reason.TOOK_OVER,
            f"{other.title} ({other.id})",
        )

    def _still_held(self, incident: Incident, found: Finding) -> Incident:
        holder = self._top(incident)
        if holder is not None and holder.id != incident.id and _goes_on_at(holder, found):
            holder = _replace(holder, revision=holder.revision + 1)
            self._keep(holder)
            self.decision.incidents[holder.id] = holder
            self.decision.note(holder.id, Occasion.UPDATE)
            return incident
        return self._release(incident, "what held it back is over")

    def _release(self, incident: Incident, detail: str) -> Incident:
        """It stands for itself again; where it lent its message, the message is its own again."""
        holder = self.incidents.get(incident.held_by or "")
        back = None
        lent_back: dict[str, str] = {}
        if holder is not None:
            lent = incident.message is None and incident.posts > 0 and holder.posts == 0
            back = holder.message if lent and holder.withdrawn else None
            left = tuple(name for name in holder.holds if name != incident.id)
            if left != holder.holds or back is not None:
                copies = {} if back is not None else holder.copies
                lent_back = holder.copies if back is not None else {}
                holder = _replace(holder, holds=left, message=None if back is not None else holder.message, copies=copies)
                self._keep(holder)
                self.decision.incidents[holder.id] = holder
        incident = _replace(incident, held_by=None, message=back or incident.message, copies=lent_back or incident.copies)
        incident = self.put(incident, Reason.RELEASED, detail)
        told_again = incident.message is not None and holder is not None and holder.withdrawn
        occasion = Occasion.UPDATE if told_again else Occasion.RETURN if incident.posts else Occasion.OPENING
        self.decision.note(incident.id, occasion)
        return incident


def _kind(incident: Incident) -> _Kind:
    return incident.portal, incident.rule, folded(incident.fields, incident.key)


def _goes_on_at(holder: Incident, found: Finding) -> bool:
    """Whether the holder goes on while the finding happens, and people still care for it."""
    in_time = holder.first_us <= found.last_us and found.last_us <= holder.over_at_us
    return in_time and holder.work != "resolved" and not holder.withdrawn and holder.portal == found.portal


def _equal(holder: Incident, rule: Rule, other: Incident, found: Finding | None) -> bool:
    """Whether an incident of a rule that inhibits is about the same as another one: an equal key, or equal `group` values."""
    mine = folded(holder.fields, holder.key)
    if folded(other.fields, other.key) == mine or (found is not None and folded(found.fields, found.key) == mine):
        return True
    if not rule.group or holder.fields != rule.group:
        return False
    values = [other.shared.get(name, "") for name in rule.group]
    return all(values) and folded(rule.group, values) == mine


def _is_higher(level: Level, other: Level) -> bool:
    return LEVELS.index(level) > LEVELS.index(other)


def _higher(level: Level, other: Level) -> Level:
    return level if _is_higher(level, other) else other


def _values(event: Event, fields: Sequence[str]) -> Key:
    return tuple(_value(event, name) for name in fields)


def _value(event: Event, field: str) -> str:
    """A field's value as it keys; absent is empty."""
    return text_of(event, field) or ""
