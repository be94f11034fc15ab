"""Behind all stations: every event once, in one transaction with all that follows from it.

In come `PollCommit`s, whole or not at all; out come events in the order of the fold, and what was decided about them.
`Store.open` says who writes: one `alertbot run` to a store, any number of readers, which never write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Select, delete, func, literal_column, select

from alertbot.outbox import OutboxEntry
from alertbot.store.events import Events, put_state
from alertbot.store.findings import Findings
from alertbot.store.records import Counts, EventCount, FindingCount, IncidentCount, PollCommit
from alertbot.store.reports import Reports
from alertbot.store.responses import Responses
from alertbot.store.tables import events, findings, incidents, meta, outbox, rule_versions

T = TypeVar("T")


class InStore(Protocol):
    """Runs a function of the store's in the one thread that speaks to it."""

    def __call__(self, function: Callable[..., T], *args: object, **named: object) -> Awaitable[T]: ...


class Store(Events, Findings, Responses, Reports):
    """The whole store. Every method is one transaction of its own."""

    @classmethod
    def open(cls, url: str, *, write: bool) -> Store:
        """Open a store: to write (locked against a second `run`, brought up to date) or to read only.

        Raises StoreBusy when another `run` holds it, StoreError when it cannot be used; both say what to do.
        """
        return cls(url, write=write)

    @classmethod
    def visit(cls, url: str) -> Store:
        """Open a store to write what people do, beside the `run` that holds it, or without one: see `Responses`."""
        return cls(url, write=True, alone=False)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def commit_poll(self, poll: PollCommit) -> None:
        """Store all of it in one transaction, or nothing: LostOwnership if the portal is another bot's now, StaleIncident if
        somebody has changed an incident that it was decided by.
        """
        with self._write() as connection:
            put_state(connection, poll.state)
            self._check_unchanged(connection, poll.read)
            self._add_events(connection, poll.events)
            self._cover(connection, poll.state.name, poll.coverage)
            self._put_findings(connection, poll.findings)
            self._mark_gone(connection, poll.gone)
            self._put_incidents(connection, poll.incidents)
            self._log(connection, poll.log)
            self._sum_up(connection, poll.summed)
            self._enqueue(connection, poll.outbox)
            self._put(connection, meta, [{"key": key, "value": value} for key, value in poll.notes.items()])
            self._put_rule_versions(connection, poll.rule_versions)
            if poll.people is not None:
                self._replace_people(connection, poll.state.name, poll.people)

    def announce(self, entries: Sequence[OutboxEntry], notes: Mapping[str, str | None]) -> None:
        """Put messages that no poll brings into the outbox, with the notes that say so (None: dropped), in one transaction."""
        with self._write() as connection:
            self._enqueue(connection, entries)
            for key, value in notes.items():
                self._note(connection, key, value)

    def counts(self) -> Counts:
        """The store in numbers, all of one moment."""
        with self._read() as connection:
            return Counts(
                events=tuple(EventCount(**row) for row in connection.execute(_events()).mappings()),
                findings=tuple(FindingCount(**row) for row in connection.execute(_findings()).mappings()),
                incidents=tuple(IncidentCount(**row) for row in connection.execute(_incidents()).mappings()),
                outbox={row.state: row.count_ for row in connection.execute(_outbox())},
            )

    def meta(self, key: str) -> str | None:
        """A note of the store's own."""
        with self._read() as connection:
            return connection.scalar(select(meta.c.value).where(meta.c.key == key))

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a note, or drop it."""
        with self._write() as connection:
            self._note(connection, key, value)

    def _note(self, connection: Connection, key: str, value: str | None) -> None:
        if value is None:
            connection.execute(delete(meta).where(meta.c.key == key))
        else:
            self._put(connection, meta, [{"key": key, "value": value}])


_number = func.count().label("count")


def _events() -> Select[Any]:
    return (
        select(
            events.c.portal,
            _number,
            func.min(events.c.at_us).label("first_us"),
            func.max(events.c.at_us).label("last_us"),
        )
        .group_by(events.c.portal)
        .order_by(events.c.portal)
    )


def _findings() -> Select[Any]:
    named = findings.outerjoin(
        rule_versions,
        (rule_versions.c.portal == findings.c.portal)
        & (rule_versions.c.rule == findings.c.rule)
        & (rule_versions.c.version == findings.c.version),
    )
    title = func.coalesce(rule_versions.c.title, findings.c.rule)
    level = func.coalesce(rule_versions.c.level, literal_column("'medium'"))
    kinds = (findings.c.portal, findings.c.rule, title, level, findings.c.history)
    return (
        select(findings.c.portal, findings.c.rule, title.label("title"), level.label("level"), findings.c.history, _number)
        .select_from(named)
        .where(findings.c.gone.is_(None))
        .group_by(*kinds)
        .order_by(findings.c.portal, findings.c.rule)
    )


def _incidents() -> Select[Any]:
    kinds = (incidents.c.portal, incidents.c.level, incidents.c.phase, incidents.c.work)
    return select(*kinds, _number).group_by(*kinds).order_by(*kinds)


def _outbox() -> Select[Any]:
    return select(outbox.c.state, func.count().label("count_")).group_by(outbox.c.state)
