"""From troubles of alertbot's own to the outbox: which messages tell of them, which change, which is new. Pure.

In come the concerns as they stand and the alarms that people have been told; out go alarms and outbox entries. An alarm is one
kind of trouble in one set of channels, and names every portal that has it: a portal that joins changes the message, and only
where the message is not fresh any more a new one is posted. Routes send them as they send the incidents of rules named
`self.…` with the tag `self`; nobody has to acknowledge them, so none escalates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from alertbot.moments import span_us
from alertbot.outbox import LATER, UPDATE, Message, OutboxEntry, entry_id, priority_of
from alertbot.routing import Call, Destination, Facts, destinations
from alertbot.selfwatch import TAG, Concern, Kind
from alertbot.settings import Route
from alertbot.slack.remarks import uncalled
from alertbot.slack.self_alert import self_alert, self_over

GATHER = timedelta(seconds=5)
"""A first message waits so long for other portals with the same trouble; through a webhook longer, for it cannot change."""

GATHER_BEHIND_WEBHOOK = timedelta(minutes=1)
FRESH = timedelta(minutes=10)
"""What joins a message within this time changes it; what joins later is posted anew."""

_UTC = ZoneInfo("UTC")
_replace = msgspec.structs.replace


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What people were told of a trouble. `messages`: the entry that lives in each channel; `told`: portals and their marks."""

    id: str
    kind: Kind
    channels: tuple[str, ...]
    opened_us: int
    portals: tuple[str, ...] = ()
    posted_us: int | None = None
    posts: int = 0
    revision: int = 0
    told: tuple[str, ...] = ()
    messages: dict[str, str] = {}
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """Where alarms go."""

    channel: str
    routes: tuple[Route, ...] = ()
    by_webhook: bool = False
    call: Call = uncalled
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)

    def places(self, kind: Kind, portal: str) -> list[Destination]:
        """Where a portal's trouble is told, and who is called there."""
        facts = Facts(level=kind.level, rule=str(kind), portal=portal, tags=(TAG,))
        found = destinations(self.routes, facts, self.channel)
        if not self.by_webhook:
            return found
        return [Destination(self.channel, tuple(dict.fromkeys(name for place in found for name in place.mentions)))]


def tell(
    concerns: Iterable[Concern], alarms: Sequence[Alarm], post: Post, now_us: int
) -> tuple[list[Alarm], list[OutboxEntry]]:
    """The alarms as they are now, and what is to be sent. The same concerns again bring nothing new."""
    entries: list[OutboxEntry] = []
    kept: list[Alarm] = []
    for alarm, concerned in _sorted(concerns, alarms, post, now_us):
        if not concerned:
            entries += _closing(alarm, post, now_us)
            continue
        alarm, sent = _stand(alarm, concerned, post, now_us)
        kept.append(alarm)
        entries += sent
    return kept, entries


def _sorted(concerns: Iterable[Concern], alarms: Sequence[Alarm], post: Post, now_us: int) -> list[tuple[Alarm, list[Concern]]]:
    """Each alarm with its concerns: a portal stays where it was told; a new one joins those of the same places."""
    found: dict[str, tuple[Alarm, list[Concern]]] = {alarm.id: (alarm, []) for alarm in alarms}
    of_portal = {(alarm.kind, portal): alarm.id for alarm in alarms for portal in alarm.portals}
    of_place = {(alarm.kind, alarm.channels): alarm.id for alarm in alarms}
    for one in concerns:
        name = of_portal.get((one.kind, one.portal))
        if name is None:
            channels = tuple(place.channel for place in post.places(one.kind, one.portal))
            name = of_place.get((one.kind, channels))
            if name is None:
                name = entry_id("self", str(one.kind), *channels, str(now_us))
                of_place[one.kind, channels] = name
                found[name] = Alarm(id=name, kind=one.kind, channels=channels, opened_us=now_us), []
        found[name][1].append(one)
    return list(found.values())


def _stand(alarm: Alarm, concerned: Sequence[Concern], post: Post, now_us: int) -> tuple[Alarm, list[OutboxEntry]]:
    portals = tuple(dict.fromkeys((*alarm.portals, *(one.portal for one in concerned))))
    marks = tuple(f"{one.portal} {one.mark}" for one in concerned)
    alarm = _replace(alarm, portals=portals)
    is_news = not set(marks) <= set(alarm.told)
    if alarm.posted_us is None:
        gather = GATHER_BEHIND_WEBHOOK if post.by_webhook else GATHER
        if now_us - alarm.opened_us < span_us(gather):
            return alarm, []
    elif not is_news or now_us - alarm.posted_us < span_us(FRESH):
        if is_news and not post.by_webhook:
            alarm = _replace(alarm, told=tuple(dict.fromkeys((*alarm.told, *marks))))
        return _changed(alarm, concerned, post, now_us)
    return _posted(alarm, concerned, marks, post, now_us)


def _posted(
    alarm: Alarm, concerned: Sequence[Concern], marks: tuple[str, ...], post: Post, now_us: int
) -> tuple[Alarm, list[OutboxEntry]]:
    """A message of its own in each channel, with the way to the one before it."""
    entries: list[OutboxEntry] = []
    messages: dict[str, str] = {}
    for channel in alarm.channels:
        message = _message(alarm, concerned, post, earlier=alarm.messages.get(channel))
        entry = OutboxEntry(
            id=entry_id("self", alarm.id, channel, str(alarm.posts)),
            created_us=now_us,
            kind="self",
            channel=channel,
            message=_calling(message, alarm, channel, concerned[0].portal, post),
            priority=priority_of(alarm.kind.level),
        )
        messages[channel] = entry.id
        entries.append(entry)
        if (before := alarm.messages.get(channel)) is not None and not post.by_webhook:
            closed = _message(alarm, concerned, post, later=entry.id)
            entries.append(_update(alarm, channel, before, closed, now_us))
    told = tuple(dict.fromkeys((*alarm.told, *marks)))
    shown = _digest(alarm, concerned)
    more = _replace(alarm, posted_us=now_us, posts=alarm.posts + 1, told=told, messages=messages, shown=shown)
    return more, entries


def _changed(alarm: Alarm, concerned: Sequence[Concern], post: Post, now_us: int) -> tuple[Alarm, list[OutboxEntry]]:
    """The living messages as they stand now, if that is not what they show."""
    shown = _digest(alarm, concerned)
    if post.by_webhook or shown == alarm.shown:
        return alarm, []
    message = _message(alarm, concerned, post)
    portal = concerned[0].portal if concerned else alarm.portals[0]
    alarm = _replace(alarm, revision=alarm.revision + 1, shown=shown)
    entries = [
        _update(alarm, channel, of, _calling(message, alarm, channel, portal, post) if concerned else message, now_us)
        for channel, of in alarm.messages.items()
    ]
    return alarm, entries


def _update(alarm: Alarm, channel: str, of: str, message: Message, now_us: int) -> OutboxEntry:
    return OutboxEntry(
        id=entry_id(UPDATE, of, str(alarm.revision), str(alarm.posts)),
        created_us=now_us,
        kind=UPDATE,
        channel=channel,
        message=message,
        update_of=of,
        priority=LATER,
    )


def _closing(alarm: Alarm, post: Post, now_us: int) -> list[OutboxEntry]:
    """The message shows that it is over, and another one says so. What was never told needs no end."""
    if alarm.posted_us is None:
        return []
    _, entries = _changed(alarm, (), post, now_us)
    return entries + [
        OutboxEntry(
            id=entry_id("self_over", of),
            created_us=now_us,
            kind="self_over",
            channel=channel,
            message=self_over(alarm.kind, alarm.portals, None if post.by_webhook else of),
            priority=priority_of(alarm.kind.level),
        )
        for channel, of in alarm.messages.items()
    ]


def _message(alarm: Alarm, concerned: Sequence[Concern], post: Post, **links: str | None) -> Message:
    having = {one.portal for one in concerned}
    well = [portal for portal in alarm.portals if portal not in having]
    zones = {post.zones.get(one.portal, _UTC).key for one in concerned}
    zone = ZoneInfo(zones.pop()) if len(zones) == 1 else _UTC
    return self_alert(alarm.kind, concerned, well, zone, **links)


def _calling(message: Message, alarm: Alarm, channel: str, portal: str, post: Post) -> Message:
    """The message with those whom the routes call in this channel."""
    mentions = next((place.mentions for place in post.places(alarm.kind, portal) if place.channel == channel), ())
    return post.call(message, mentions) if mentions else message


def _digest(alarm: Alarm, concerned: Sequence[Concern]) -> str:
    """What a message shows, in short."""
    told = (alarm.portals, [(one.portal, one.since_us, one.said) for one in concerned])
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=8).hexdigest()
