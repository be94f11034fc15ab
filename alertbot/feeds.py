"""The feeds of one portal: how far each is read, what the engine at work knows of it, and which rules can judge. Pure.

The login history is always read, the audit trail where a rule looks at it. Each is read by itself, so that a long or failing
read of one keeps nobody from seeing the other; a rule judges as soon as all that it looks at was read to its end once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from alertbot.event import Event, Feed
from alertbot.portal.history import HistoryReader, Range
from alertbot.rules.model import Rule, with_needed

Span = tuple[int, int]


class Stage(Enum):
    """How far a feed is."""

    UNREAD = "nothing of it came yet"
    PART = "pages came, and older ones are missing"
    FAILED = "it cannot be read, and never was to its end"
    WHOLE = "it was read to its end, and the engine at work does not know all of it"
    AT_WORK = "the engine at work knows all of it"


@dataclass(slots=True)
class FeedState:
    """One feed. `is_new`: it was never read to its end.

    `now_us`: the portal's clock when it was read to its end last. `owed_us`: from there on are events that the engine at work
    has not folded in order; `unjudged`: the dates of those, but for what is history. `read_us` and `good_us`: when it was read
    to its end, and when what was read then was evaluated, by the bot's own clock.
    """

    feed: Feed
    reader: HistoryReader
    is_new: bool
    stage: Stage = Stage.UNREAD
    gaps: tuple[Span, ...] = ()
    now_us: int | None = None
    owed_us: int | None = None
    unjudged: set[int] = field(default_factory=set)
    read_us: int | None = None
    good_us: int | None = None

    def failed(self) -> None:
        """A read ended with an error."""
        if self.stage in (Stage.UNREAD, Stage.PART):
            self.stage = Stage.FAILED

    @property
    def is_whole(self) -> bool:
        """Whether it was read to its end since it is watched."""
        return self.stage in (Stage.WHOLE, Stage.AT_WORK)


@dataclass(slots=True)
class Feeds:
    """Those of a portal that are read."""

    by_name: dict[Feed, FeedState] = field(default_factory=dict)

    def __getitem__(self, feed: Feed) -> FeedState:
        return self.by_name[feed]

    @property
    def whole(self) -> frozenset[Feed]:
        """Those that were read to their end."""
        return frozenset(feed for feed, one in self.by_name.items() if one.is_whole)

    @property
    def gaps(self) -> dict[Feed, tuple[Span, ...]]:
        """What was not read, of each."""
        return {feed: one.gaps for feed, one in self.by_name.items()}

    @property
    def can_build(self) -> bool:
        """Whether an engine would know the logins, and of the rest what can be known soon."""
        return self["login"].is_whole and all(one.stage is not Stage.UNREAD for one in self.by_name.values())

    @property
    def is_all_read(self) -> bool:
        """Whether there is nothing more to wait for: the rest cannot be read."""
        return all(one.stage not in (Stage.UNREAD, Stage.PART) for one in self.by_name.values())

    @property
    def want_an_engine(self) -> bool:
        """Whether there is something that the engine at work does not know, or not in order."""
        return any(one.stage is Stage.WHOLE or (one.is_whole and one.owed_us is not None) for one in self.by_name.values())

    def owed_us(self, changed: dict[Feed, int | None]) -> int | None:
        """From where on events are not in order yet, with what changes."""
        return earliest(({feed: one.owed_us for feed, one in self.by_name.items()} | changed).values())


def looked_at(rules: Iterable[Rule]) -> frozenset[Feed]:
    """The feeds to be read for rules."""
    return frozenset[Feed](("login",)).union(*(rule.feeds for rule in rules))


def judging(rules: Mapping[str, Rule], whole: frozenset[Feed]) -> dict[str, Rule]:
    """The rules that can judge when these feeds are known: each with all that it waits for."""
    return {name: rule for name, rule in rules.items() if _all_feeds(rule, rules) <= whole}


def looking_at(rules: Mapping[str, Rule], feed: Feed) -> list[Rule]:
    """The rules that need a feed, for themselves or for what they wait for."""
    return [rule for rule in rules.values() if feed in _all_feeds(rule, rules)]


def _all_feeds(rule: Rule, rules: Mapping[str, Rule]) -> frozenset[Feed]:
    return rule.feeds.union(*(rules[name].feeds for name in with_needed(rule, rules)))


def is_begun_only(ranges: Sequence[Range]) -> bool:
    """Whether a first read has not come to its end: the mark of where that is stands alone."""
    return len(ranges) > 1 and ranges[0].start_us == ranges[0].end_us


def gaps_between(ranges: Iterable[Range]) -> tuple[Span, ...]:
    """What lies between covered ranges: it was never read."""
    return tuple((before.end_us, after.start_us) for before, after in pairwise(ranges))


def earliest(moments: Iterable[int | None], events: Iterable[Event] = ()) -> int | None:
    """The first of some moments and the dates of events; None where there is none."""
    return min((at_us for at_us in (*moments, *(event.at_us for event in events)) if at_us is not None), default=None)
