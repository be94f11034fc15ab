"""What the sandbox portal holds: rows of both feeds, people, keys, its settings, the faults that were ordered, and a log.

In come rows, people and orders, from Python or over HTTP (`control`); out goes what the portal knows at a moment of its clock.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from alertbot.event import Feed
from alertbot.moments import span_us
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.envelope import Dialect
from alertbot.sandbox.faults import Faults
from alertbot.sandbox.intake import Member, complete, parse_member, parse_row
from alertbot.sandbox.ledger import Ledger, Row
from alertbot.sandbox.limits import Limits, SlidingWindow

Plan = Literal["audit", "none", "unpaid"]
"""`audit` has the service; on `none` `/filter` serves `/last`; `unpaid` answers 402."""

KEPT_REQUESTS = 100_000


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key of the portal. `*:read` is enough for reading; `owner` is a user id."""

    token: str = "sk-sandbox"  # noqa: S105  (no secret: it opens nothing but the sandbox)
    name: str = "alertbot"
    permissions: tuple[str, ...] = ("*:read", "*:write")
    active: bool = True
    expires_at: datetime | None = None
    owner: str = "sandbox-owner"
    owner_is_admin: bool = True

    def allows(self, scope: str) -> bool:
        """Whether the key has a scope like `*:read`; writing includes reading."""
        wanted = {"*", "*:write", scope}
        if scope == "*:write":
            wanted = {"*", scope}
        return not wanted.isdisjoint(self.permissions)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How this portal is set up."""

    plan: Plan = "audit"
    lifetime_days: int = 180
    limits: Limits = Limits()
    dialect: Dialect = Dialect()
    skew_s: float = 0.0
    """How far the `Date` header runs before the clock that dates the events."""
    latency_s: float = 0.0
    """How long an answer takes, in real time."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that reached the portal."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    portal_now: datetime
    with_key: bool


class Holdings:
    """One portal's rows, people, keys, settings, and the faults that were ordered."""

    def __init__(
        self,
        clock: SandboxClock,
        *,
        zone: tzinfo | None = None,
        people: Iterable[Member] = (),
        keys: Iterable[ApiKey] = (ApiKey(),),
        settings: Settings | None = None,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.zone = zone or ZoneInfo("UTC")
        self.settings = settings or Settings()
        self.faults = Faults()
        self.requests: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self.ended_sessions: list[str] = []
        self.windows: dict[str, SlidingWindow] = {}
        self.url = ""
        self._keys = {key.token: key for key in keys}
        self._people = {member.id: member for member in people}
        self._ledgers: dict[Feed, Ledger] = {"login": Ledger(), "audit": Ledger()}
        self._seed = seed
        self._number = 0
        self._asked = asyncio.Event()

    @property
    def key(self) -> ApiKey:
        """The first key."""
        return next(iter(self._keys.values()))

    def put_key(self, key: ApiKey) -> None:
        """Adds a key, or changes the one with that token."""
        self._keys[key.token] = key

    def drop_key(self, token: str) -> None:
        """Revokes a key."""
        self._keys.pop(token, None)

    @property
    def people(self) -> tuple[Member, ...]:
        """The directory."""
        return tuple(self._people.values())

    def put_person(self, raw: Mapping[str, Any]) -> None:
        """Adds a person in the portal's JSON, or changes the one with that id."""
        member = parse_member(raw)
        self._people[member.id] = member

    def load(self, rows: Iterable[Row]) -> None:
        """Records whole rows, each shown from its `appears_us` on."""
        for row in rows:
            self._ledgers[row.feed].add((row,))

    def add(self, raw: Mapping[str, Any], feed: Feed = "login", *, delay: timedelta | None = None) -> int:
        """Records a row by hand and gives its id; what it leaves out the portal fills in. Shown `delay` after its date."""
        by_email = {member.email.strip().casefold(): member for member in self._people.values()}
        row = parse_row(complete(raw, by_email, self._ledgers[feed].last_id + 1, self.clock.now(), feed), feed)
        if delay is not None:
            row = msgspec.structs.replace(row, appears_us=row.at_us + span_us(delay))
        self.load((row,))
        return row.id

    def shown(self, feed: Feed = "login") -> list[Row]:
        """All rows that the portal shows now, oldest first."""
        return list(self._kept(feed).shown(self.clock.now_us()))

    def coming(self, feed: Feed = "login", *, until_us: int | None = None) -> int:
        """How many rows are recorded that it does not show yet; with `until_us`, those that it will show by then."""
        ledger = self._ledgers[feed]
        ledger.shown(self.clock.now_us())
        return ledger.coming if until_us is None else ledger.coming_until(until_us)

    def coming_for(self, feed: Feed = "login") -> timedelta:
        """How long, in its own time, until the last recorded row is shown."""
        last_us = self._ledgers[feed].last_appears_us
        now_us = self.clock.now_us()
        return timedelta(microseconds=max(0, (last_us or now_us) - now_us))

    def page(self, feed: Feed, start: int, count: int) -> list[Row]:
        """What a request for these rows is given now, newest first."""
        chance = random.Random(f"{self._seed}/{self._number}")  # noqa: S311  (an order that tests can repeat)
        return self._kept(feed).page(self.clock.now_us(), start, count, chance)

    def key_for(self, token: str) -> ApiKey | None:
        """The key with that token, if it is good now."""
        key = self._keys.get(token)
        if key is None or not key.active:
            return None
        return None if key.expires_at is not None and key.expires_at <= self.clock.now() else key

    def person(self, user_id: str) -> Member | None:
        """The person with that id."""
        return self._people.get(user_id)

    def note(self, method: str, path: str, query: Mapping[str, str], *, with_key: bool) -> None:
        """Writes a request down; each one may see rows of equal date in another order."""
        self._number += 1
        asked = Asked(
            number=self._number,
            method=method,
            path=path,
            query=dict(query),
            portal_now=self.clock.now(),
            with_key=with_key,
        )
        self.requests.append(asked)
        self._asked.set()

    @property
    def asked(self) -> int:
        """How many requests have reached the portal."""
        return self._number

    async def until_asked(self, count: int) -> None:
        """Waits until so many requests have reached the portal since it stands."""
        while self._number < count:
            self._asked.clear()
            await self._asked.wait()

    def _kept(self, feed: Feed) -> Ledger:
        """A feed's ledger without what the portal has deleted by now."""
        ledger, now_us = self._ledgers[feed], self.clock.now_us()
        ledger.shown(now_us)
        ledger.forget(now_us - span_us(timedelta(days=self.settings.lifetime_days)))
        return ledger
