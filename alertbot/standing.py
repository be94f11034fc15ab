"""How it stands: portals, open work, silences, and what waits for Slack; for `status`, and for who takes over a shift.

In come the settings and the store at one moment; out goes a `Standing`, and the same as JSON. It asks nobody else: what a
portal or Slack said last is in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from alertbot.event import Feed
from alertbot.incidents import Incident
from alertbot.lookout import KEPT, Kept
from alertbot.moments import iso, span_us
from alertbot.rules.model import LEVELS
from alertbot.selfwatch import Concern
from alertbot.settings import PortalSettings, Settings
from alertbot.silences import Silence
from alertbot.slack.trouble import SocketState, Trouble, Troubles
from alertbot.store.records import DROPPED, RULES_BROKEN, PortalState
from alertbot.store.reports import Gap, Waiting
from alertbot.store.store import Store

LATE = 3
"""A portal that was not read for so many of its polls, and a minute, is not watched."""

_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class PortalStanding:
    """One portal. `watched`: its last good poll is not long ago."""

    settings: PortalSettings
    state: PortalState
    events: int
    newest_us: int | None
    gaps: tuple[Gap, ...]
    watched: bool
    read_to: Mapping[Feed, int] = field(default_factory=dict)
    """Up to where each feed was read that is read, in the portal's time."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many keys each rule let go of before their time, for made-up ones filled its memory."""
    catch_up: Gap | None = None
    """What is being read now, of a first start or after an outage, and was not yet."""

    @property
    def caught_up(self) -> float | None:
        """How much of it is done, by time: from 0 to 1."""
        if self.catch_up is None or self.newest_us is None:
            return None
        whole = max(self.newest_us, self.catch_up.end_us) - self.catch_up.start_us
        return 1 - (self.catch_up.end_us - self.catch_up.start_us) / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it, at one moment by the bot's own clock. Open work is sorted: the highest level first, then the oldest."""

    now_us: int
    portals: tuple[PortalStanding, ...]
    untouched: tuple[Incident, ...]
    held: tuple[Incident, ...]
    silences: tuple[tuple[Silence, tuple[Incident, ...]], ...]
    outbox: Mapping[str, int]
    waiting: tuple[Waiting, ...]
    troubles: tuple[Trouble, ...]
    socket: SocketState | None
    blind: tuple[Concern, ...] = ()
    rules_broken: str | None = None

    @property
    def over_unseen(self) -> int:
        """How many incidents are over, and nobody has looked."""
        return sum(one.phase == "over" for one in self.untouched)


def standing(settings: Settings, store: Store, now_us: int) -> Standing:
    """How it stands now."""
    counts = store.counts()
    gaps = store.gaps()
    newest = store.newest_events()
    read_to = store.read_to()
    states = {state.name: state for state in store.portals()}
    numbers = {count.portal: count.count for count in counts.events}
    work = sorted(store.open_incidents_of_people(), key=lambda one: (-LEVELS.index(one.level), one.at_us, one.id))
    active = [one for one in store.silences() if one.is_active(now_us)]
    note = store.meta(SocketState.KEY)
    return Standing(
        now_us=now_us,
        portals=tuple(
            replace(
                _portal(portal, states.get(portal.name), numbers.get(portal.name, 0), newest.get(portal.name), gaps, now_us),
                read_to=read_to.get(portal.name, {}),
                dropped=msgspec.json.decode(store.meta(DROPPED + portal.name) or "{}", type=dict[str, int]),
            )
            for portal in settings.portals
        ),
        untouched=tuple(one for one in work if one.work == "new" and one.silenced is None),
        held=tuple(one for one in work if one.work == "acknowledged"),
        silences=tuple((one, tuple(store.incidents_silenced(one.id))) for one in active),
        outbox={str(state): count for state, count in counts.outbox.items()},
        waiting=tuple(store.waiting()),
        troubles=tuple(Troubles.read(store.meta(Troubles.KEY))),
        socket=msgspec.json.decode(note, type=SocketState) if note else None,
        blind=_blind(settings, store.meta(KEPT)),
        rules_broken=store.meta(RULES_BROKEN),
    )


def _blind(settings: Settings, note: str | None) -> tuple[Concern, ...]:
    """What keeps alertbot from seeing, as far as it was told."""
    names = {portal.name for portal in settings.portals}
    kept = msgspec.json.decode(note, type=Kept) if note else Kept()
    found = [one for one in kept.concerns if one.phase == "goes_on" and one.portal in names]
    return tuple(sorted(found, key=lambda one: (one.since_us, one.portal, one.kind)))


def _portal(
    settings: PortalSettings, state: PortalState | None, events: int, newest_us: int | None, gaps: list[Gap], now_us: int
) -> PortalStanding:
    polled_us = state.last_poll_us if state else None
    patience_us = LATE * span_us(settings.poll) + _MINUTE_US
    ours = [gap for gap in gaps if gap.portal == settings.name]
    catching_up = state is not None and state.catching_up_since_us is not None
    catch_up = max(ours, key=lambda gap: gap.end_us, default=None) if catching_up else None
    return PortalStanding(
        settings=settings,
        state=state or PortalState(name=settings.name),
        events=events,
        newest_us=newest_us,
        gaps=tuple(gap for gap in ours if gap is not catch_up),
        watched=polled_us is not None and now_us - polled_us <= patience_us,
        catch_up=catch_up,
    )


def as_json(one: Standing) -> dict[str, Any]:
    """The same for programs. Keys are only ever added."""
    return {
        "now": iso(one.now_us),
        "portals": [_portal_as_json(portal) for portal in one.portals],
        "open": {
            "untouched": len(one.untouched),
            "over_and_nobody_has_looked": one.over_unseen,
            "acknowledged": len(one.held),
        },
        "silences": len(one.silences),
        "outbox": dict(one.outbox),
        "waiting": [
            {"channel": each.channel, "count": each.count, "since": iso(each.since_us), "said": each.said}
            for each in one.waiting
        ],
        "slack": [
            {"channel": each.channel or None, "since": iso(each.since_us), "said": each.said, "code": each.code}
            for each in one.troubles
        ],
        "troubles": [
            {"rule": str(each.kind), "portal": each.portal, "since": iso(each.since_us), "said": each.said}
            for each in one.blind
        ],
        "rules_broken": one.rules_broken.splitlines() if one.rules_broken else [],
        "buttons": None
        if one.socket is None
        else {"connected": one.socket.open, "since": iso(one.socket.since_us), "said": one.socket.said or None},
    }


def _portal_as_json(one: PortalStanding) -> dict[str, Any]:
    state = one.state
    return {
        "portal": one.settings.name,
        "url": one.settings.url,
        "watched": one.watched,
        "last_poll": _iso(state.last_poll_us),
        "watching_since": _iso(state.watching_since_us),
        "newest_event": _iso(one.newest_us),
        "evaluated_to": _iso(state.evaluated_to_us),
        "in_order": state.rebuild_from_us is None,
        "plan": state.plan,
        "clock_skew_s": None if state.skew_us is None else state.skew_us / 1_000_000,
        "catching_up": None if one.catch_up is None else _catch_up_as_json(one, one.catch_up),
        "events": one.events,
        "dropped": dict(one.dropped),
        "read_to": {feed: iso(end_us) for feed, end_us in one.read_to.items()},
        "gaps": [{"feed": gap.feed, "start": iso(gap.start_us), "end": iso(gap.end_us)} for gap in one.gaps],
    }


def _catch_up_as_json(one: PortalStanding, missing: Gap) -> dict[str, Any]:
    return {
        "feed": missing.feed,
        "since": _iso(one.state.catching_up_since_us),
        "read_back_to": iso(missing.end_us),
        "still_down_to": iso(missing.start_us),
        "done": None if one.caught_up is None else round(one.caught_up, 3),
    }


def _iso(at_us: int | None) -> str | None:
    return iso(at_us) if at_us is not None else None
