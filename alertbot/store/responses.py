"""What people do, in the store: silences, wishes, and the steps that they take with incidents.

Any process may write here while `run` runs, so every write shows which incidents it has read: if one of them was changed
meanwhile, nothing is stored and StaleIncident says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from alertbot.errors import StaleIncident
from alertbot.incidents import Incident, LogEntry
from alertbot.outbox import OutboxEntry
from alertbot.silences import Silence
from alertbot.store.database import chunks
from alertbot.store.incidents import Incidents
from alertbot.store.outbox import Outbox
from alertbot.store.records import encode
from alertbot.store.tables import incidents, meta, outbox, silences, wishes
from alertbot.wishes import Wish

_incident_decoder = msgspec.json.Decoder(Incident)
_silence_decoder = msgspec.json.Decoder(Silence)
_wish_decoder = msgspec.json.Decoder(Wish)


class PeopleCommit(msgspec.Struct, frozen=True, kw_only=True):
    """All that a step of a person's brings, or of the loop that follows up on it: stored whole or not at all.

    `read` holds the revisions of the incidents that it was decided by. `restate`: their messages do not show it yet; false:
    `outbox` holds what does; None: it does not show. `unwished` names incidents whose wish is taken back.
    """

    read: Mapping[str, int] = {}
    incidents: Sequence[Incident] = ()
    log: Sequence[LogEntry] = ()
    outbox: Sequence[OutboxEntry] = ()
    summed: Sequence[str] = ()
    notes: Mapping[str, str] = {}
    silences: Sequence[Silence] = ()
    wishes: Sequence[Wish] = ()
    unwished: Sequence[str] = ()
    restate: bool | None = True


class Responses(Incidents, Outbox):
    """Reading and writing what people do."""

    def silences(self, *, ended_by_us: int | None = None, with_over: bool = False) -> list[Silence]:
        """Silences that are not over, the first to end first; those that ended by a moment and wait to be followed up."""
        chosen = select(silences.c.body).order_by(silences.c.until_us, silences.c.id)
        if not with_over:
            chosen = chosen.where(silences.c.over.is_(False))
        if ended_by_us is not None:
            chosen = chosen.where(silences.c.until_us <= ended_by_us)
        with self._read() as connection:
            return [_silence_decoder.decode(body) for body in connection.execute(chosen).scalars()]

    def silence(self, id_: str) -> Silence | None:
        """One silence."""
        with self._read() as connection:
            body = connection.scalar(select(silences.c.body).where(silences.c.id == id_))
            return None if body is None else _silence_decoder.decode(body)

    def wishes(self) -> list[Wish]:
        """Everything that people wish rules to leave alone, by rule, the oldest first."""
        chosen = select(wishes.c.body).order_by(wishes.c.rule, wishes.c.at_us, wishes.c.incident)
        with self._read() as connection:
            return [_wish_decoder.decode(body) for body in connection.execute(chosen).scalars()]

    def incidents_to_restate(self, limit: int = 100) -> list[Incident]:
        """Incidents whose messages do not show yet what people did."""
        return self._some(select(incidents.c.body).where(incidents.c.restate == 1).order_by(incidents.c.at_us).limit(limit))

    def incidents_to_escalate(self, now_us: int, limit: int = 100) -> list[Incident]:
        """Incidents that nobody has looked at in time."""
        due = select(incidents.c.body).where(incidents.c.escalate_at_us <= now_us)
        return self._some(due.order_by(incidents.c.escalate_at_us, incidents.c.id).limit(limit))

    def incidents_silenced(self, silence: str) -> list[Incident]:
        """Incidents that a silence holds back, in the order in which they opened."""
        held = select(incidents.c.body).where(incidents.c.silence == silence)
        return self._some(held.order_by(incidents.c.at_us, incidents.c.id))

    def newest_entry(self) -> int:
        """A number that grows whenever something is put into the outbox."""
        with self._read() as connection:
            return connection.scalar(select(func.max(outbox.c.seq))) or 0

    def respond(self, step: PeopleCommit) -> None:
        """Store a step in one transaction, or nothing: StaleIncident if an incident that it was decided by has changed."""
        with self._write() as connection:
            self._check_unchanged(connection, step.read)
            self._put_incidents(connection, step.incidents)
            if step.restate is not None:
                self._restate(connection, step.incidents, later=step.restate)
            self._log(connection, step.log)
            self._sum_up(connection, step.summed)
            self._enqueue(connection, step.outbox)
            self._put(connection, meta, [{"key": key, "value": value} for key, value in step.notes.items()])
            self._put_silences(connection, step.silences)
            self._put_wishes(connection, step.wishes, step.unwished)

    def _check_unchanged(self, connection: Connection, read: Mapping[str, int]) -> None:
        """The incidents are as somebody read them, and stay so until the end of the transaction."""
        for some in chunks(list(read)):
            chosen = select(incidents.c.id, incidents.c.revision).where(incidents.c.id.in_(some)).with_for_update()
            for row in connection.execute(chosen):
                if row.revision != read[row.id]:
                    raise StaleIncident(f"Incident {row.id} was changed by somebody else just now: try again.")

    def _put_silences(self, connection: Connection, changed: Iterable[Silence]) -> None:
        rows = [{"id": one.id, "until_us": one.until_us, "over": one.over, "body": encode(one)} for one in changed]
        self._put(connection, silences, rows)

    def _put_wishes(self, connection: Connection, new: Iterable[Wish], gone: Sequence[str]) -> None:
        for some in chunks(gone):
            connection.execute(delete(wishes).where(wishes.c.incident.in_(some)))
        rows = [{"incident": one.incident, "rule": one.rule, "at_us": one.at_us, "body": encode(one)} for one in new]
        self._put(connection, wishes, rows)

    def _restate(self, connection: Connection, changed: Sequence[Incident], *, later: bool) -> None:
        for some in chunks([incident.id for incident in changed]):
            connection.execute(update(incidents).where(incidents.c.id.in_(some)).values(restate=int(later)))

    def _some(self, chosen: Any) -> list[Incident]:
        with self._read() as connection:
            return [_incident_decoder.decode(body) for body in connection.execute(chosen).scalars()]
