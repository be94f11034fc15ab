"""A rule after loading: frozen, checked, compiled. Nothing here changes while the bot runs; state has types of its own.

Comes out of `rules.load`; goes into `engine` (what fires), `incidents` (whom to tell) and `slack.message` (what to say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from alertbot.errors import Mistake
from alertbot.event import Event, Feed

if TYPE_CHECKING:
    from alertbot.rules.condition import Condition

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
Mode = Literal["live", "shadow", "off"]


@dataclass(frozen=True, slots=True)
class Selection:
    """A compiled condition on one event.

    Two selections with the same `fingerprint` give the same answer for every event, so the engine asks one of them.
    `equals` names fields of which the event must hold one of the values (in lower case) to match at all: what the engine
    indexes by. Empty: any event may match. `zoned` is there where parts of it count only up to a day: it gives the selection
    whose days are those of a zone; without it they are days in UTC. `condition` is what `test` was compiled from.
    """

    test: Callable[[Event], bool] = field(compare=False, repr=False)
    fingerprint: str
    equals: tuple[tuple[str, frozenset[str]], ...] = ()
    zoned: Callable[[tzinfo], Selection] | None = field(default=None, compare=False, repr=False)
    condition: Condition | None = field(default=None, compare=False, repr=False)

    def in_zone(self, zone: tzinfo) -> Selection:
        """The selection with its days in a zone."""
        return self.zoned(zone) if self.zoned is not None else self


@dataclass(frozen=True, slots=True)
class Each:
    """No pattern: every match fires."""


@dataclass(frozen=True, slots=True)
class Burst:
    """At least `count` matches of a key within the window, and not more than `at_most`."""

    count: int
    within: timedelta
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Distinct:
    """At least `count` different values of `of` (one field, or several together) within the window, not more than `at_most`."""

    of: tuple[str, ...]
    count: int
    within: timedelta
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Temporal:
    """At least `count` different ones of the rule's `sources` fire within the window, and not more than `at_most`."""

    count: int
    within: timedelta
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence: a selection of the rule's detection, or the firings of another rule."""

    count: int
    selection: Selection | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Sequence_:  # noqa: N801 -- without the underscore it is the standard library's
    """The steps in order within the window."""

    within: timedelta
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """A value (every group of `each` is one value, of one field or several together; all must be new) not seen for the key."""

    each: tuple[tuple[str, ...], ...]
    memory: timedelta
    learn: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a week by the wall clock: days (0 is Monday) on which it starts, first minute, last minute (exclusive).

    An `end` at or before `start` lies on the next day; both in minutes since midnight, `end` up to 1440.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working hours with holidays: what `calendars.yml` holds under a name."""

    name: str
    zone: ZoneInfo | None
    hours: tuple[Window, ...]
    holidays: str | None = None
    not_holidays: frozenset[date] = frozenset()
    closed: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Hours:
    """A match that is not in the given hours. `zone` None: the portal's."""

    outside: Calendar


LEARNED_DAYS = 10
"""Learned hours are silent until a key has matched on so many days."""


@dataclass(frozen=True, slots=True)
class LearnedHours:
    """A match at an hour that is unusual for its key."""

    learn: timedelta
    zone: ZoneInfo | None


@dataclass(frozen=True, slots=True)
class Travel:
    """A match that cannot have been reached from the key's last place."""

    faster_than_kmh: float
    farther_than_km: float
    familiar: timedelta | None


@dataclass(frozen=True, slots=True)
class Spike:
    """The window holds `factor` times the usual and at least `count`."""

    within: timedelta
    factor: float
    usual: timedelta
    count: int


@dataclass(frozen=True, slots=True)
class Dormant:
    """The first match after a silence longer than `after`."""

    after: timedelta
    memory: timedelta


@dataclass(frozen=True, slots=True)
class Absence:
    """Nothing matched for `within`; with `hours`, only these count."""

    within: timedelta
    hours: Calendar | None


Pattern = Each | Burst | Distinct | Temporal | Sequence_ | FirstSeen | Hours | LearnedHours | Travel | Spike | Dormant | Absence


@dataclass(frozen=True, slots=True)
class Source:
    """A rule whose firings are matches of another one. `by` are the fields of the firing event that hold the values of that
    rule's key, in its order; `of` those that hold the value that is counted, where they have other names than the pattern says.
    """

    rule: str
    by: tuple[str, ...]
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exemption:
    """An `except` entry: events that it matches neither count nor fire, up to and with `until` in the rule's zone."""

    match: Selection
    why: str
    until: date | None


@dataclass(frozen=True, slots=True)
class Raise:
    """A `raise` entry: the level that a finding gets when its firing event matches."""

    match: Selection
    to: Level


@dataclass(frozen=True, slots=True)
class InlineTest:
    """A `tests` entry as written, after its shape was checked; `line` is where it stands."""

    it: str
    events: Sequence[Mapping[str, Any]]
    alerts: Sequence[Mapping[str, Any]]
    people: Sequence[Mapping[str, Any]]
    zone: ZoneInfo | None
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `version` is a hash of what decides its findings, nothing else (design: "A rule's version").

    `feeds`: the feeds whose events it looks at. `condition` is None only where the pattern's steps carry the selections, or
    where `sources` names the rules whose firings are its matches. `heard_only`: its own findings are told to nobody, other
    rules wait for its firings. `zone` is the rule's own; None: the portal's, then UTC. `path` and `line` are where it stands.
    """

    name: str
    title: str
    path: str
    line: int
    version: str
    level: Level
    mode: Mode
    feeds: frozenset[Feed]
    condition: Selection | None
    pattern: Pattern
    by: tuple[str, ...]
    quiet: timedelta
    description: str = ""
    respond: str = ""
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    inhibits: tuple[str, ...] = ()
    route: str | None = None
    zone: ZoneInfo | None = None
    only: Selection | None = None
    exemptions: tuple[Exemption, ...] = ()
    raises: tuple[Raise, ...] = ()
    tests: tuple[InlineTest, ...] = ()
    sources: tuple[Source, ...] = ()
    heard_only: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """The rules whose firings this one waits for."""
        steps = self.pattern.steps if isinstance(self.pattern, Sequence_) else ()
        return (*(step.rule for step in steps if step.rule is not None), *(source.rule for source in self.sources))

    def in_zone(self, portal_zone: tzinfo) -> Rule:
        """The rule with the days of its selections in its own zone, else in the portal's."""
        zone = self.zone or portal_zone
        pattern = self.pattern
        if isinstance(pattern, Sequence_):
            steps = [replace(s, selection=s.selection.in_zone(zone)) if s.selection else s for s in pattern.steps]
            pattern = replace(pattern, steps=tuple(steps))
        return replace(
            self,
            pattern=pattern,
            condition=self.condition and self.condition.in_zone(zone),
            only=self.only and self.only.in_zone(zone),
            exemptions=tuple(replace(one, match=one.match.in_zone(zone)) for one in self.exemptions),
            raises=tuple(replace(one, match=one.match.in_zone(zone)) for one in self.raises),
        )


def with_needed(rule: Rule, known: Mapping[str, Rule]) -> set[str]:
    """The names of a rule and of all whose firings it waits for, itself or through others, as far as they are known."""
    needed, waiting = set[str](), [rule.name]
    while waiting:
        name = waiting.pop()
        if name in known and name not in needed:
            needed.add(name)
            waiting += known[name].needs
    return needed


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """What stops to apply after a day: an exception, or a value of a list; and where that day is written."""

    until: date
    path: str
    line: int
    col: int
    what: str


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules that were loaded together, what is odd about them without being wrong, and what in them comes to an end.

    `digest`: of the files, as they were just before they were read. `beside`: the names of rules that nobody asked for; others
    wait for them.
    """

    rules: tuple[Rule, ...]
    warnings: tuple[Mistake, ...] = ()
    expiries: tuple[Expiry, ...] = ()
    digest: str = ""
    beside: frozenset[str] = frozenset()

    @property
    def own(self) -> tuple[Rule, ...]:
        """The rules that were asked for."""
        return tuple(rule for rule in self.rules if rule.name not in self.beside)
