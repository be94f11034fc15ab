"""What rules would have found: the live engine, folded over history.

In come rules and events; out come findings with what a person wants to know of them. Nothing is sent and nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import Any

from alertbot.engine import Engine
from alertbot.event import Event, EventRef, id_of
from alertbot.finding import Finding
from alertbot.incidents import level_of
from alertbot.moments import iso, span_us
from alertbot.rules.model import LEVELS, Level, Rule


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in order of their firing, the rules that made them, and how many events were folded.

    `dropped`: how many keys a rule let go of before their time, because made-up ones filled its memory.
    """

    findings: tuple[Finding, ...]
    rules: dict[str, Rule]
    events: int
    first_us: int | None
    last_us: int | None
    firing: dict[EventRef, Event]
    dropped: dict[str, int] = field(default_factory=dict)

    def by_rule(self) -> list[tuple[Rule, int]]:
        """How many findings each rule has, the highest level first; rules without any too."""
        counts = Counter(found.rule for found in self.findings)
        rules = sorted(self.rules.values(), key=lambda rule: (-LEVELS.index(rule.level), rule.name))
        return [(rule, counts[rule.name]) for rule in rules]

    @property
    def days(self) -> float:
        """How long a time the events cover, in days; at least one."""
        return max(((self.last_us or 0) - (self.first_us or 0)) / span_us(timedelta(days=1)), 1.0)

    def who(self, found: Finding) -> str:
        """The person or thing that a finding is about, in words: an account by its e-mail or name."""
        event = self.firing.get(found.firing)
        person = (event.email or event.name or event.login) if event is not None else None
        values = (
            person if field == "account" and person else value for field, value in zip(found.fields, found.key, strict=True)
        )
        return ", ".join(values)

    def level(self, found: Finding) -> Level:
        """The level that people would have read."""
        return level_of(self.rules[found.rule], self.firing.get(found.firing))


def backtest(
    rules: Sequence[Rule],
    events: Sequence[Event],
    zones: Callable[[str], tzinfo],
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    beside: Collection[str] = (),
    watch: Callable[[Iterable[Event]], Iterable[Event]] = iter,
) -> Report:
    """Fold the events of each portal through the rules; `from_us` and `to_us` (inclusive) choose findings by firing.

    `beside` are rules that others wait for and nobody asked for. Whoever waits can have the events go through `watch`.
    """
    portals: dict[str, list[Event]] = {}
    for event in events:
        portals.setdefault(event.portal, []).append(event)
    found: list[Finding] = []
    dropped: Counter[str] = Counter()
    for portal, of_portal in portals.items():
        engine = Engine(rules, portal, zones(portal))
        found.extend(engine.fold_in_order(watch(sorted(of_portal, key=lambda event: event.order))))
        dropped.update(engine.dropped)
    found = [f for f in found if f.rule not in beside]
    chosen = [f for f in found if (from_us is None or f.at_us >= from_us) and (to_us is None or f.at_us <= to_us)]
    chosen.sort(key=lambda f: (f.at_us, f.portal, f.rule, f.id))
    wanted = {(f.portal, f.firing) for f in chosen}
    return Report(
        findings=tuple(chosen),
        rules={rule.name: rule for rule in rules if rule.mode != "off" and rule.name not in beside},
        events=len(events),
        first_us=min((event.at_us for event in events), default=None),
        last_us=max((event.at_us for event in events), default=None),
        firing={event.ref: event for event in events if (event.portal, event.ref) in wanted},
        dropped=dict(dropped),
    )


def as_json(found: Finding, rule: Rule) -> dict[str, Any]:
    """A finding as programs read it. The names are stable."""
    return {
        "finding": found.id,
        "rule": found.rule,
        "title": rule.title,
        "level": rule.level,
        "portal": found.portal,
        "key": dict(zip(found.fields, found.key, strict=True)),
        "first": iso(found.first_us),
        "at": iso(found.at_us),
        "last": iso(found.last_us),
        "count": found.count,
        "events": [id_of(ref) for ref in found.events],
    }
