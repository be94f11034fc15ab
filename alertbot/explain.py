"""Why a rule fired at an event, and why the others did not. Pure.

In come rules, a portal's events up to the one in question, and that event; out goes a verdict for each rule. Whether a rule
fired is the engine's own word; what is said of its key is counted from the events by the pattern's plain definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from enum import StrEnum
from typing import Any

from alertbot.engine import Engine
from alertbot.engine.hours import covers
from alertbot.engine.keys import keyer, spelled
from alertbot.engine.learned_hours import LEARNED_DAYS, USUAL_DAYS, around
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.moments import from_us, show_duration, span_us
from alertbot.places import distance_km, place_of
from alertbot.rules.model import (
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


class Outcome(StrEnum):
    """What a rule made of an event. The names are stable."""

    FIRED = "fired"
    EXTENDED = "extended"
    COUNTED = "counted"
    EXEMPT = "exempt"
    NO_KEY = "no_key"
    NOT_MATCHED = "not_matched"
    OTHER_FEED = "other_feed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's: what it made of the event, for which key, and why, as a sentence."""

    rule: Rule
    outcome: Outcome
    key: dict[str, str]
    why: str
    finding: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs; the names are stable."""
        return {
            "rule": self.rule.name,
            "title": self.rule.title,
            "level": self.rule.level,
            "mode": self.rule.mode,
            "outcome": self.outcome,
            "key": self.key,
            "why": self.why,
            "finding": self.finding,
        }


def explain(rules: Sequence[Rule], events: Sequence[Event], event: Event, zone: tzinfo) -> list[Verdict]:
    """What every rule made of `event`; `events` are the portal's, `zone` its zone. Those that fired come first."""
    before = [other for other in events if other.order < event.order]
    found = Engine(rules, event.portal, zone).fold_all([*before, event])
    touched = {f.rule: f for f in found if f.firing == event.ref or f.last_us == event.at_us}
    verdicts = [_verdict(rule.in_zone(zone), before, event, touched.get(rule.name), zone) for rule in rules]
    order = list(Outcome)
    return sorted(verdicts, key=lambda verdict: (order.index(verdict.outcome), verdict.rule.name))


def _verdict(rule: Rule, before: Sequence[Event], event: Event, found: Finding | None, zone: tzinfo) -> Verdict:
    names, values = spelled(event, rule.by, rule.by)
    key = dict(zip(names, values, strict=True))
    quiet = _not_a_match(rule, event)
    if quiet is not None and found is None:
        return Verdict(rule, quiet[0], key, quiet[1])
    why = _standing(rule, before, event, zone)
    if found is not None and found.firing == event.ref:
        return Verdict(rule, Outcome.FIRED, key, why, found.id)
    if found is not None and found.count > len(found.events) and _same_key(found, rule, event):
        started = f"it goes on since {_when(found.at_us, rule.zone or zone)}"
        return Verdict(rule, Outcome.EXTENDED, key, f"{why}; {started}", found.id)
    if rule.only is not None and not rule.only.test(event):
        why += "; `only` does not want an event like this one to fire"
    return Verdict(rule, Outcome.COUNTED, key, why)


def _same_key(found: Finding, rule: Rule, event: Event) -> bool:
    return tuple(v.lower() for v in found.key) == tuple(v.lower() for v in spelled(event, rule.by, rule.by)[1])


def _not_a_match(rule: Rule, event: Event) -> tuple[Outcome, str] | None:
    if rule.mode == "off":
        return Outcome.OFF, "the rule is off"
    if event.feed not in rule.feeds:
        return Outcome.OTHER_FEED, f"it looks at the {' and '.join(sorted(rule.feeds))} feed"
    if not any(selection.test(event) for selection in _selections(rule)):
        waits = "; it waits for firings of " + ", ".join(rule.needs) if rule.needs else ""
        return Outcome.NOT_MATCHED, f"its detection does not select this event{waits}"
    for exemption in rule.exemptions:
        if exemption.match.test(event) and (exemption.until is None or from_us(event.at_us).date() <= exemption.until):
            return Outcome.EXEMPT, f"an exception holds: {exemption.why}"
    alone = not isinstance(rule.pattern, Burst | Distinct | Sequence_ | FirstSeen | LearnedHours | Travel | Spike | Dormant)
    if not alone and keyer(rule.by)(event) is None:
        missing = [field for field in rule.by if field not in spelled(event, rule.by, rule.by)[0]]
        return Outcome.NO_KEY, f"the event has no {' and no '.join(missing)}"
    return None


def _selections(rule: Rule) -> list[Selection]:
    if isinstance(rule.pattern, Sequence_):
        return [step.selection for step in rule.pattern.steps if step.selection is not None]
    return [] if rule.condition is None else [rule.condition]


def _standing(rule: Rule, before: Sequence[Event], event: Event, zone: tzinfo) -> str:
    """What the rule knows of the event's key, this event included."""
    key_of = keyer(rule.by)
    key = key_of(event)
    earlier = [other for other in before if _counts(rule, other) and key_of(other) == key]
    local = rule.zone or zone
    pattern = rule.pattern
    match pattern:
        case Burst():
            count = len(_within(earlier, event, pattern.within)) + 1
            return f"{count} matches within {show_duration(pattern.within)}; it fires at {pattern.count}"
        case Distinct():
            value_of = keyer(pattern.of)
            values = {value_of(other) for other in (*_within(earlier, event, pattern.within), event)} - {None}
            fields = ", ".join(pattern.of)
            return f"{len(values)} different {fields} within {show_duration(pattern.within)}; it fires at {pattern.count}"
        case Sequence_():
            return _steps(pattern, [*_within(earlier, event, pattern.within), event])
        case FirstSeen():
            return _sightings(pattern, earlier, event, local)
        case Hours():
            inside = covers(pattern.outside, from_us(event.at_us, pattern.outside.zone or local))
            return (
                f"{from_us(event.at_us, pattern.outside.zone or local):%A %H:%M} is {'in' if inside else 'outside'} the hours"
            )
        case LearnedHours():
            return _usual_hours(pattern, earlier, event, pattern.zone or local)
        case Travel():
            return _way(pattern, earlier, event, local)
        case Spike():
            return _spike(pattern, earlier, event)
        case Dormant():
            after = show_duration(pattern.after)
            if not earlier:
                return f"nothing of this key before; it fires after a silence of more than {after}"
            silence = timedelta(microseconds=event.at_us - earlier[-1].at_us)
            return f"silent for {_span(silence)} before; it fires after more than {after}"
        case _:
            return "it fires at each match" if rule.condition is not None else "it waits for other rules"


def _counts(rule: Rule, event: Event) -> bool:
    return event.feed in rule.feeds and any(selection.test(event) for selection in _selections(rule))


def _within(events: Iterable[Event], event: Event, span: timedelta) -> list[Event]:
    return [other for other in events if other.at_us >= event.at_us - span_us(span)]


def _steps(pattern: Sequence_, window: Sequence[Event]) -> str:
    parts = []
    for number, step in enumerate(pattern.steps, 1):
        if step.selection is None:
            parts.append(f"step {number} waits for {step.rule}")
        else:
            parts.append(f"step {number}: {sum(map(step.selection.test, window))} of {step.count}")
    return f"{', '.join(parts)} within {show_duration(pattern.within)}"


def _sightings(pattern: FirstSeen, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    parts = []
    for group in pattern.each:
        value_of: Callable[[Event], object] = keyer(group)
        seen = [other for other in _within(earlier, event, pattern.memory) if value_of(other) == value_of(event)]
        shown = ", ".join(spelled(event, group, group)[1]) or "nothing"
        parts.append(f"{shown} was seen {_when(seen[-1].at_us, zone)}" if seen else f"{shown} was not seen before")
    known = _within(earlier, event, pattern.memory)
    age = timedelta(microseconds=event.at_us - known[0].at_us) if known else timedelta()
    if age < pattern.learn:
        parts.append(f"known for {_span(age)}, it learns for {show_duration(pattern.learn)}")
    return "; ".join(parts)


def _usual_hours(pattern: LearnedHours, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    today = from_us(event.at_us, zone).date()
    days: dict[object, int] = {}
    for other in earlier:
        wall = from_us(other.at_us, zone)
        if (today - wall.date()).days < max(1, pattern.learn.days):
            days[wall.date()] = days.get(wall.date(), 0) | 1 << wall.hour
    usual = [hour for hour in range(24) if sum(bool(mask & around(hour)) for mask in days.values()) >= USUAL_DAYS]
    hours = ", ".join(f"{hour:02}" for hour in usual) or "none"
    learned = "" if len(days) >= LEARNED_DAYS else f"; matches on {len(days)} days, it learns until there are {LEARNED_DAYS}"
    return f"at {from_us(event.at_us, zone):%H:%M}; usual hours: {hours}{learned}"


def _way(pattern: Travel, earlier: Sequence[Event], event: Event, zone: tzinfo) -> str:
    here = place_of(event)
    placed = [(other, place) for other in earlier if (place := place_of(other)) is not None]
    if here is None:
        return "the event has no place"
    if not placed:
        return "no place of this key before"
    last, there = placed[-1]
    km = distance_km(there, here)
    hours = (event.at_us - last.at_us) / 3.6e9
    speed = f"{km / hours:,.0f} km/h" if hours else "no time between"
    limits = f"more than {pattern.farther_than_km:,.0f} km faster than {pattern.faster_than_kmh:,.0f} km/h"
    return f"{km:,.0f} km from the place at {_when(last.at_us, zone)} ({speed}); it fires at {limits}"


def _spike(pattern: Spike, earlier: Sequence[Event], event: Event) -> str:
    window = _within(earlier, event, pattern.within)
    usual = len(_within(earlier, event, pattern.within + pattern.usual)) - len(window)
    share = usual * pattern.within / pattern.usual
    return (
        f"{len(window) + 1} matches within {show_duration(pattern.within)}, usual are {share:.1f}; "
        f"it fires at {pattern.factor:g} times that and at least {pattern.count}"
    )


def _when(at_us: int, zone: tzinfo) -> str:
    return f"{from_us(at_us, zone):%Y-%m-%d %H:%M:%S}"


def _span(span: timedelta) -> str:
    """A span in its two largest units."""
    seconds = int(span.total_seconds())
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for unit, size in units:
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"
