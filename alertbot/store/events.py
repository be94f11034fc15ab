"""Events in the store, what is covered of a portal's history, and the portal's own row."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, func, insert, select, update

from alertbot.errors import LostOwnership
from alertbot.event import Event, EventRef, Feed, feed_of, id_of
from alertbot.store.database import Database, chunks
from alertbot.store.records import Covered, PortalState, StoredPerson, encode
from alertbot.store.tables import coverage, events, people, portals

AT_ONCE = 5_000
"""How many rows a stream of events holds in memory."""

decode: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
"""A stored event's body → the event."""

_portal_columns = [portals.c[name] for name in PortalState.__struct_fields__]


class Events(Database):
    """Reading events, ranges, people and portals."""

    def portal(self, name: str) -> PortalState:
        """How far a portal is; the beginning, where it was never stored."""
        with self._read() as connection:
            return _state(connection, name) or PortalState(name=name)

    def portals(self) -> list[PortalState]:
        """All portals that were ever stored, by name."""
        with self._read() as connection:
            rows = connection.execute(select(*_portal_columns).order_by(portals.c.name)).mappings()
            return [PortalState(**row) for row in rows]

    def coverage(self, portal: str, feed: Feed) -> list[Covered]:
        """The ranges of a feed whose events are all stored, in order."""
        chosen = select(coverage.c.start_us, coverage.c.end_us).where(coverage.c.portal == portal, coverage.c.feed == feed)
        with self._read() as connection:
            return [(row.start_us, row.end_us) for row in connection.execute(chosen.order_by(coverage.c.start_us))]

    def events(
        self, portal: str, *, after_us: int | None = None, until_us: int | None = None, feed: Feed | None = None
    ) -> Generator[Event, None, None]:
        """Events with `after_us` < date ≤ `until_us` in the order of the fold, as they stood when the first was asked for.

        A stream that is not read to its end is to be closed.
        """
        chosen = select(events.c.body).where(events.c.portal == portal)
        if after_us is not None:
            chosen = chosen.where(events.c.at_us > after_us)
        if until_us is not None:
            chosen = chosen.where(events.c.at_us <= until_us)
        if feed is not None:
            chosen = chosen.where(events.c.feed == feed)
        return self._decoded(chosen.order_by(events.c.at_us, events.c.feed, events.c.id))

    def bodies(self, portal: str) -> Generator[bytes, None, None]:
        """All events as they are stored: a fold is quicker that decodes (`decode`) each when it comes to it."""
        chosen = select(events.c.body).where(events.c.portal == portal)
        return self._streamed(chosen.order_by(events.c.at_us, events.c.feed, events.c.id))

    def _decoded(self, chosen: Select[Any]) -> Generator[Event, None, None]:
        with closing(self._streamed(chosen)) as bodies:
            for body in bodies:
                yield decode(body)

    def _streamed(self, chosen: Select[Any]) -> Generator[bytes, None, None]:
        with self._read() as connection, connection.execution_options(yield_per=AT_ONCE).execute(chosen) as rows:
            yield from rows.scalars()

    def oldest_us(self, portal: str) -> int | None:
        """The date of a portal's oldest stored event."""
        with self._read() as connection:
            oldest: int | None = connection.scalar(select(func.min(events.c.at_us)).where(events.c.portal == portal))
            return oldest

    def newest_us(self, portal: str, feed: Feed | None = None) -> int | None:
        """The date of a portal's newest stored event, of a feed or of both."""
        chosen = select(func.max(events.c.at_us)).where(events.c.portal == portal)
        if feed is not None:
            chosen = chosen.where(events.c.feed == feed)
        with self._read() as connection:
            newest: int | None = connection.scalar(chosen)
            return newest

    def events_by_ref(self, portal: str, refs: Iterable[EventRef]) -> list[Event]:
        """The events that findings name, in the order of the fold; what was deleted by retention is left out."""
        ids: dict[Feed, list[int]] = {"login": [], "audit": []}
        for ref in refs:
            ids[feed_of(ref)].append(id_of(ref))
        found: list[Event] = []
        with self._read() as connection:
            for feed, wanted in ids.items():
                for some in chunks(wanted):
                    chosen = select(events.c.body).where(
                        events.c.portal == portal, events.c.feed == feed, events.c.id.in_(some)
                    )
                    found += map(decode, connection.execute(chosen).scalars())
        return sorted(found, key=lambda event: event.order)

    def logins_of_account(self, portal: str, account: str, *, until_us: int, limit: int) -> list[Event]:
        """The last events of an account in the login history up to a moment, the newest first."""
        chosen = (
            select(events.c.body)
            .where(events.c.portal == portal, events.c.account == account, events.c.feed == "login", events.c.at_us <= until_us)
            .order_by(events.c.at_us.desc(), events.c.id.desc())
            .limit(limit)
        )
        with self._read() as connection:
            return [decode(body) for body in connection.execute(chosen).scalars()]

    def ids(self, portal: str, feed: Feed, since_us: int, until_us: int) -> list[tuple[int, int]]:
        """Id and date of what is stored of a feed, both ends included: what a reader compares the portal's pages with."""
        chosen = select(events.c.id, events.c.at_us).where(
            events.c.portal == portal, events.c.feed == feed, events.c.at_us.between(since_us, until_us)
        )
        with self._read() as connection:
            return [(row.id, row.at_us) for row in connection.execute(chosen)]

    def people(self, portal: str) -> list[StoredPerson]:
        """The portal's directory as it was stored last."""
        chosen = select(people.c.id, people.c.body).where(people.c.portal == portal).order_by(people.c.id)
        with self._read() as connection:
            return [StoredPerson(row.id, row.body) for row in connection.execute(chosen)]

    def prune(self, state: PortalState, before_us: int) -> int:
        """Delete a portal's events older than a moment, and keep that moment: older findings are final. How many went."""
        kept = msgspec.structs.replace(state, kept_from_us=max(before_us, state.kept_from_us or before_us))
        with self._write() as connection:
            put_state(connection, kept)
            gone = connection.execute(delete(events).where(events.c.portal == state.name, events.c.at_us < before_us))
            return gone.rowcount

    def _add_events(self, connection: Connection, new: Sequence[Event]) -> None:
        rows = [
            {
                "portal": event.portal,
                "feed": event.feed,
                "id": event.id,
                "at_us": event.at_us,
                "account": event.account,
                "ip": event.ip,
                "body": encode(event),
            }
            for event in new
        ]
        self._add(connection, events, rows)

    def _cover(self, connection: Connection, portal: str, ranges: Mapping[Feed, Sequence[Covered]]) -> None:
        for feed, covered in ranges.items():
            connection.execute(delete(coverage).where(coverage.c.portal == portal, coverage.c.feed == feed))
            rows = [{"portal": portal, "feed": feed, "start_us": start, "end_us": end} for start, end in covered]
            self._add(connection, coverage, rows)

    def _replace_people(self, connection: Connection, portal: str, everybody: Sequence[StoredPerson]) -> None:
        connection.execute(delete(people).where(people.c.portal == portal))
        rows = [{"portal": portal, "id": person.id, "body": person.body} for person in everybody]
        self._add(connection, people, rows)


def put_state(connection: Connection, state: PortalState) -> None:
    """Write a portal's row, if it is still ours to write."""
    stored = _state(connection, state.name, locked=True)
    row = msgspec.structs.asdict(state)
    if stored is None:
        connection.execute(insert(portals).values(row))
        return
    if (stored.owner, stored.fence) != (state.owner, state.fence):
        raise LostOwnership(
            f"Portal {state.name} was taken over by another alertbot (owner {stored.owner}, fence {stored.fence}): "
            "this one must not write to it any more. Start it anew if it shall have the portal."
        )
    connection.execute(update(portals).where(portals.c.name == state.name).values(row))


def _state(connection: Connection, name: str, *, locked: bool = False) -> PortalState | None:
    chosen = select(*_portal_columns).where(portals.c.name == name)
    row = connection.execute(chosen.with_for_update() if locked else chosen).mappings().one_or_none()
    return PortalState(**row) if row is not None else None
