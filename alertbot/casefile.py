"""What is known of an incident when its message is written: its evidence, its account's past, what else is open.

In come the store, and a decision that is not stored yet; out goes what the two say together: incidents as the decision has
them, else as they are stored. It only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alertbot.event import Event, EventRef
from alertbot.finding import Finding
from alertbot.incidents import Decision, Incident
from alertbot.slack.state import Standing
from alertbot.store.store import Store

EVIDENCE = 50
"""So many of a finding's events at most go to the message: more than it ever shows."""

BEFORE = 200
"""So many events of an account before its incident say what is usual."""

_OPEN_US = 7 * 24 * 60 * 60_000_000
_MOST_OPEN = 2_000


class CaseFiles:
    """The incidents of one portal while a decision about them is written. `events` are at hand already, `now_us` is the
    portal's now; `revisions` are those of incidents as they were read.
    """

    def __init__(self, store: Store, portal: str, decision: Decision, events: Iterable[Event], now_us: int) -> None:
        self.revisions: dict[str, int] = {}
        self._store = store
        self._portal = portal
        self._decision = decision
        self._events = {event.ref: event for event in events}
        self._now_us = now_us
        self._open: list[Incident] | None = None

    def known(self, name: str) -> Incident:
        """The incident of an id, which is there."""
        return self.read([name])[0]

    def read(self, names: Iterable[str]) -> list[Incident]:
        """The incidents of these ids, those that are there."""
        wanted = list(names)
        here = self._decision.incidents
        missing = [name for name in wanted if name not in here]
        stored = {one.id: one for one in self._store.incidents_by_id(missing)} if missing else {}
        for name, incident in stored.items():
            self.revisions.setdefault(name, incident.revision)
        return [one for name in wanted if (one := here.get(name) or stored.get(name)) is not None]

    def firing(self, found: Finding) -> Event | None:
        """The event that made a finding fire."""
        known = self._events.get(found.firing)
        return known or next(iter(self._store.events_by_ref(found.portal, [found.firing])), None)

    def latest(self, incident: Incident) -> Finding | None:
        """The latest finding of an incident; of one that lost all, the one that opened it."""
        names = list(incident.findings)[-5:] or [incident.id]
        stored = [each.finding for each in self._store.findings_by_id(names).values()]
        return max(stored, key=lambda found: (found.at_us, found.id), default=None)

    def evidence(self, found: Finding) -> tuple[Event, ...]:
        """The events of a finding, oldest first; the last one made it fire."""
        wanted: set[EventRef] = set(found.events[-EVIDENCE:]) | {found.firing}
        known = {ref: self._events[ref] for ref in wanted if ref in self._events}
        if missing := wanted - known.keys():
            known.update({event.ref: event for event in self._store.events_by_ref(found.portal, missing)})
        return tuple(sorted(known.values(), key=lambda event: event.order))

    def before(self, incident: Incident, evidence: Sequence[Event]) -> tuple[Event, ...]:
        """What its account did before it, newest first."""
        account = evidence[-1].account if evidence else None
        if account is None:
            return ()
        until_us = min(evidence[0].at_us, incident.first_us) - 1
        return tuple(self._store.logins_of_account(incident.portal, account, until_us=until_us, limit=BEFORE))

    def others(self, incident: Incident) -> tuple[Incident, ...]:
        """Open incidents of the same account or address."""
        about = incident.about
        if about is None:
            return ()
        if self._open is None:
            self._open = self._store.open_work(self._portal, self._now_us - _OPEN_US, _MOST_OPEN)
        here = {one.id: self._decision.incidents.get(one.id, one) for one in self._open} | self._decision.incidents
        return tuple(
            one
            for one in here.values()
            if one.id != incident.id
            and one.stands_for_itself
            and not one.withdrawn
            and one.about is not None
            and (one.phase == "going_on" or one.work == "new")
            and (
                (about.account is not None and one.about.account == about.account)
                or (about.ip is not None and one.about.ip == about.ip)
            )
        )

    def standing(self, incident: Incident) -> Standing:
        """How it stands beside others."""
        told_as = incident.held_by or incident.merged_into
        related = (incident.follows, incident.followed_by, told_as, incident.beside, *incident.holds[:10])
        read = {one.id: one for one in self.read([name for name in related if name is not None])}
        follows, follower = read.get(incident.follows or ""), read.get(incident.followed_by or "")
        return Standing(
            earlier=follows.message if follows is not None else None,
            follower=follower.message if follower is not None else None,
            holder=read.get(told_as or ""),
            beside=read.get(incident.beside or ""),
            held=tuple(read[name] for name in incident.holds if name in read),
        )
