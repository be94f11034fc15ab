"""Incidents in the store, and their log that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, insert, or_, select

from alertbot.finding import Key
from alertbot.incidents import Incident, LogEntry, Phase, Work
from alertbot.store.database import Database, chunks
from alertbot.store.records import encode
from alertbot.store.tables import incident_log, incidents

_decoder = msgspec.json.Decoder(Incident)
_log_decoder = msgspec.json.Decoder(LogEntry)
_QUIET_HOURS = "quiet_hours:"


class Incidents(Database):
    """Reading incidents."""

    def incident(self, id_: str) -> Incident | None:
        """One incident."""
        return next(iter(self.incidents_by_id([id_])), None)

    def incidents_by_id(self, ids: Iterable[str]) -> list[Incident]:
        """The incidents of these ids; unknown ones are left out."""
        return self._each(select(incidents.c.body).where(incidents.c.id.in_(some)) for some in chunks(list(ids)))

    def incidents(self, *, portal: str | None = None, phase: Phase | None = None, work: Work | None = None) -> list[Incident]:
        """Incidents in the order in which they opened."""
        chosen = select(incidents.c.body)
        for column, value in ((incidents.c.portal, portal), (incidents.c.phase, phase), (incidents.c.work, work)):
            if value is not None:
                chosen = chosen.where(column == value)
        return self._each([chosen.order_by(incidents.c.at_us, incidents.c.id)])

    def open_incidents(self, portal: str, rule: str, keys: Iterable[Key] | None = None) -> list[Incident]:
        """The incidents of a rule that go on: of these keys (equal in any case of letters), or all."""
        chosen = (
            select(incidents.c.body)
            .where(incidents.c.phase == "going_on", incidents.c.portal == portal, incidents.c.rule == rule)
            .order_by(incidents.c.at_us, incidents.c.id)
        )
        if keys is None:
            return self._each([chosen])
        return self._each(chosen.where(incidents.c.key.in_(some)) for some in chunks([key_text(key) for key in keys]))

    def near_incidents(self, portal: str, rule: str, keys: Iterable[Key], since_us: int, until_us: int) -> list[Incident]:
        """The incidents of a rule and these keys of which something happened between two moments, inclusive."""
        return self._each(
            select(incidents.c.body)
            .where(incidents.c.portal == portal, incidents.c.rule == rule, incidents.c.key.in_(some))
            .where(incidents.c.last_us >= since_us, incidents.c.first_us <= until_us)
            .order_by(incidents.c.at_us, incidents.c.id)
            for some in chunks([key_text(key) for key in keys])
        )

    def incidents_of_rule(self, portal: str, rule: str, since_us: int) -> list[Incident]:
        """The incidents of a rule that opened since a moment, inclusive, in the order in which they did."""
        chosen = select(incidents.c.body).where(
            incidents.c.portal == portal, incidents.c.rule == rule, incidents.c.at_us >= since_us
        )
        return self._each([chosen.order_by(incidents.c.at_us, incidents.c.id)])

    def count_incidents(self, portal: str, rule: str, since_us: int) -> int:
        """How many incidents of a rule opened since a moment, inclusive."""
        chosen = select(func.count()).where(
            incidents.c.portal == portal, incidents.c.rule == rule, incidents.c.at_us >= since_us
        )
        with self._read() as connection:
            return connection.scalar(chosen) or 0

    def open_work(self, portal: str, since_us: int, limit: int) -> list[Incident]:
        """Incidents that go on, or that nobody has looked at, and that opened since a moment; the newest first, so many."""
        chosen = select(incidents.c.body).where(
            incidents.c.portal == portal,
            incidents.c.at_us >= since_us,
            or_(incidents.c.phase == "going_on", incidents.c.work == "new"),
            incidents.c.work != "resolved",
        )
        return self._each([chosen.order_by(incidents.c.at_us.desc(), incidents.c.id).limit(limit)])

    def latest_incidents(self, portal: str, rule: str, keys: Iterable[Key]) -> list[Incident]:
        """The last incident of a rule and each of these keys, going on or over. Keys are equal in any case of letters."""
        place = func.row_number().over(partition_by=incidents.c.key, order_by=(incidents.c.at_us.desc(), incidents.c.id.desc()))
        found: list[Incident] = []
        for some in chunks([key_text(key) for key in keys]):
            ranked = (
                select(incidents.c.body, place.label("place"))
                .where(incidents.c.portal == portal, incidents.c.rule == rule, incidents.c.key.in_(some))
                .subquery()
            )
            found += self._each([select(ranked.c.body).where(ranked.c.place == 1)])
        return found

    def due_incidents(self, portal: str, until_us: int) -> list[Incident]:
        """The incidents that go on and whose quiet time has ended by a moment, the first to end first."""
        chosen = select(incidents.c.body).where(
            incidents.c.phase == "going_on", incidents.c.over_at_us <= until_us, incidents.c.portal == portal
        )
        return self._each([chosen.order_by(incidents.c.over_at_us, incidents.c.id)])

    def incidents_after_quiet_hours(self, now_us: int) -> list[Incident]:
        """The incidents that quiet hours hold back which have ended, in the order in which they opened."""
        held = incidents.c.silence.between(_QUIET_HOURS, _quiet_hours(now_us))
        return self._each([select(incidents.c.body).where(held).order_by(incidents.c.at_us, incidents.c.id)])

    def incident_log(self, incident: str) -> list[LogEntry]:
        """Every step of an incident, in the order in which they were taken."""
        chosen = select(incident_log.c.body).where(incident_log.c.incident == incident).order_by(incident_log.c.seq)
        with self._read() as connection:
            return [_log_decoder.decode(body) for body in connection.execute(chosen).scalars()]

    def _each(self, selects: Iterable[Select[Any]]) -> list[Incident]:
        with self._read() as connection:
            return list(_decoded(connection, selects))

    def _put_incidents(self, connection: Connection, changed: Sequence[Incident]) -> None:
        rows = [
            {
                "id": incident.id,
                "portal": incident.portal,
                "rule": incident.rule,
                "version": incident.version,
                "key": key_text(incident.key),
                "phase": incident.phase,
                "work": incident.work,
                "level": incident.level,
                "first_us": incident.first_us,
                "at_us": incident.at_us,
                "last_us": incident.last_us,
                "count": incident.count,
                "over_at_us": incident.over_at_us,
                "revision": incident.revision,
                "escalate_at_us": incident.escalate_at_us,
                "silence": _held_by(incident),
                "body": encode(incident),
            }
            for incident in changed
        ]
        self._put(connection, incidents, rows)

    def _log(self, connection: Connection, entries: Sequence[LogEntry]) -> None:
        rows = [
            {
                "incident": entry.incident,
                "at_us": entry.at_us,
                "who": entry.who,
                "reason": str(entry.reason),
                "body": encode(entry),
            }
            for entry in entries
        ]
        if rows:
            connection.execute(insert(incident_log), rows)


def _held_by(incident: Incident) -> str | None:
    """What holds back what would be told of an incident: a silence, by its id, or quiet hours, by their end."""
    if incident.silenced is not None:
        return incident.silenced.silence
    return None if incident.quiet_until_us is None else _quiet_hours(incident.quiet_until_us)


def _quiet_hours(until_us: int) -> str:
    """Sorts by the end, and behind every silence's id."""
    return f"{_QUIET_HOURS}{until_us:020}"


def key_text(key: Key) -> str:
    """A key as one text to search by: keys compare ignoring case."""
    return encode([value.casefold() for value in key]).decode()


def _decoded(connection: Connection, selects: Iterable[Select[Any]]) -> Iterator[Incident]:
    for chosen in selects:
        for body in connection.execute(chosen).scalars():
            yield _decoder.decode(body)
