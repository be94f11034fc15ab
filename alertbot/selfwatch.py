"""What keeps alertbot from seeing: from how polls end to troubles that begin and end. Pure.

In come the ends of polls (an error, or success and what the reader knows by then), gaps, and what portals say of their keys,
each with its moment; out go `Concern`s: which portal has which trouble, since when, and whether it goes on. A trouble counts
when it has lasted as long as its kind says, and is over when all has been well for a while: the longer, the more often it came
back. All of it can be kept and taken up again, so a restart neither repeats nor forgets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from alertbot.errors import KeyRejected, NotAllowed, PlanMissing, PortalError, PortalMoved, PortalRefused, PortalTLSError
from alertbot.event import Feed
from alertbot.moments import iso, span_us
from alertbot.rules.model import Level

Phase = Literal["begins", "goes_on", "over"]

LAG_POLLS = 5
"""A portal that was not read to its end for so many polls, and a minute, lags."""

_LAG_AT_LEAST = timedelta(minutes=1)
_WELL_FOR = timedelta(seconds=10)
_WELL_FOR_LONGEST = timedelta(hours=1)
_REMEMBERED = timedelta(days=1)
_GAP_QUIET = timedelta(hours=1)
KEY_DAYS = (14, 3, 1)
"""People are told so many days before a key ends."""

_DAY_US = span_us(timedelta(days=1))
_replace = msgspec.structs.replace


class Kind(StrEnum):
    """What alertbot tells of itself, named as rules are. The names are stable: routes go by them."""

    KEY_REJECTED = "self.key_rejected"
    KEY_EXPIRES = "self.key_expires"
    NO_ADMIN = "self.no_admin"
    PLAN_MISSING = "self.plan_missing"
    PORTAL_MOVED = "self.portal_moved"
    TLS = "self.tls"
    UNREACHABLE = "self.unreachable"
    HISTORY_GAP = "self.history_gap"
    AUDIT_UNREAD = "self.audit_unread"
    AUDIT_GAP = "self.audit_gap"
    CLOCK_SKEW = "self.clock_skew"
    LAG = "self.lag"

    @property
    def level(self) -> Level:
        """How grave it is, for routes and colours."""
        return "medium" if self in _MEDIUM else "high"

    @property
    def lasts(self) -> timedelta:
        """How long it must last before it counts."""
        return timedelta(minutes=5) if self in (Kind.UNREACHABLE, Kind.AUDIT_UNREAD) else timedelta()


TAG = "self"
"""The tag of all of them, for routes."""

_GAPS: dict[Feed, Kind] = {"login": Kind.HISTORY_GAP, "audit": Kind.AUDIT_GAP}
_MEDIUM = frozenset({Kind.KEY_EXPIRES, *_GAPS.values(), Kind.CLOCK_SKEW, Kind.LAG})
_WAY = (Kind.UNREACHABLE, Kind.TLS, Kind.PORTAL_MOVED, Kind.KEY_REJECTED, Kind.NO_ADMIN, Kind.PLAN_MISSING)
"""What a request has to get past, in this order: a portal that checks the plan has taken the key."""


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble of one portal. Moments are the bot's own clock, microseconds.

    `well_us`: since when it seems to be over. `times`: how often it came back lately. `mark` changes where people are to be
    told once more. `count`, `last_us`: of gaps, how many there are, and where the newest begins.
    """

    kind: Kind
    portal: str
    since_us: int
    said: str
    phase: Phase = "begins"
    well_us: int | None = None
    times: int = 0
    mark: str = ""
    count: int = 0
    last_us: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A poll that read a portal to its end. `waited`: since the one before it; `skew`: how far the portal's clock is ahead."""

    waited: timedelta
    poll: timedelta
    no_plan: bool = False
    skew: timedelta | None = None
    max_skew: timedelta | None = None


class Selfwatch:
    """The troubles of all portals. `kept` is what `concerns` gave before a restart."""

    def __init__(self, kept: Iterable[Concern] = (), portals: Collection[str] | None = None) -> None:
        self._concerns = {(one.kind, one.portal): one for one in kept if portals is None or one.portal in portals}

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """All that is to be kept."""
        return tuple(self._concerns.values())

    @property
    def going_on(self) -> list[Concern]:
        """What people are told, in the order in which it began."""
        found = [one for one in self._concerns.values() if one.phase == "goes_on"]
        return sorted(found, key=lambda one: (one.since_us, one.portal))

    def failed(self, portal: str, error: PortalError, now_us: int) -> None:
        """A poll ended with an error."""
        kind = kind_of(error)
        self._begin(kind, portal, str(error), now_us)
        for passed in _WAY[: _WAY.index(kind)]:
            self._end(passed, portal, now_us)
        self._end(Kind.LAG, portal, now_us)
        self._end(Kind.AUDIT_UNREAD, portal, now_us)

    def audit_failed(self, portal: str, error: PortalError, now_us: int) -> None:
        """A poll of the audit trail alone ended with an error: the logins can be read."""
        self._begin(Kind.AUDIT_UNREAD, portal, str(error), now_us)

    def audit_succeeded(self, portal: str, now_us: int) -> None:
        """A poll read the audit trail to its end."""
        self._end(Kind.AUDIT_UNREAD, portal, now_us)

    def succeeded(self, portal: str, look: Look, now_us: int) -> None:
        """A poll read the portal to its end."""
        for passed in _WAY[:-1]:
            self._end(passed, portal, now_us)
        if look.no_plan:
            self._begin(Kind.PLAN_MISSING, portal, f"The portal {portal} shows its newest 20 events only.", now_us)
        else:
            self._end(Kind.PLAN_MISSING, portal, now_us)
        if look.skew is not None and look.max_skew is not None and abs(look.skew) > look.max_skew:
            where = "ahead of" if look.skew > timedelta() else "behind"
            said = f"The clock of the portal {portal} is {abs(look.skew).total_seconds():.0f} s {where} ours."
            self._begin(Kind.CLOCK_SKEW, portal, said, now_us)
        else:
            self._end(Kind.CLOCK_SKEW, portal, now_us)
        self.waits(portal, look.waited, look.poll, now_us)
        if not lags(look.waited, look.poll):
            self._end(Kind.LAG, portal, now_us)

    def waits(self, portal: str, waited: timedelta, poll: timedelta, now_us: int) -> None:
        """So long ago the portal was read to its end, without an error that would say why."""
        if lags(waited, poll):
            said = f"The portal {portal} was not read to its end for more than {LAG_POLLS} polls."
            self._begin(Kind.LAG, portal, said, now_us - span_us(waited))

    def missed(self, portal: str, feed: Feed, said: str, start_us: int, now_us: int) -> None:
        """There is a gap in what could be read of a feed; the same one may be said again."""
        kind = _GAPS[feed]
        known = self._concerns.get((kind, portal))
        if known is not None and known.last_us is not None and start_us <= known.last_us:
            return
        count = known.count + 1 if known is not None and known.phase != "over" else 1
        said = said if count == 1 else f"{count:,} gaps, the newest: {said}"
        self._begin(kind, portal, said, now_us)
        begun = self._concerns[kind, portal]
        self._put(_replace(begun, said=said, count=count, last_us=start_us, well_us=now_us))

    def key_ends(self, portal: str, end_us: int | None, said: str, now_us: int) -> None:
        """What a portal says of its key's end; None: it has none."""
        left_us = None if end_us is None else end_us - now_us
        stages = [days for days in KEY_DAYS if left_us is not None and left_us <= days * _DAY_US]
        if end_us is None or not stages:
            self._end(Kind.KEY_EXPIRES, portal, now_us)
            return
        self._begin(Kind.KEY_EXPIRES, portal, said, now_us)
        self._put(_replace(self._concerns[Kind.KEY_EXPIRES, portal], said=said, mark=f"{iso(end_us)} {min(stages)}"))

    def advance(self, now_us: int) -> None:
        """Let time pass: what has lasted long enough counts, what has been well for long enough is over."""
        for one in list(self._concerns.values()):
            if one.phase == "begins" and now_us - one.since_us >= span_us(one.kind.lasts):
                self._put(_replace(one, phase="goes_on"))
            elif one.phase == "goes_on" and one.well_us is not None and now_us - one.well_us >= span_us(_well_for(one)):
                self._put(_replace(one, phase="over"))
            elif one.phase == "over" and one.well_us is not None and now_us - one.well_us >= span_us(_REMEMBERED):
                del self._concerns[one.kind, one.portal]

    def _begin(self, kind: Kind, portal: str, said: str, now_us: int) -> None:
        known = self._concerns.get((kind, portal))
        if known is None:
            self._put(Concern(kind=kind, portal=portal, since_us=now_us, said=said))
        elif known.phase == "over":
            again = Concern(kind=kind, portal=portal, since_us=now_us, said=said, times=known.times + 1, last_us=known.last_us)
            self._put(again)
        elif known.well_us is not None:
            self._put(_replace(known, well_us=None))

    def _end(self, kind: Kind, portal: str, now_us: int) -> None:
        known = self._concerns.get((kind, portal))
        if known is None or known.phase == "over":
            return
        if known.phase == "begins":
            over = _replace(known, phase="over", well_us=now_us, times=known.times - 1)
            if known.times:
                self._put(over)
            else:
                del self._concerns[kind, portal]
        elif known.well_us is None:
            self._put(_replace(known, well_us=now_us))

    def _put(self, one: Concern) -> None:
        self._concerns[one.kind, one.portal] = one


def kind_of(error: PortalError) -> Kind:
    """What an error means for who watches. What passes by itself, and what is no DocSpace portal, is out of reach."""
    match error:
        case PortalTLSError():
            return Kind.TLS
        case KeyRejected():
            return Kind.KEY_REJECTED
        case PlanMissing():
            return Kind.PLAN_MISSING
        case NotAllowed():
            return Kind.NO_ADMIN
        case PortalMoved():
            return Kind.PORTAL_MOVED
        case PortalRefused() | PortalError():
            return Kind.UNREACHABLE


def lags(waited: timedelta, poll: timedelta) -> bool:
    """Whether it is too long ago that a portal was read."""
    return waited > max(LAG_POLLS * poll, _LAG_AT_LEAST)


def _well_for(one: Concern) -> timedelta:
    """How long all must be well: four times as long each time that it comes back within a day."""
    if one.kind in _GAPS.values():
        return _GAP_QUIET
    return min(_WELL_FOR_LONGEST, _WELL_FOR * (1 << 2 * min(one.times, 6)))
