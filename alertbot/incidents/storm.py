"""Storms: new incidents of one rule that come too thick to be told one by one.

In come what is to be told and how it stood before; out goes what is told singly, and what a summary tells. Within a storm
incidents of known people are told first and singly, a few a minute; a success among failures is never joined. The store has
every incident in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from alertbot.incidents.incident import Occasion, Telling
from alertbot.moments import span_us
from alertbot.rules.model import LEVELS, Level

IN_ONE_POLL = 10
IN_A_MINUTE = 30
"""More new incidents of a rule than this are a storm."""

SINGLY_A_MINUTE = 5
QUIET = timedelta(minutes=10)
"""A storm is over after so long without a new incident."""

WAITING = 500
"""So many incidents of known people at most wait for their turn; the summary and its list name them all."""

NEW = frozenset({Occasion.OPENING, Occasion.RETURN, Occasion.RISE})
_MINUTE_US = span_us(timedelta(minutes=1))


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """A storm of one rule. `id` is the outbox entry of its summary; moments are the portal's time, microseconds.

    `waiting` are incidents of known people whose turn comes; `singly_us` when the last ones had theirs.
    """

    id: str
    portal: str
    rule: str
    title: str
    level: Level
    since_us: int
    last_us: int
    successes: int = 0
    count: int = 0
    waiting: tuple[str, ...] = ()
    singly_us: tuple[int, ...] = ()
    listed: int = 0
    """How many incidents the last list in its thread held, and when it was written."""
    calm_us: int = 0
    """The last new incident after which it was calm, and a list was written that holds all up to there."""
    listed_us: int = 0
    copies: dict[str, str] = {}
    """The outbox entries of its copies in other channels, and these channels."""
    revision: int = 0

    @property
    def mostly_failures(self) -> bool:
        """Whether a success among them is something else."""
        return 2 * self.successes < self.count

    def is_calm(self, now_us: int) -> bool:
        """Whether nothing new has come for a minute, for the first time since the last one came."""
        return self.calm_us < self.last_us <= now_us - _MINUTE_US

    def budget(self, now_us: int) -> int:
        """How many more may be told singly now."""
        return SINGLY_A_MINUTE - sum(at_us > now_us - _MINUTE_US for at_us in self.singly_us)


@dataclass(slots=True)
class Sorted:
    """What is told singly, what storms tell (incident → storm), the storms that go on and those that are over."""

    singly: list[Telling] = field(default_factory=list)
    joined: dict[str, str] = field(default_factory=dict)
    turn: list[str] = field(default_factory=list)
    """Incidents that a storm has told of and that have their turn now to be told singly."""
    storms: dict[str, Storm] = field(default_factory=dict)
    over: list[Storm] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    """The storms whose summary is to be written or updated."""


def sort(
    tellings: Sequence[Telling],
    storms: Mapping[str, Storm],
    recent: Mapping[str, int],
    now_us: int,
    name: Callable[[str, str], str],
) -> Sorted:
    """Sort what is to be told. `storms` and `recent` (new incidents in the last minute, those in hand left out) go by rule;
    `name` gives the id of a summary from its rule and the incident that began it.
    """
    desk = Sorted()
    for rule, storm in storms.items():
        if storm.last_us + span_us(QUIET) <= now_us:
            desk.over.append(storm)
            desk.changed.add(storm.id)
        else:
            desk.storms[rule] = storm
    by_rule: dict[str, list[Telling]] = {}
    for telling in tellings:
        if telling.occasion in NEW:
            by_rule.setdefault(telling.incident.rule, []).append(telling)
        else:
            desk.singly.append(telling)
    for rule, new in by_rule.items():
        fresh = sum(telling.occasion is Occasion.OPENING for telling in new)
        begins = len(new) > IN_ONE_POLL or fresh + recent.get(rule, 0) > IN_A_MINUTE
        if rule not in desk.storms and not begins:
            desk.singly += new
            continue
        storm = desk.storms.get(rule) or _begun(new, now_us, name)
        desk.storms[rule] = _joined(desk, storm, new, now_us)
        desk.changed.add(storm.id)
    for rule, storm in list(desk.storms.items()):
        desk.storms[rule] = _turns(desk, storm, now_us)
    return desk


def _begun(new: Sequence[Telling], now_us: int, name: Callable[[str, str], str]) -> Storm:
    first = min((telling.incident for telling in new), key=lambda incident: (incident.at_us, incident.id))
    return Storm(
        id=name(first.rule, first.id),
        portal=first.portal,
        rule=first.rule,
        title=first.title,
        level=first.level,
        since_us=min(telling.incident.at_us for telling in new),
        last_us=now_us,
    )


def _joined(desk: Sorted, storm: Storm, new: Sequence[Telling], now_us: int) -> Storm:
    successes = sum(_succeeded(telling) for telling in new)
    storm = msgspec.structs.replace(
        storm,
        count=storm.count + len(new),
        successes=storm.successes + successes,
        last_us=max(storm.last_us, now_us),
        since_us=min(storm.since_us, *(telling.incident.at_us for telling in new)),
        level=max((storm.level, *(telling.incident.level for telling in new)), key=LEVELS.index),
        revision=storm.revision + 1,
    )
    left = storm.budget(now_us)
    waiting = list(storm.waiting)
    told = 0
    for telling in sorted(new, key=_importance):
        about = telling.incident.about
        if _succeeded(telling) and storm.mostly_failures:
            desk.singly.append(telling)
        elif about is not None and about.known and told < left and not storm.waiting:
            told += 1
            desk.singly.append(telling)
        else:
            desk.joined[telling.incident.id] = storm.id
            if about is not None and about.known and len(waiting) < WAITING:
                waiting.append(telling.incident.id)
    return msgspec.structs.replace(storm, waiting=tuple(waiting), singly_us=_noted(storm, told, now_us))


def _turns(desk: Sorted, storm: Storm, now_us: int) -> Storm:
    """The next ones of those who wait."""
    turn = storm.waiting[: max(0, storm.budget(now_us))]
    if not turn:
        return storm
    desk.turn += turn
    left = storm.waiting[len(turn) :]
    return msgspec.structs.replace(storm, waiting=left, singly_us=_noted(storm, len(turn), now_us))


def _noted(storm: Storm, told: int, now_us: int) -> tuple[int, ...]:
    return (*(at_us for at_us in storm.singly_us if at_us > now_us - _MINUTE_US), *[now_us] * told)


def _succeeded(telling: Telling) -> bool:
    return telling.incident.about is not None and telling.incident.about.success


def _importance(telling: Telling) -> tuple[bool, int, int, str]:
    incident = telling.incident
    known = incident.about is not None and incident.about.known
    return (not known, -LEVELS.index(incident.level), incident.at_us, incident.id)
