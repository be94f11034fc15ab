"""Station 8: which incident goes to which channel, and who is called. Pure.

In come the configuration's `routes` and what an incident is; out go the places where it is told, in order, when it is told to
others if nobody has looked, and until when quiet hours hold it back. The first route that matches is taken; after one with
`continue` the next ones too. What no route takes goes to Slack's own channel. The first place has the message that lives, with
its thread; the others have copies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo

import msgspec

from alertbot.engine.hours import covers, wall_clock
from alertbot.errors import Mistake
from alertbot.incidents import Incident
from alertbot.moments import span_us
from alertbot.outbox import Message, OutboxEntry, entry_id
from alertbot.rules.fields import closest
from alertbot.rules.model import Calendar, Level, Rule
from alertbot.settings import Route, RouteMatch

Call = Callable[[Message, Sequence[str]], Message]
"""Lets a message call people, as the configuration names them."""

_MINUTE_US = span_us(timedelta(minutes=1))
_WEEK_US = span_us(timedelta(days=8))  # a week, and an hour that summer time may add
_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Facts:
    """What routes look at."""

    level: Level
    rule: str
    portal: str
    tags: tuple[str, ...] = ()
    role: str | None = None
    route: str | None = None

    @classmethod
    def of(cls, incident: Incident, rule: Rule | None) -> Facts:
        """Taken from an incident; its rule may be gone by now."""
        return cls(
            level=incident.level,
            rule=incident.rule,
            portal=incident.portal,
            tags=rule.tags if rule else (),
            role=incident.about.role if incident.about else None,
            route=rule.route if rule else None,
        )


@dataclass(frozen=True, slots=True)
class Escalation:
    """Where it is told, and who is called, if nobody has looked by then (microseconds after it was told)."""

    after_us: int
    channel: str
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination:
    """A channel, who is called there (as configured), and what follows if nobody looks."""

    channel: str
    mentions: tuple[str, ...] = ()
    escalations: tuple[Escalation, ...] = field(default=())


def destinations(routes: Sequence[Route], facts: Facts, channel: str) -> list[Destination]:
    """Where an incident is told: one place for each channel; `channel` is the one where routes name none."""
    found: dict[str, Destination] = {}
    for route in taken(routes, facts):
        place = route.channel or channel
        known = found.get(place, Destination(place))
        escalation = (_escalation(route, place),) if route.escalate else ()
        found[place] = Destination(
            place,
            _with(known.mentions, route.mention),
            (*known.escalations, *(one for one in escalation if one not in known.escalations)),
        )
    return list(found.values()) or [Destination(channel)]


def taken(routes: Sequence[Route], facts: Facts) -> list[Route]:
    """The routes that take it."""
    found = []
    for route in routes:
        if _matches(route.match, facts):
            found.append(route)
            if not route.goes_on:
                break
    return found


def quiet_until_us(routes: Sequence[Route], facts: Facts, now_us: int, zone: tzinfo) -> int | None:
    """When the quiet hours end in which this is not told now; None: it is told. Where several routes take it, it waits as long
    as all of them are quiet: one that is not wants it told at once.
    """
    calendars = [Calendar("quiet hours", None, route.quiet_hours) for route in taken(routes, facts)]
    if not calendars:
        return None
    first_us = now_us - now_us % _MINUTE_US
    for at_us in range(first_us, first_us + _WEEK_US, _MINUTE_US):
        wall = wall_clock(at_us, zone)
        if not all(covers(calendar, wall) for calendar in calendars):
            return at_us if at_us > now_us else None
    return first_us + _WEEK_US


def first_escalation_us(places: Sequence[Destination]) -> int | None:
    """How long after it was told an incident is told to others at the earliest; None: never."""
    return min((one.after_us for place in places for one in place.escalations), default=None)


def due_escalations(
    places: Sequence[Destination], told_us: int, since_us: int, now_us: int
) -> tuple[list[Escalation], int | None]:
    """The escalations whose time came from `since_us` on until now, and when the next one is due."""
    every = sorted({one for place in places for one in place.escalations}, key=lambda one: (one.after_us, one.channel))
    due = [one for one in every if since_us <= told_us + one.after_us <= now_us]
    later = [told_us + one.after_us for one in every if told_us + one.after_us > now_us]
    return due, min(later, default=None)


def spread(
    before: Incident, after: Incident, entries: Sequence[OutboxEntry], places: Sequence[Destination], call: Call
) -> tuple[Incident, list[OutboxEntry]]:
    """The entries of an incident, brought to its places: the living message to the first, copies to the others, all updated
    alike, each calling whom its place calls. What stands already stays where it is.
    """
    first, *others = places
    copies = dict(after.copies)
    told: list[OutboxEntry] = []
    for entry in entries:
        if entry.update_of is None and entry.thread_of is None:
            told.append(_called(_replace(entry, channel=first.channel), first, call))
            copies = {}
            for place in others:
                copy = _replace(entry, id=entry_id("copy", entry.id, place.channel), channel=place.channel, kind="copy")
                copies[copy.id] = place.channel
                told.append(_called(copy, place, call))
            continue
        entry = _replace(entry, channel=first.channel)
        told.append(_called(entry, first, call) if entry.update_of else entry)
        if entry.update_of is not None and entry.update_of == before.message:
            for name, channel in before.copies.items():
                place = next((one for one in others if one.channel == channel), Destination(channel))
                copy = _replace(entry, id=entry_id("copy", entry.id, name), update_of=name, channel=channel)
                told.append(_called(copy, place, call))
    return _replace(after, copies=copies), told


def _called(entry: OutboxEntry, place: Destination, call: Call) -> OutboxEntry:
    return _replace(entry, message=call(entry.message, place.mentions)) if place.mentions else entry


def names(routes: Sequence[Route]) -> set[str]:
    """Everybody whom routes mention, as the configuration names them."""
    named = {route.mention for route in routes} | {route.escalate.mention for route in routes if route.escalate}
    return {name for name in named if name is not None}


def unrouted(rules: Sequence[Rule], routes: Sequence[Route]) -> list[Mistake]:
    """Warnings of rules whose `route` no route looks for: they are told where all others are."""
    known = {name.casefold(): name for route in routes for name in route.match.route}
    said = []
    for rule in rules:
        if rule.route is not None and rule.route.casefold() not in known:
            meant = closest(rule.route, known.values())
            hint = f"; did you mean {meant!r}?" if meant else ""
            said.append(Mistake(rule.path, rule.line, 1, f"route: no route looks for {rule.route!r}{hint}", warning=True))
    return said


def _matches(match: RouteMatch, facts: Facts) -> bool:
    return (
        _is_any(match.level, (facts.level,))
        and _is_any(match.rule, (facts.rule,))
        and _is_any(match.portal, (facts.portal,))
        and _is_any(match.tag, facts.tags)
        and _is_any(match.role, (facts.role,) if facts.role else ())
        and _is_any(match.route, (facts.route,) if facts.route else ())
    )


def _is_any(wanted: Collection[str], there: Collection[str]) -> bool:
    """Whether nothing is wanted, or one of the wanted is there; in any case of letters."""
    return not wanted or not {one.casefold() for one in wanted}.isdisjoint(one.casefold() for one in there)


def _escalation(route: Route, place: str) -> Escalation:
    assert route.escalate is not None
    wanted = route.escalate
    return Escalation(span_us(wanted.after), wanted.channel or place, _with((), wanted.mention))


def _with(known: tuple[str, ...], mention: str | None) -> tuple[str, ...]:
    return known if mention is None or mention in known else (*known, mention)
