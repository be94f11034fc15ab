"""What a rule knows of an event's key, as a sentence that an editor can check against the rule. Pure.

In come a rule, the matches of the key before the event, and the event; out goes what the pattern counts, by its plain
definition, beside what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from fractions import Fraction

from alertbot.engine.hours import covers, wall_clock
from alertbot.engine.keys import keyer, spelled
from alertbot.engine.learned_hours import USUAL_DAYS, around
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.moments import iso, show_duration, span_us
from alertbot.places import place_of
from alertbot.rules.model import (
    LEARNED_DAYS,
    Absence,
    Burst,
    Distinct,
    Dormant,
    FirstSeen,
    Hours,
    LearnedHours,
    Rule,
    Selection,
    Sequence_,
    Spike,
    Travel,
)
from alertbot.slack import words


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an event's key before it.

    `earlier`: the matches of the rule, oldest first, and whether an exception holds for each. `first`: the first event of all.
    `own`: what the rule found of the key up to and with the event; `found`: what all rules found.
    """

    earlier: Sequence[tuple[Event, bool]]
    first: Event
    own: Sequence[Finding]
    found: Sequence[Finding]

    @property
    def counted(self) -> list[Event]:
        """The matches that count."""
        return [event for event, exempt in self.earlier if not exempt]

    @property
    def taught(self) -> list[Event]:
        """The matches that patterns which learn have learned from: what is exempt teaches."""
        return [event for event, _ in self.earlier]


def grounds(rule: Rule, known: Known, event: Event, zone: tzinfo) -> str:
    """What the rule knows of the key, `event` included; `zone` is the rule's, else the portal's."""
    pattern = rule.pattern
    if rule.sources:
        return f"it counts firings of {', '.join(dict.fromkeys(source.rule for source in rule.sources))}"
    match pattern:
        case Burst():
            count = len(_within(known.counted, event, span_us(pattern.within))) + 1
            return f"{count} matches within {show_duration(pattern.within)}; it fires at {pattern.count}"
        case Distinct():
            value_of = keyer(pattern.of)
            values = {value_of(other) for other in (*_within(known.counted, event, span_us(pattern.within)), event)} - {None}
            fields = ", ".join(pattern.of)
            return f"{len(values)} different {fields} within {show_duration(pattern.within)}; it fires at {pattern.count}"
        case Sequence_():
            return _steps(pattern, known, event)
        case FirstSeen():
            return _sightings(pattern, known.taught, event, zone)
        case Hours():
            wall = wall_clock(event.at_us, pattern.outside.zone or zone)
            return f"{wall:%A %H:%M} is {'in' if covers(pattern.outside, wall) else 'outside'} the hours"
        case LearnedHours():
            return _usual_hours(pattern, known.taught, event, pattern.zone or zone)
        case Travel():
            return _way(pattern, known.counted, event, zone)
        case Spike():
            return _spike(pattern, known.counted, event)
        case Dormant():
            return _silence(pattern, rule, known, event)
        case Absence():
            hours = " of its hours" if pattern.hours is not None else ""
            return f"its silence begins anew here; it fires when nothing matches for {show_duration(pattern.within)}{hours}"
        case _:
            return "it fires at each match"


def matches(rule: Rule, event: Event) -> bool:
    """Whether the rule's detection selects an event, exceptions aside."""
    return event.feed in rule.feeds and any(selection.test(event) for selection in _selections(rule))


def when(at_us: int, zone: tzinfo) -> str:
    """`2026-01-15 10:04:00` on the wall of a zone."""
    return f"{wall_clock(at_us, zone):%Y-%m-%d %H:%M:%S}"


def _selections(rule: Rule) -> list[Selection]:
    if isinstance(rule.pattern, Sequence_):
        return [step.selection for step in rule.pattern.steps if step.selection is not None]
    return [] if rule.condition is None else [rule.condition]


def _within(events: Iterable[Event], event: Event, within_us: int) -> list[Event]:
    return [other for other in events if other.at_us >= event.at_us - within_us]


def _began(events: Sequence[Event], event: Event, memory_us: int) -> int:
    """When the key began that was never silent for longer than its memory."""
    at_us = event.at_us
    for other in reversed(events):
        if at_us - other.at_us > memory_us:
            break
        at_us = other.at_us
    return at_us


def _steps(pattern: Sequence_, known: Known, event: Event) -> str:
    """How far the steps are served: each match by the first step that waits for it."""
    completions = {one.firing for one in known.own}
    heard = {(one.rule, one.firing) for one in known.found}
    earlier = known.counted
    used_up = max((number for number, other in enumerate(earlier, 1) if other.ref in completions), default=0)
    served, at = [0] * len(pattern.steps), 0
    for other in _within([*earlier[used_up:], event], event, span_us(pattern.within)):
        step = pattern.steps[at]
        if step.selection.test(other) if step.selection is not None else (step.rule, other.ref) in heard:
            served[at] += 1
            at += served[at] == step.count and at + 1 < len(pattern.steps)
    parts = [
        f"step {number}: {min(count, step.count)} of {step.count}" + (f" firings of {step.rule}" if step.rule else "")
        for number, (step, count) in enumerate(zip(pattern.steps, served, strict=True), 1)
    ]
    return f"{', '.join(parts)} within {show_duration(pattern.within)}"


def _sightings(pattern: FirstSeen, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    memory_us, parts = span_us(pattern.memory), []
    values = [keyer(group) for group in pattern.each]
    counted = [other for other in earlier if all(value_of(other) is not None for value_of in values)]
    remembered = _within(counted, event, memory_us)
    for group, value_of in zip(pattern.each, values, strict=True):
        seen = [other for other in remembered if value_of(other) == value_of(event)]
        shown = ", ".join(spelled(event, group, group)[1]) or "nothing"
        parts.append(f"{shown} was seen {when(seen[-1].at_us, zone)}" if seen else f"{shown} was not seen before")
    began_us = _began(counted, event, memory_us)
    if event.at_us - began_us < span_us(pattern.learn):
        parts.append(f"known for {words.span(began_us, event.at_us)}, it learns for {show_duration(pattern.learn)}")
    return "; ".join(parts)


def _usual_hours(pattern: LearnedHours, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    today = wall_clock(event.at_us, zone).toordinal()
    days: dict[int, int] = {}
    for other in earlier:
        wall = wall_clock(other.at_us, zone)
        if today - wall.toordinal() < max(1, pattern.learn.days):
            days[wall.toordinal()] = days.get(wall.toordinal(), 0) | 1 << wall.hour
    usual = [hour for hour in range(24) if sum(bool(mask & around(hour)) for mask in days.values()) >= USUAL_DAYS]
    hours = ", ".join(f"{hour:02}" for hour in usual) or "none"
    learned = "" if len(days) >= LEARNED_DAYS else f"; matches on {len(days)} days, it learns until there are {LEARNED_DAYS}"
    return f"at {wall_clock(event.at_us, zone):%H:%M}; usual hours: {hours}{learned}"


def _way(pattern: Travel, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    here = place_of(event)
    if here is None:
        return "the event has no place"
    placed = [other for other in earlier if place_of(other) is not None]
    if not placed:
        return "no place of this key before"
    limits = f"more than {pattern.farther_than_km:,.0f} km faster than {pattern.faster_than_kmh:,.0f} km/h"
    said = f"{words.way(placed[-1], event)}, the login before was at {when(placed[-1].at_us, zone)}; it fires at {limits}"
    if pattern.familiar is not None:
        known = [other for other in _within(placed, event, span_us(pattern.familiar)) if place_of(other) == here]
        if known:
            said += f"; the place is familiar, it was used at {when(known[-1].at_us, zone)}"
    return said


def _spike(pattern: Spike, earlier: Sequence[Event], event: Event) -> str:
    within_us, usual_us = span_us(pattern.within), span_us(pattern.usual)
    window = _within(earlier, event, within_us)
    usual = len(_within(earlier, event, within_us + usual_us)) - len(window)
    said = (
        f"{len(window) + 1} matches within {show_duration(pattern.within)}, usual are "
        f"{float(Fraction(usual) * Fraction(within_us, usual_us)):.1f}; "
        f"it fires at {pattern.factor:g} times that and at least {pattern.count}"
    )
    began_us = _began(earlier, event, within_us + usual_us)
    if event.at_us - began_us < usual_us:
        said += f"; known for {words.span(began_us, event.at_us)}, it learns for {show_duration(pattern.usual)}"
    return said


def _silence(pattern: Dormant, rule: Rule, known: Known, event: Event) -> str:
    after = show_duration(pattern.after)
    remembered = _within(known.taught, event, span_us(pattern.memory))
    if remembered:
        return f"silent for {words.span(remembered[-1].at_us, event.at_us)} before; it fires after more than {after}"
    if rule.by == ("account",) and event.known:
        since = f"nothing of this account since the first event, {iso(known.first.at_us)}"
        return f"{since}, {words.span(known.first.at_us, event.at_us)} before; it fires after more than {after}"
    return f"nothing of this key before; it fires after a silence of more than {after}"
