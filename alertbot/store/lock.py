"""One `run` to a store: who comes second is told who is first.

SQLite: a lock file beside the store, locked by the system, so it is free again whatever way its holder ends. PostgreSQL: an
advisory lock of the very connection that writes, so nobody can write who does not hold it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import Any

import msgspec

from alertbot.errors import StoreBusy, StoreError

_ADVISORY_LOCK = 0x616C657274626F74  # "alertbot"
_HOLDER = """
    SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
      AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Holder(msgspec.Struct, frozen=True):
    """The process that holds a store."""

    pid: int
    host: str

    @classmethod
    def this(cls) -> Holder:
        """The process that we are."""
        return cls(os.getpid(), socket.gethostname())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def busy(place: str, holder: str | None) -> StoreBusy:
    """What the second is told."""
    who = f" ({holder})" if holder else ""
    return StoreBusy(
        f"Another alertbot run{who} works with the store {place}: stop it first, or give this one a store of its own."
    )


class LockFile:
    """A lock beside a SQLite store. Held until `release`, or until the process ends in any way."""

    def __init__(self, store: Path) -> None:
        path = store.with_name(store.name + ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreError(
                f"The store {store} cannot be opened: its lock file {path}: {exc.strerror}. Its folder must be there, and the "
                "user that alertbot runs as needs the right to write to it."
            ) from exc
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = _named(os.pread(self._file, 1_000, 0))
            os.close(self._file)
            raise busy(str(store), holder) from exc
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, msgspec.json.encode(Holder.this()), 0)
        except OSError:
            os.ftruncate(self._file, 0)  # a full disk: who holds it cannot be named, but it is held

    def release(self) -> None:
        """Let others in. The file stays: removing it could remove another's lock."""
        os.close(self._file)


def _named(content: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(content, type=Holder))
    except msgspec.DecodeError:  # its holder is just writing it
        return None


def take_advisory_lock(connection: Any, place: str) -> None:
    """Lock the database for a psycopg connection, for as long as it lives."""
    with connection.cursor() as cursor:
        taken = cursor.execute("SELECT pg_try_advisory_lock(%s)", (_ADVISORY_LOCK,)).fetchone()[0]
        row = None
        if not taken:
            halves = (_ADVISORY_LOCK >> 32, _ADVISORY_LOCK & 0xFFFFFFFF)
            row = cursor.execute(_HOLDER, halves).fetchone()
    connection.commit()
    if not taken:
        raise busy(place, row[0] if row else None)


def application_name() -> str:
    """How PostgreSQL names us to the next one that wants the lock; it cuts names at 63 bytes."""
    return str(Holder.this())[:63]
