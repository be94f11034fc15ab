"""The outbox in the store: what is due, what was claimed, what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from alertbot.moments import span_us
from alertbot.outbox import LONGEST_WAIT, UPDATE, Due, Message, OutboxEntry, Place, State, claimed, joined
from alertbot.store.database import Database, chunks
from alertbot.store.records import encode
from alertbot.store.tables import outbox

_decoder = msgspec.json.Decoder(Message)
_names = [name for name in OutboxEntry.__struct_fields__ if name != "message"]
_columns = [*(outbox.c[name] for name in _names), outbox.c.body]
_over: tuple[State, ...] = ("sent", "refused", "summed")
_first = outbox.alias("first")
"""The entry whose message another one refers to."""


class Outbox(Database):
    """Reading the outbox and moving its entries on."""

    def claim(self, now_us: int, *, busy: Collection[str] = (), limit: int = 100) -> list[Due]:
        """Take the most urgent due entry of each channel that is not busy, and commit that they are being sent."""
        sendable = _sendable(now_us, busy, limit)
        with self._read() as connection:
            if connection.execute(sendable).first() is None:
                return []
        taken: list[Due] = []
        with self._write() as connection:  # read again: what waits may have been joined meanwhile
            for candidate in [_due(row) for row in connection.execute(sendable)]:
                due = claimed(msgspec.structs.replace(candidate, links=_places(connection, candidate.entry)), now_us)
                connection.execute(update(outbox).where(outbox.c.id == due.entry.id).values(_row(due.entry)))
                taken.append(due)
        return taken

    def lookups(self, now_us: int, *, busy: Collection[str] = (), limit: int = 10) -> list[Due]:
        """The entries whose outcome is unknown and that are to be looked up now, except those in work."""
        chosen = _with_target().where(outbox.c.state == "unknown", _is_due(now_us), outbox.c.id.not_in(list(busy)))
        with self._read() as connection:
            rows = connection.execute(chosen.order_by(outbox.c.not_before_us, outbox.c.seq).limit(limit))
            return [_due(row) for row in rows]

    def next_due_us(self, now_us: int) -> int | None:
        """When the next entry that waits for its time will be due."""
        chosen = select(func.min(outbox.c.not_before_us)).where(
            outbox.c.state.in_(("waiting", "unknown")), outbox.c.not_before_us > now_us
        )
        with self._read() as connection:
            next_us: int | None = connection.scalar(chosen)
            return next_us

    def settle(self, entries: Sequence[OutboxEntry]) -> None:
        """Write down how the delivery of these entries stands now."""
        with self._write() as connection:
            for entry in entries:
                connection.execute(update(outbox).where(outbox.c.id == entry.id).values(_row(entry)))

    def entries(
        self, *, state: State | None = None, incident: str | None = None, ids: Iterable[str] | None = None
    ) -> list[OutboxEntry]:
        """Entries in the order in which they were written."""
        chosen = select(*_columns)
        if state is not None:
            chosen = chosen.where(outbox.c.state == state)
        if incident is not None:
            chosen = chosen.where(outbox.c.incident == incident)
        selects = [chosen] if ids is None else [chosen.where(outbox.c.id.in_(some)) for some in chunks(list(ids))]
        with self._read() as connection:
            return [_entry(row) for one in selects for row in connection.execute(one.order_by(outbox.c.seq))]

    def old_openings(self, portal: str, before_us: int) -> dict[str, str]:
        """The messages of incidents that were written before a moment and wait still: entry → incident."""
        chosen = select(outbox.c.id, outbox.c.incident).where(
            outbox.c.portal == portal,
            outbox.c.state == "waiting",
            outbox.c.created_us < before_us,
            outbox.c.incident.is_not(None),
            outbox.c.update_of.is_(None),
            outbox.c.thread_of.is_(None),
        )
        with self._read() as connection:
            return {row.id: row.incident for row in connection.execute(chosen.order_by(outbox.c.seq))}

    def _enqueue(self, connection: Connection, new: Sequence[OutboxEntry]) -> None:
        self._add(connection, outbox, [_row(entry) for entry in new if entry.kind != UPDATE])
        for entry in new:
            if entry.kind == UPDATE and not self._join(connection, entry):
                self._add(connection, outbox, [_row(entry)])

    def _join(self, connection: Connection, entry: OutboxEntry) -> bool:
        """Put an update into what waits: the message itself while it does not stand, else the update before it."""
        waits = or_(outbox.c.id == entry.update_of, and_(outbox.c.update_of == entry.update_of, outbox.c.kind == UPDATE))
        chosen = select(*_columns).where(waits, outbox.c.state == "waiting").order_by(outbox.c.seq.desc()).limit(1)
        row = connection.execute(chosen).first()
        if row is None:
            return False
        newer = joined(_entry(row), entry)
        connection.execute(update(outbox).where(outbox.c.id == newer.id).values(_row(newer)))
        return True

    def _sum_up(self, connection: Connection, ids: Sequence[str]) -> None:
        """Another entry tells of these, and of what refers to them, as far as they wait."""
        for some in chunks(list(ids)):
            for column in (outbox.c.id, outbox.c.thread_of, outbox.c.update_of):
                told = update(outbox).where(column.in_(some), outbox.c.state == "waiting")
                connection.execute(told.values(state="summed"))


def _places(connection: Connection, entry: OutboxEntry) -> dict[str, Place]:
    """Where the messages stand that an entry links to."""
    if not entry.message.links:
        return {}
    chosen = select(outbox.c.id, outbox.c.slack_channel, outbox.c.slack_ts).where(outbox.c.id.in_(entry.message.links))
    return {row.id: Place(row.slack_channel, row.slack_ts) for row in connection.execute(chosen) if row.slack_ts}


def _is_due(now_us: int) -> ColumnElement[bool]:
    too_far_us = now_us + span_us(LONGEST_WAIT)  # the clock was set back, see outbox.due
    return or_(outbox.c.not_before_us <= now_us, outbox.c.not_before_us > too_far_us)


def _with_target() -> Select[Any]:
    refers_to = func.coalesce(outbox.c.update_of, outbox.c.thread_of)
    return select(*_columns, _first.c.slack_channel.label("to_channel"), _first.c.slack_ts.label("to_ts")).select_from(
        outbox.outerjoin(_first, _first.c.id == refers_to)
    )


def _sendable(now_us: int, busy: Collection[str], limit: int) -> Select[Any]:
    """The first of each channel: what it refers to stands, and updates of one message come in their order."""
    earlier = outbox.alias("earlier")
    overtakes = (
        select(earlier.c.seq)
        .where(earlier.c.update_of == outbox.c.update_of, earlier.c.seq < outbox.c.seq)
        .where(earlier.c.state.not_in(_over))
        .exists()
    )
    turn = func.row_number().over(partition_by=outbox.c.channel, order_by=(outbox.c.priority, outbox.c.seq))
    ready = and_(
        outbox.c.state == "waiting",
        _is_due(now_us),
        outbox.c.channel.not_in(list(busy)),
        or_(_first.c.id.is_(None), _first.c.state.in_(_over)),
        or_(outbox.c.update_of.is_(None), ~overtakes),
    )
    ranked = _with_target().add_columns(turn.label("turn"), outbox.c.seq.label("seq")).where(ready).subquery()
    return select(ranked).where(ranked.c.turn == 1).order_by(ranked.c.priority, ranked.c.seq).limit(limit)


def _row(entry: OutboxEntry) -> dict[str, object]:
    row = msgspec.structs.asdict(entry)
    row["body"] = encode(row.pop("message"))
    return row


def _entry(row: Row[Any]) -> OutboxEntry:
    fields = {name: getattr(row, name) for name in _names}
    return OutboxEntry(message=_decoder.decode(row.body), **fields)


def _due(row: Row[Any]) -> Due:
    stands = row.to_channel and row.to_ts
    return Due(_entry(row), Place(row.to_channel, row.to_ts) if stands else None)
