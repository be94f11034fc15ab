"""From a decision to the outbox: which messages an incident has, which of them change, and which is new. Pure.

In come what is to be told and what was gathered for it; out go incidents that know their message, and outbox entries. An
incident has one message that lives: it is posted once, updated in place, and posted anew only where its level rises or it comes
back. Through an incoming webhook, where nothing can be updated, only an opening and a rise of level are posted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from alertbot.event import Event
from alertbot.incidents import Incident, Occasion, Telling
from alertbot.incidents.storm import Storm
from alertbot.moments import span_us
from alertbot.outbox import JOIN, LATER, UPDATE, Message, OutboxEntry, entry_id, priority_of
from alertbot.routing import Call, Destination, Facts, destinations, first_escalation_us, quiet_until_us, spread
from alertbot.rules.model import LEVELS, Each, Rule
from alertbot.settings import Route
from alertbot.silences import Silence
from alertbot.slack.actions import Hands, became, below
from alertbot.slack.background import background, familiar
from alertbot.slack.message import closing, is_crowd, opening
from alertbot.slack.remarks import uncalled
from alertbot.slack.state import Standing
from alertbot.slack.summary import Roundup, incident_list, roundup, roundup_list, storm_summary

LIST_EVERY = timedelta(minutes=1)
"""A storm's list is written anew at most so often, and only when it has doubled, or when the storm has calmed down."""

_replace = msgspec.structs.replace
_POSTED = {Occasion.OPENING: "opening", Occasion.RISE: "rise", Occasion.RETURN: "return"}


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where the messages of a portal go, and what they say of it."""

    portal: str
    channel: str
    zone: ZoneInfo
    portal_url: str
    by_webhook: bool = False
    routes: tuple[Route, ...] = ()
    call: Call = uncalled
    hands: Hands = field(default_factory=Hands)

    def quiet_until_us(self, facts: Facts, now_us: int) -> int | None:
        """When the quiet hours end in which something is not told now; None: it is told."""
        return quiet_until_us(self.routes, facts, now_us, self.zone)

    def places(self, facts: Facts) -> list[Destination]:
        """Where something is told, the place of the living message first. Behind a webhook there is one channel."""
        found = destinations(self.routes, facts, self.channel)
        if not self.by_webhook:
            return found
        mentions = tuple(dict.fromkeys(name for place in found for name in place.mentions))
        return [Destination(self.channel, mentions, tuple(one for place in found for one in place.escalations))]


@dataclass(frozen=True, slots=True)
class Material:
    """What was gathered for the message of an incident. `before` are its account's events up to it, newest first."""

    evidence: tuple[Event, ...] = ()
    before: tuple[Event, ...] = ()
    others: tuple[Incident, ...] = ()
    standing: Standing = field(default_factory=Standing)
    silence: Silence | None = None


def single(
    outlet: Outlet, telling: Telling, rule: Rule | None, material: Material, now_us: int
) -> tuple[Incident, list[OutboxEntry]]:
    """The entries for one incident, and the incident with the message that it has then. `now_us` is the bot's own clock."""
    incident, entries = _single(outlet, telling, rule or _bygone(telling.incident), material, now_us)
    places = outlet.places(Facts.of(incident, rule))
    taken_over = incident.told_us is None and incident.message is not None
    if incident.posts > telling.incident.posts or taken_over:
        incident = awaited(incident, places, now_us)
    return spread(telling.incident, incident, entries, places, outlet.call)


def awaited(incident: Incident, places: Sequence[Destination], now_us: int) -> Incident:
    """The incident with the moment at which it is told to others, if nobody has looked at it by then."""
    after_us = first_escalation_us(places)
    until_us = now_us + after_us if after_us is not None and incident.work == "new" else None
    return _replace(incident, told_us=now_us, escalate_at_us=until_us)


def _single(
    outlet: Outlet, telling: Telling, rule: Rule, material: Material, now_us: int
) -> tuple[Incident, list[OutboxEntry]]:
    incident, occasion = telling.incident, telling.occasion
    if outlet.by_webhook:
        if occasion not in (Occasion.OPENING, Occasion.RISE) or not incident.stands_for_itself:
            return incident, []
        return _posted(outlet, incident, occasion, rule, material, now_us)
    if occasion in _POSTED and not (occasion is Occasion.OPENING and incident.message is not None):
        return _posted(outlet, incident, occasion, rule, material, now_us)
    message = incident.message
    if message is None:
        return incident, []
    if occasion is Occasion.OPENING:
        incident = _with_place(incident, material)
    entries = [_update(outlet, incident, message, _render(outlet, incident, rule, material), now_us)]
    if occasion is Occasion.OPENING:
        entries += _background(outlet, incident, message, material, now_us)
    if occasion is Occasion.CLOSING:
        note = closing(incident, outlet.zone)
        entries.append(_reply(outlet, incident, "closing", message, note, now_us, str(incident.revision)))
    return incident, entries


def _posted(
    outlet: Outlet, incident: Incident, occasion: Occasion, rule: Rule, material: Material, now_us: int
) -> tuple[Incident, list[OutboxEntry]]:
    """A message of its own in the channel; the one before it, if there is one, points to it."""
    kind, old = _POSTED[occasion], incident.message
    name = entry_id("opening", incident.id) if not incident.posts else entry_id("opening", incident.id, str(incident.posts))
    incident = _with_place(incident, material)
    incident = _replace(
        incident,
        message=name,
        posts=incident.posts + 1,
        earlier=old or incident.earlier or material.standing.earlier,
        again=kind if old is not None else incident.again,
    )
    message = _render(outlet, incident, rule, material)
    post = OutboxEntry(
        id=name,
        created_us=now_us,
        kind=kind,
        channel=outlet.channel,
        message=message,
        portal=outlet.portal,
        incident=incident.id,
        priority=priority_of(incident.level),
    )
    if outlet.by_webhook:
        return incident, [post]
    entries = [post, *_background(outlet, incident, name, material, now_us)]
    if old is not None:
        standing = _replaced(material.standing, earlier=None, later=name)
        closed = opening(
            incident,
            rule,
            material.evidence,
            zone=outlet.zone,
            portal_url=outlet.portal_url,
            standing=standing,
            below=became(incident, outlet.zone, material.silence),
        )
        entries.append(_update(outlet, incident, old, closed, now_us))
    return incident, entries


def _render(outlet: Outlet, incident: Incident, rule: Rule, material: Material) -> Message:
    return opening(
        incident,
        rule,
        material.evidence,
        zone=outlet.zone,
        portal_url=outlet.portal_url,
        standing=_replaced(material.standing, earlier=incident.earlier, beside=_beside(incident, material)),
        below=below(incident, outlet.zone, outlet.hands, material.silence),
    )


def _replaced(standing: Standing, *, earlier: str | None, later: str | None = None, beside: Incident | None = None) -> Standing:
    return replace(standing, earlier=earlier, later=later, beside=beside)


def _beside(incident: Incident, material: Material) -> Incident | None:
    """The worse incident beside it, as it stands now."""
    return next((one for one in material.others if one.id == incident.beside), material.standing.beside)


def _with_place(incident: Incident, material: Material) -> Incident:
    """The incident with what its account's logins say of the place, and what worse there is beside it."""
    worse = [one for one in material.others if LEVELS.index(one.level) > LEVELS.index(incident.level)]
    if worse and incident.beside is None:
        first = max(worse, key=lambda one: (LEVELS.index(one.level), one.last_us, one.id))
        incident = _replace(incident, beside=first.id)
    if incident.familiar is not None or not material.evidence or not material.evidence[-1].known:
        return incident
    return _replace(incident, familiar=familiar(material.evidence[-1], material.before))


def _background(outlet: Outlet, incident: Incident, message: str, material: Material, now_us: int) -> list[OutboxEntry]:
    crowd = material.evidence if is_crowd(incident, material.evidence) else ()
    done = [event for event in material.evidence if event.feed == "audit"]
    known = background(incident, material.before, material.others, outlet.zone, crowd, done)
    if known is None or incident.posts > 1:
        return []
    return [_reply(outlet, incident, "background", message, known, now_us)]


def _reply(outlet: Outlet, incident: Incident, kind: str, message: str, note: Message, now_us: int, *more: str) -> OutboxEntry:
    return OutboxEntry(
        id=entry_id(kind, incident.id, *more),
        created_us=now_us,
        kind=kind,
        channel=outlet.channel,
        message=note,
        portal=outlet.portal,
        incident=incident.id,
        thread_of=message,
        priority=LATER,
    )


def _update(outlet: Outlet, incident: Incident, of: str, message: Message, now_us: int) -> OutboxEntry:
    return OutboxEntry(
        id=entry_id(UPDATE, of, incident.id, str(incident.revision)),
        created_us=now_us,
        kind=UPDATE,
        channel=outlet.channel,
        message=message,
        portal=outlet.portal,
        incident=incident.id,
        update_of=of,
        priority=LATER,
        not_before_us=now_us + span_us(JOIN),
    )


# -- many at once ----------------------------------------------------------------------------------------------------------


def storm_entries(
    outlet: Outlet,
    storm: Storm,
    incidents: Sequence[Incident],
    rule: Rule | None,
    *,
    is_new: bool,
    over: bool,
    calm: bool = False,
    now_us: int,
) -> tuple[Storm, list[OutboxEntry]]:
    """The summary of a storm as it stands, where its rule is told, and its list when that says much more than the last one."""
    singly = sum(one.message is not None for one in incidents)
    message = storm_summary(
        storm,
        incidents,
        zone=outlet.zone,
        portal_url=outlet.portal_url,
        over=over,
        singly=singly,
        threaded=not outlet.by_webhook,
    )
    if calm:
        storm = _replace(storm, calm_us=storm.last_us)
    if outlet.by_webhook and not is_new:
        return storm, []
    facts = Facts(storm.level, storm.rule, storm.portal, rule.tags if rule else (), None, rule.route if rule else None)
    first, *others = outlet.places(facts)
    summary = _summary(outlet, storm.id, "storm", message, storm.revision, now_us, priority_of(storm.level), is_new)
    entries = [_at(outlet, summary, first)]
    if is_new:
        storm = _replace(storm, copies={entry_id("copy", storm.id, place.channel): place.channel for place in others})
    for name, channel in storm.copies.items():
        place = next((one for one in others if one.channel == channel), Destination(channel))
        copy = _summary(outlet, name, "copy", message, storm.revision, now_us, priority_of(storm.level), is_new)
        entries.append(_at(outlet, copy, place))
    more = len(incidents) > storm.listed
    doubled = len(incidents) >= 2 * storm.listed and now_us >= storm.listed_us + span_us(LIST_EVERY)
    if not outlet.by_webhook and more and (over or calm or doubled):
        storm = _replace(storm, listed=len(incidents), listed_us=now_us)
        file = incident_list(incidents, f"{storm.rule}.csv")
        listed = _thread(outlet, storm.id, "storm_list", file, now_us, str(len(incidents)))
        entries.append(_replace(listed, channel=first.channel))
    return storm, entries


def roundup_entries(
    outlet: Outlet,
    gathered: Roundup,
    incidents: Sequence[Incident],
    *,
    is_new: bool,
    now_us: int,
    place: Destination | None = None,
) -> list[OutboxEntry]:
    """The summary of what is no news any more, and the list in its thread; without a place it goes where the worst goes."""
    message = roundup(
        gathered.why,
        incidents,
        zone=outlet.zone,
        portal_url=outlet.portal_url,
        portal=outlet.portal,
        threaded=not outlet.by_webhook,
    )
    worst = max(incidents, key=lambda one: (LEVELS.index(one.level), one.id))
    place = place or outlet.places(Facts.of(worst, None))[0]
    summary = _summary(outlet, gathered.id, gathered.why, message, gathered.revision, now_us, LATER, is_new)
    entries = [_at(outlet, summary, place)]
    if not outlet.by_webhook:
        listed = _thread(outlet, gathered.id, f"{gathered.why}_list", roundup_list(incidents, outlet.zone), now_us)
        if not is_new:
            revised = entry_id(UPDATE, listed.id, str(gathered.revision))
            listed = _replace(listed, id=revised, kind=UPDATE, update_of=listed.id, thread_of=None)
        entries.append(_replace(listed, channel=place.channel))
    return entries


def _at(outlet: Outlet, entry: OutboxEntry, place: Destination) -> OutboxEntry:
    """The entry for a place, calling whom the place calls."""
    message = outlet.call(entry.message, place.mentions) if place.mentions else entry.message
    return _replace(entry, channel=place.channel, message=message)


def _summary(
    outlet: Outlet, name: str, kind: str, message: Message, revision: int, now_us: int, priority: int, is_new: bool
) -> OutboxEntry:
    return OutboxEntry(
        id=name if is_new else entry_id(UPDATE, name, str(revision)),
        created_us=now_us,
        kind=kind if is_new else UPDATE,
        channel=outlet.channel,
        message=message,
        portal=outlet.portal,
        update_of=None if is_new else name,
        priority=priority if is_new else LATER,
        not_before_us=0 if is_new else now_us + span_us(JOIN),
    )


def _thread(outlet: Outlet, of: str, kind: str, message: Message, now_us: int, *more: str) -> OutboxEntry:
    return OutboxEntry(
        id=entry_id(kind, of, *more),
        created_us=now_us,
        kind=kind,
        channel=outlet.channel,
        message=message,
        portal=outlet.portal,
        thread_of=of,
        priority=LATER,
    )


def _bygone(incident: Incident) -> Rule:
    """A rule that is not in the files any more, as far as its incident knows it."""
    return Rule(
        name=incident.rule,
        title=incident.title,
        path="",
        line=0,
        version=incident.version,
        level=incident.level,
        mode="live",
        feeds=frozenset({"login"}),
        condition=None,
        pattern=Each(),
        by=incident.fields,
        quiet=timedelta(0),
    )
