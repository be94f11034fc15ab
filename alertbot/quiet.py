"""Station 8: quiet hours have ended: what they held back is told, in one summary for each channel. Pure.

In come the incidents of a portal that were not posted at their time; out go a decision and outbox entries. What a person has
settled meanwhile, what another incident or a silence stands for, and what turned out to be nothing is left out. What still goes
on gets no message of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alertbot.incidents import BOT, Decision, Incident, LogEntry, Reason
from alertbot.outbox import OutboxEntry, entry_id
from alertbot.routing import Destination, Facts
from alertbot.rules.model import Rule
from alertbot.slack.summary import Roundup, Why
from alertbot.tell import Outlet, roundup_entries

WHY: Why = "quiet_hours"
_replace = msgspec.structs.replace


def after_quiet_hours(
    outlet: Outlet, held: Sequence[Incident], rules: Mapping[str, Rule], now_us: int
) -> tuple[Decision, list[OutboxEntry]]:
    """The incidents, held no longer, and what tells of them."""
    decision = Decision()
    told: dict[str, list[Incident]] = {}
    mentions: dict[str, tuple[str, ...]] = {}
    first: dict[str, str] = {}
    for incident in held:
        decision.incidents[incident.id] = _replace(incident, quiet_until_us=None, revision=incident.revision + 1)
        places = outlet.places(Facts.of(incident, rules.get(incident.rule))) if _is_open(incident) else []
        for place in places:
            told.setdefault(place.channel, []).append(incident)
            mentions[place.channel] = tuple(dict.fromkeys((*mentions.get(place.channel, ()), *place.mentions)))
            first.setdefault(incident.id, place.channel)
    entries: list[OutboxEntry] = []
    summaries: dict[str, str] = {}
    for channel, incidents in told.items():
        names = tuple(one.id for one in incidents)
        summaries[channel] = entry_id(WHY, outlet.portal, channel, min(names), str(now_us))
        gathered = Roundup(id=summaries[channel], portal=outlet.portal, why=WHY, incidents=names)
        place = Destination(channel, mentions[channel])
        entries += roundup_entries(outlet, gathered, incidents, is_new=True, now_us=now_us, place=place)
    for name, channel in first.items():
        incident = decision.incidents[name]
        if incident.message is None:  # one that stands goes on living
            decision.incidents[name] = _replace(incident, summary=summaries[channel], summed_as=WHY)
        decision.log.append(LogEntry(incident=name, at_us=now_us, who=BOT, reason=Reason.SUMMED_UP, detail=WHY))
    return decision, entries


def _is_open(incident: Incident) -> bool:
    """Whether there is something left to tell."""
    settled = incident.withdrawn or incident.work == "resolved" or incident.silenced is not None
    return incident.stands_for_itself and not settled
