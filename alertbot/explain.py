"""Why a rule fired at an event, and why the others did not. Pure.

In come rules, a portal's events up to the one in question, and that event; out goes a verdict for each rule. Whether a rule
fired is the engine's own word; what is said of its key (`grounds`) is counted from events by the pattern's plain definition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from enum import StrEnum
from typing import Any

from alertbot.engine import Engine
from alertbot.engine.keys import CellKey, Keyer, cell_key, keyer, spelled
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.grounds import Known, grounds, matches, when
from alertbot.moments import end_of_day_us, span_us
from alertbot.rules.model import Burst, Distinct, Each, Exemption, FirstSeen, Hours, Rule, Sequence_, Temporal, with_needed


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


def explain(rules: Sequence[Rule], events: Iterable[Event], event: Event, zone: tzinfo) -> list[Verdict]:
    """What every rule made of `event`; `events` are the portal's, in order, `zone` its zone. Those that fired come first.

    Folded are only the rules that the event can have moved, and most of them only over what has a key of the event: what
    made-up keys pushed out of a live engine's memory is not missing here.
    """
    zoned = [rule.in_zone(zone) for rule in rules]
    moved = _moved(zoned, event, zone)
    past = _Past(moved, event)
    found = _found(rules, moved, past, events, zone)
    verdicts = [_verdict(rule, past, [one for one in found if one.rule == rule.name], found, event, zone) for rule in zoned]
    order = list(Outcome)
    return sorted(verdicts, key=lambda verdict: (order.index(verdict.outcome), verdict.rule.name))


def _moved(rules: Sequence[Rule], event: Event, zone: tzinfo) -> list[Rule]:
    """The rules that the event can have moved: itself, or through the firing of a rule that they wait for."""
    seen = {rule.name for rule in rules if _not_a_match(rule, event, zone) is None}
    fires = {rule.name for rule in rules if rule.name in seen and (rule.only is None or rule.only.test(event))}
    while more := {rule.name for rule in rules if rule.mode != "off" and not fires.isdisjoint(rule.needs)} - fires:
        fires |= more
    return [rule for rule in rules if rule.name in seen | fires]


def _found(rules: Sequence[Rule], moved: Sequence[Rule], past: _Past, events: Iterable[Event], zone: tzinfo) -> list[Finding]:
    """What these rules, and all that they wait for, found up to the event: wherever its keys are concerned."""
    known = {rule.name: rule for rule in rules}
    wide, narrow = set[str](), set[str]()
    for rule in moved:
        needed = with_needed(rule, known)
        (narrow if all(_keeps_key(known[name], known) for name in needed) else wide).update(needed)
    portal, near = past.event.portal, list[Event]()
    found: list[Finding] = []
    if wide:
        engine = Engine([rule for rule in rules if rule.name in wide], portal, zone)
        found += engine.fold_in_order(past.up_to_event(events, near))
    else:
        for _ in past.up_to_event(events, near):
            pass
    found += Engine([rule for rule in rules if rule.name in narrow], portal, zone).fold_in_order(near)
    return list({one.id: one for one in found}.values())


def _keeps_key(rule: Rule, known: Mapping[str, Rule]) -> bool:
    """Whether all that a rule waits for has its own key: then other keys have no say in what it finds for one."""
    heard = all(known[name].by == rule.by for name in rule.needs if name in known)
    return heard and all(source.by == rule.by for source in rule.sources)


@dataclass
class _Past:
    """What came before an event, as far as it bears upon it: a million others pass by and are let go.

    `earlier` holds for each rule the matches before of the event's key; where it waits for other rules all events of the key,
    for any may have made these fire. `first` is the first event of all.
    """

    rules: Sequence[Rule]
    event: Event
    first: Event | None = None
    earlier: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def up_to_event(self, events: Iterable[Event], near: list[Event]) -> Iterator[Event]:
        """The events before the one in question, in order, and that one; into `near` goes what has a key of it, and the first
        of all."""
        by: dict[tuple[str, ...], tuple[Keyer, CellKey, list[tuple[Rule, int]]]] = {}
        for rule in self.rules:
            key_of = keyer(rule.by)
            if (key := key_of(self.event)) is not None:
                by.setdefault(rule.by, (key_of, key, []))[2].append((rule, _counts_since_us(rule, self.event)))
        for other in events:
            if other.order >= self.event.order:
                break
            is_near = self.first is None
            self.first = self.first or other
            for key_of, key, rules in by.values():
                if key_of(other) == key:
                    for rule, since_us in rules:
                        if rule.needs or matches(rule, other):
                            is_near = True
                            if other.at_us >= since_us:
                                self.earlier[rule.name].append(other)
            if is_near:
                near.append(other)
            yield other
        self.first = self.first or self.event
        near.append(self.event)
        yield self.event


def _counts_since_us(rule: Rule, event: Event) -> int:
    """What is older has no say in what is told of a rule's key; rules that learn are told of all that was kept."""
    if isinstance(rule.pattern, Burst | Distinct | Temporal | Sequence_):
        return event.at_us - span_us(rule.pattern.within)
    return 0


def _verdict(rule: Rule, past: _Past, own: Sequence[Finding], found: Sequence[Finding], event: Event, zone: tzinfo) -> Verdict:
    names, values = spelled(event, rule.by, rule.by)
    key = dict(zip(names, values, strict=True))
    fired = next((one for one in own if one.firing == event.ref), None)
    quiet = _not_a_match(rule, event, zone)
    if quiet is not None and fired is None:
        return Verdict(rule, quiet[0], key, quiet[1])
    local = rule.zone or zone
    earlier = [(other, _exemption(rule, other, local) is not None) for other in past.earlier[rule.name]]
    known = Known(earlier, past.first or event, [one for one in own if cell_key(one.key) == cell_key(values)], found)
    why = grounds(rule, known, event, local)
    if fired is not None:
        return Verdict(rule, Outcome.FIRED, key, why, fired.id)
    for one in known.own:
        if one.last_us == event.at_us and one.count > len(one.events):
            return Verdict(rule, Outcome.EXTENDED, key, f"{why}; it goes on since {when(one.at_us, local)}", one.id)
    if rule.only is not None and not rule.only.test(event):
        why += "; `only` does not want an event like this one to fire"
    return Verdict(rule, Outcome.COUNTED, key, why)


def _not_a_match(rule: Rule, event: Event, zone: tzinfo) -> tuple[Outcome, str] | None:
    if rule.mode == "off":
        return Outcome.OFF, "the rule is off"
    if event.feed not in rule.feeds:
        return Outcome.OTHER_FEED, f"it looks at the {' and '.join(sorted(rule.feeds))} feed"
    if not matches(rule, event):
        waits = "; it waits for firings of " + ", ".join(rule.needs) if rule.needs else ""
        return Outcome.NOT_MATCHED, f"its detection does not select this event{waits}"
    exemption = _exemption(rule, event, rule.zone or zone)
    if exemption is not None:
        return Outcome.EXEMPT, f"an exception holds: {exemption.why}"
    for fields in _needed(rule):
        missing = [name for name in fields if name not in spelled(event, fields, fields)[0]]
        if missing:
            return Outcome.NO_KEY, f"the event has no {' and no '.join(missing)}"
    return None


def _exemption(rule: Rule, event: Event, zone: tzinfo) -> Exemption | None:
    """The exception that holds for an event; none holds after the end of its day."""
    for one in rule.exemptions:
        if event.at_us <= end_of_day_us(one.until or date.max, zone) and one.match.test(event):
            return one
    return None


def _needed(rule: Rule) -> Iterable[tuple[str, ...]]:
    """The fields without which an event does not count: those of the key, then those of what is looked at."""
    pattern = rule.pattern
    if not isinstance(pattern, Each | Hours):
        yield rule.by
    if isinstance(pattern, Distinct):
        yield pattern.of
    elif isinstance(pattern, FirstSeen):
        yield from pattern.each
