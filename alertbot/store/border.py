"""The border to the databases: in come their errors, out go ours, as sentences that say what to do and hold no secret."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from alertbot.errors import StoreError

_SQLITE = {
    "SQLITE_FULL": "The disk that holds the store {place} is full: make room there. Nothing is lost; what could not be "
    "stored is read again.",
    "SQLITE_BUSY": "The store {place} is locked by another program: end that program, or wait until it is done.",
    "SQLITE_LOCKED": "The store {place} is locked by another program: end that program, or wait until it is done.",
    "SQLITE_READONLY": "The store {place} cannot be written: give the user that alertbot runs as the right to write the file "
    "and its folder.",
    "SQLITE_PERM": "The store {place} cannot be read: give the user that alertbot runs as the right to it.",
    "SQLITE_AUTH": "The store {place} cannot be read: give the user that alertbot runs as the right to it.",
    "SQLITE_CANTOPEN": "The store {place} cannot be opened: its folder must be there, and the user that alertbot runs as "
    "needs the right to write to it.",
    "SQLITE_NOTADB": "{place} is not a database: name another file as `store`, or move this one away.",
    "SQLITE_CORRUPT": "The store {place} is damaged: put a backup in its place, or move it away and alertbot begins anew from "
    "what the portal still shows.",
    "SQLITE_IOERR": "The disk that holds the store {place} failed: {said}. Look at that disk.",
}

_POSTGRESQL = {
    "28": "PostgreSQL does not let alertbot in at {place}: look at the user and the password in `store`.",
    "3D": "There is no such database at {place}: create it with createdb.",
    "42501": "PostgreSQL does not let alertbot write at {place}: give that user the right to create and change tables.",
    "25006": "PostgreSQL at {place} takes no changes (a standby?): name the primary server in `store`.",
    "53100": "The disk of PostgreSQL at {place} is full: make room there. Nothing is lost; what could not be stored is read "
    "again.",
    "53300": "PostgreSQL at {place} has no free connection: raise max_connections, or end what holds them.",
    "55P03": "The store {place} is locked by another program: end that program, or wait until it is done.",
    "57P": "PostgreSQL at {place} is shutting down or starting: alertbot goes on when it is back.",
}


def store_url(text: str) -> URL:
    """The store that a configuration names, with the driver that we speak through."""
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is not None and url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    if url is not None and url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(
        "The `store` is none that alertbot knows: write sqlite:////var/lib/alertbot/alertbot.db (a file) "
        "or postgresql://user@host/database."
    )


def shown(url: URL) -> str:
    """A store's name for people, without its password."""
    if url.drivername == "sqlite":
        return str(url.database)
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return bare.render_as_string()


def _code_of_a_refused_connection(said: str) -> str:
    """libpq gives no code where PostgreSQL refuses to connect, only words."""
    if "database" in said and "does not exist" in said:
        return "3D000"
    return "28000" if "authentication failed" in said or "no password supplied" in said or "pg_hba" in said else ""


@contextmanager
def border(url: URL) -> Iterator[None]:
    """Everything that a database refuses inside it comes out as a StoreError."""
    try:
        yield
    except DBAPIError as exc:
        raise StoreError(_sentence(exc, url)) from exc
    except PoolTimeout as exc:
        raise StoreError(f"The store {shown(url)} is busy with another task of alertbot: try again.") from exc
    except (NoSuchModuleError, ModuleNotFoundError) as exc:
        raise StoreError("A store in PostgreSQL needs its driver: pip install 'alertbot[postgres]'.") from exc


def _sentence(exc: DBAPIError, url: URL) -> str:
    place, origin = shown(url), exc.orig
    said = " ".join(str(origin).split())
    if url.password:
        said = said.replace(str(url.password), "***")
    if isinstance(origin, sqlite3.Error):
        name = getattr(origin, "sqlite_errorname", "") or ""
        for prefix, sentence in _SQLITE.items():
            if name.startswith(prefix):
                return sentence.format(place=place, said=said)
        return f"The store {place} failed: {said}."
    code = getattr(origin, "sqlstate", None) or _code_of_a_refused_connection(said)
    for prefix, sentence in _POSTGRESQL.items():
        if code.startswith(prefix):
            return sentence.format(place=place)
    if not code:
        return f"PostgreSQL does not answer at {place}: {said.rstrip('.')}. Look whether it runs and can be reached."
    return f"PostgreSQL at {place} failed: {said}."
