"""What reports ask the store: how rules, portals and the outbox stand. Only reading."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Integer, cast, func, select

from alertbot.event import Feed
from alertbot.incidents import Incident
from alertbot.rules.model import Level
from alertbot.store.database import Database
from alertbot.store.records import Covered
from alertbot.store.tables import coverage, events, findings, incidents, outbox, rule_versions

_decoder = msgspec.json.Decoder(Incident)


class RuleActivity(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has found at a portal: how often, how often of it as news, and when last (the portal's time)."""

    portal: str
    rule: str
    count: int
    news: int
    last_us: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a channel: how much, since when, and what Slack said last."""

    channel: str
    count: int
    since_us: int
    said: str | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A time whose events may be missing, between two that are whole (microseconds, exclusive)."""

    portal: str
    feed: Feed
    start_us: int
    end_us: int


class Reports(Database):
    """Reading for reports."""

    def rule_activity(self) -> list[RuleActivity]:
        """What rules have found, of what still stands."""
        news = func.sum(1 - cast(findings.c.history, Integer))
        chosen = (
            select(findings.c.portal, findings.c.rule, func.count().label("count"), news.label("news"), _last(findings.c.at_us))
            .where(findings.c.gone.is_(None))
            .group_by(findings.c.portal, findings.c.rule)
            .order_by(findings.c.portal, findings.c.rule)
        )
        with self._read() as connection:
            return [RuleActivity(**row) for row in connection.execute(chosen).mappings()]

    def rule_levels(self) -> dict[str, Level]:
        """The level that each rule ever had last, also of those that are gone."""
        chosen = select(rule_versions.c.rule, rule_versions.c.level).order_by(rule_versions.c.since_us)
        with self._read() as connection:
            return {row.rule: row.level for row in connection.execute(chosen)}

    def gaps(self) -> list[Gap]:
        """The holes in what was read of each portal's history."""
        chosen = select(coverage).order_by(coverage.c.portal, coverage.c.feed, coverage.c.start_us)
        found: list[Gap] = []
        before: tuple[str, str, Covered] | None = None
        with self._read() as connection:
            for row in connection.execute(chosen):
                if before is not None and before[:2] == (row.portal, row.feed) and row.start_us > before[2][1] + 1:
                    found.append(Gap(portal=row.portal, feed=row.feed, start_us=before[2][1], end_us=row.start_us))
                before = (row.portal, row.feed, (row.start_us, row.end_us))
        return found

    def read_to(self) -> dict[str, dict[Feed, int]]:
        """Up to where, in the portal's time, each feed of each portal that is read was read."""
        columns = (coverage.c.portal, coverage.c.feed)
        chosen = select(*columns, func.max(coverage.c.end_us).label("end_us")).group_by(*columns).order_by(*columns)
        found: dict[str, dict[Feed, int]] = {}
        with self._read() as connection:
            for row in connection.execute(chosen):
                found.setdefault(row.portal, {})[row.feed] = row.end_us
        return found

    def waiting(self) -> list[Waiting]:
        """What is not in Slack yet, by channel."""
        chosen = (
            select(
                outbox.c.channel,
                func.count().label("count"),
                func.min(outbox.c.created_us).label("since_us"),
                func.max(outbox.c.error).label("said"),
            )
            .where(outbox.c.state.in_(("waiting", "sending", "unknown")))
            .group_by(outbox.c.channel)
            .order_by(outbox.c.channel)
        )
        with self._read() as connection:
            return [Waiting(**row) for row in connection.execute(chosen).mappings()]

    def newest_events(self) -> dict[str, int]:
        """The date of each portal's newest event."""
        chosen = select(events.c.portal, _last(events.c.at_us)).group_by(events.c.portal)
        with self._read() as connection:
            return {row.portal: row.last_us for row in connection.execute(chosen)}

    def open_incidents_of_people(self) -> list[Incident]:
        """What is open work: not resolved, oldest first."""
        chosen = select(incidents.c.body).where(incidents.c.work != "resolved").order_by(incidents.c.at_us, incidents.c.id)
        with self._read() as connection:
            found = [_decoder.decode(body) for body in connection.execute(chosen).scalars()]
        return [one for one in found if one.stands_for_itself and not one.withdrawn]

    def recent_incidents(self, limit: int) -> list[Incident]:
        """The newest incidents, whatever became of them, oldest first."""
        chosen = select(incidents.c.body).order_by(incidents.c.at_us.desc(), incidents.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [_decoder.decode(body) for body in connection.execute(chosen).scalars()][::-1]

    def incidents_named(self, beginning: str) -> list[str]:
        """The ids of incidents that begin so; two at most, to tell whether it is one."""
        chosen = select(incidents.c.id).where(incidents.c.id.startswith(beginning, autoescape=True)).order_by(incidents.c.id)
        with self._read() as connection:
            return list(connection.execute(chosen.limit(2)).scalars())


def _last(column: Any) -> Any:
    return func.max(column).label("last_us")
