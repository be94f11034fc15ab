"""How the store speaks to SQLite and PostgreSQL: connections, transactions, and the few statements that are theirs alone.

Writes go through one connection, reads through others, each in a snapshot of its own. A commit has reached the disk when it
returns.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from alertbot.errors import StoreError
from alertbot.store import schema
from alertbot.store.border import border, shown, store_url
from alertbot.store.lock import LockFile, application_name, take_advisory_lock

BUSY_SECONDS = 5.0
"""How long a write waits for another program's lock."""

Row = dict[str, Any]
Value = TypeVar("Value")


class Database:
    """An open store: what its parts, one a noun, read and write through."""

    def __init__(self, url: str, *, write: bool, alone: bool = True) -> None:
        """`alone`: nobody else may write as long as this one does, so it may change the schema too."""
        self._url = store_url(url)
        self._writes = write
        self._lock: LockFile | None = None
        self._inserts: dict[tuple[str, bool], _Insert] = {}
        self._is_sqlite = self._url.drivername == "sqlite"
        with border(self._url):
            if self._is_sqlite:
                self._lock = _prepared(Path(str(self._url.database)), write and alone)
            self._reader = _sqlite_reader(self._url) if self._is_sqlite else _postgresql(self._url, write=False)
            self._writer = _sqlite_writer(self._url) if self._is_sqlite else _postgresql(self._url, write=True, alone=alone)
        try:
            if write and alone:
                with self._write() as connection:
                    schema.upgrade(connection, self.place)
            else:
                with self._read() as connection:
                    schema.check(connection, self.place)
        except BaseException:
            self.close()
            raise

    @property
    def place(self) -> str:
        """The store's name for people."""
        return shown(self._url)

    def close(self) -> None:
        """Give back the connections, and the lock."""
        self._reader.dispose()
        self._writer.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with border(self._url), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if not self._writes:
            raise StoreError(f"The store {self.place} is open for reading only.")
        with border(self._url), self._writer.begin() as connection:
            yield connection

    def _add(self, connection: Connection, into: Table, rows: list[Row]) -> None:
        """Insert what is not there yet."""
        self._insert(connection, into, rows, replace=False)

    def _put(self, connection: Connection, into: Table, rows: list[Row]) -> None:
        """Insert, or replace what has the same key."""
        self._insert(connection, into, rows, replace=True)

    def _insert(self, connection: Connection, into: Table, rows: list[Row], *, replace: bool) -> None:
        if not rows:
            return
        known = (into.name, replace)
        if known not in self._inserts:
            self._inserts[known] = _Insert(connection, into, tuple(rows[0]), replace=replace)
        self._inserts[known].run(connection, rows)


class _Insert:
    """Many rows at once in the driver's own way: nearly twice as fast as through SQLAlchemy's own parameters."""

    def __init__(self, connection: Connection, into: Table, names: tuple[str, ...], *, replace: bool) -> None:
        dialect = connection.dialect
        insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        statement = insert(into).values(dict.fromkeys(names))
        if replace:
            keys = [column.name for column in into.primary_key]
            new = {name: statement.excluded[name] for name in names if name not in keys}
            statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
        else:
            statement = statement.on_conflict_do_nothing()
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._in_order = itemgetter(*compiled.positiontup) if compiled.positional and compiled.positiontup else None
        binders = [(name, into.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names]
        self._binders = [(name, binder) for name, binder in binders if binder is not None]

    def run(self, connection: Connection, rows: list[Row]) -> None:
        for name, binder in self._binders:
            for row in rows:
                row[name] = binder(row[name])
        connection.exec_driver_sql(self._sql, rows if self._in_order is None else list(map(self._in_order, rows)))


def _prepared(path: Path, write: bool) -> LockFile | None:
    """The lock of whoever writes, and a file that only its owner reads: the store holds people's logins."""
    if not write:
        try:
            path.stat()
        except FileNotFoundError as exc:
            raise StoreError(f"There is no store at {path} yet: alertbot run makes it.") from exc
        except OSError as exc:
            raise StoreError(
                f"The store {path} cannot be read ({exc.strerror}): read it as the user that alertbot runs as."
            ) from exc
        return None
    lock = LockFile(path)
    with suppress(OSError):  # what is wrong with it, SQLite says better
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return lock


def _sqlite_writer(url: URL) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _sqlite_reader(url: URL) -> Engine:
    path = Path(str(url.database)).absolute()

    def connect() -> sqlite3.Connection:
        try:
            return _read_only(path, "mode=ro")
        except sqlite3.OperationalError as exc:
            # A WAL database wants a file for its readers beside it. Where we may not write one, and nobody has written
            # since the last clean end, the file alone is all there is.
            beside = path.with_name(path.name + "-wal")
            if exc.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not beside.exists():
                return _read_only(path, "mode=ro&immutable=1")
            raise

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _read_only(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
        isolation_level=None,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # opens the file only now
    except BaseException:
        connection.close()
        raise
    return connection


def _postgresql(url: URL, *, write: bool, alone: bool = True) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        isolation_level=None if write else "REPEATABLE READ",
        connect_args={
            "application_name": application_name(),
            "connect_timeout": 10,
            "options": f"-c lock_timeout={int(BUSY_SECONDS * 1000)}",
        },
        **({"pool_size": 1, "max_overflow": 0} if write else {"max_overflow": -1}),
    )
    if write:
        if alone:

            @event.listens_for(engine, "connect")
            def lock(connection: Any, _: object) -> None:
                take_advisory_lock(connection, shown(url))

        return engine
    return engine.execution_options(postgresql_readonly=True)


def chunks(values: Sequence[Value], size: int = 500) -> Iterator[Sequence[Value]]:
    """Lists that fit into one statement, whatever the database allows."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
