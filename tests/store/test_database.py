"""Opening a store: who may write, who only reads, and what is said when it cannot be used."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, text

from alertbot.errors import LostOwnership, StoreBusy, StoreError
from alertbot.event import Event
from alertbot.store.border import shown
from alertbot.store.border import store_url as parsed
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from tests.conftest import Postgres

HOLD = """
import sys
from alertbot.store.store import Store
store = Store.open(sys.argv[1], write=True)
print("open", flush=True)
sys.stdin.read()
"""


def poll(count: int = 1, first: int = 1) -> PollCommit:
    events = [Event(portal="main", id=first + n, at_us=n, action_id=1000) for n in range(count)]
    return PollCommit(state=PortalState(name="main"), events=events)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/alertbot.db"


def hold(url: str) -> subprocess.Popen[str]:
    """A process of its own that has the store open to write."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate()


def test_a_second_run_is_told_the_process_and_host_of_the_first(store_url: str) -> None:
    first = hold(store_url)
    try:
        with pytest.raises(StoreBusy, match=f"process {first.pid} on {socket.gethostname()}") as caught:
            Store.open(store_url, write=True)
        assert "stop it first" in str(caught.value)
    finally:
        end(first, signal.SIGKILL)


def test_a_killed_run_blocks_nobody(store_url: str) -> None:
    end(hold(store_url), signal.SIGKILL)
    _open_soon(store_url).close()


def _open_soon(url: str) -> Store:
    """PostgreSQL notices the end of a connection a moment after the process ended."""
    for _ in range(1_000):
        try:
            return Store.open(url, write=True)
        except StoreBusy:
            continue
    raise AssertionError("the lock of a process that ended is still held")


def test_readers_work_beside_a_run_and_never_write(store_url: str) -> None:
    with Store.open(store_url, write=True) as writer, Store.open(store_url, write=False) as reader:
        writer.commit_poll(poll(3))
        assert len(list(reader.events("main"))) == 3
        with pytest.raises(StoreError, match="open for reading only"):
            reader.commit_poll(poll())
        writer.commit_poll(poll(2, first=10))
        assert len(list(reader.events("main"))) == 5


def test_a_reader_leaves_the_bytes_of_a_sqlite_store_as_they_are(sqlite_url: str, tmp_path: Path) -> None:
    with Store.open(sqlite_url, write=True) as writer:
        writer.commit_poll(poll(3))
    path = tmp_path / "alertbot.db"
    before = path.read_bytes()
    with Store.open(sqlite_url, write=False) as reader:
        assert len(list(reader.events("main"))) == 3
    assert path.read_bytes() == before


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that everybody may enter and only we may write; the test goes on as somebody else after `become_nobody`."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody who may not write")
    with tempfile.TemporaryDirectory(prefix="alertbot-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        os.seteuid(0)


def become_nobody() -> None:
    os.seteuid(65_534)


def test_a_reader_without_the_right_to_write_beside_the_store_reads_it(nobody: Path) -> None:
    url = f"sqlite:///{nobody}/alertbot.db"
    with Store.open(url, write=True) as writer:
        writer.commit_poll(poll(3))
    (nobody / "alertbot.db").chmod(0o644)
    become_nobody()
    with Store.open(url, write=False) as reader:
        assert len(list(reader.events("main"))) == 3


def test_a_reader_without_the_right_to_read_is_told_so(nobody: Path) -> None:
    url = f"sqlite:///{nobody}/alertbot.db"
    Store.open(url, write=True).close()
    become_nobody()
    with pytest.raises(StoreError, match="alertbot runs as"):
        Store.open(url, write=False)


def test_a_reader_who_may_not_enter_the_folder_is_told_so(nobody: Path) -> None:
    nobody.chmod(0o700)
    become_nobody()
    with pytest.raises(StoreError, match=r"Permission denied.: read it as the user that alertbot runs as"):
        Store.open(f"sqlite:///{nobody}/alertbot.db", write=False)


def test_only_its_owner_may_read_a_new_sqlite_store(sqlite_url: str, tmp_path: Path) -> None:
    with Store.open(sqlite_url, write=True) as store:
        store.commit_poll(poll())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_commit_is_on_the_disk_when_it_returns(sqlite_url: str) -> None:
    with Store.open(sqlite_url, write=True) as store, store._write() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/alertbot\.db.*Its folder must be there"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/alertbot.db", write=True)


def test_a_folder_that_cannot_be_written_is_named(nobody: Path) -> None:
    become_nobody()
    with pytest.raises(StoreError, match=r"Permission denied.*needs the right to write"):
        Store.open(f"sqlite:///{nobody}/alertbot.db", write=True)


def test_a_file_that_is_no_database_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "alertbot.db"
    path.write_text("portals: []\n" * 100)
    with pytest.raises(StoreError, match=r"alertbot\.db is not a database: name another file"):
        Store.open(sqlite_url, write=True)
    with pytest.raises(StoreError, match="is not a database"):
        Store.open(sqlite_url, write=False)
    assert path.read_text().startswith("portals")


def test_a_failed_open_gives_the_lock_back(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "alertbot.db"
    path.write_text("nothing that SQLite knows\n" * 100)
    with pytest.raises(StoreError):
        Store.open(sqlite_url, write=True)
    path.unlink()
    Store.open(sqlite_url, write=True).close()


def test_a_full_disk_is_said_so_and_nothing_is_half_stored(sqlite_url: str) -> None:
    Store.open(sqlite_url, write=True).close()

    def tiny_disk(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    event.listen(Engine, "connect", tiny_disk)
    try:
        with Store.open(sqlite_url, write=True) as store:
            with pytest.raises(StoreError, match=r"disk that holds the store .* is full: make room"):
                store.commit_poll(poll(20_000))
            assert store.counts().events == ()
            assert store.portals() == []
            store.commit_poll(poll(3))  # it goes on when there is room
            assert store.counts().events[0].count == 3
    finally:
        event.remove(Engine, "connect", tiny_disk)


def test_a_locked_store_is_said_so(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alertbot.store.database.BUSY_SECONDS", 0.05)
    with Store.open(sqlite_url, write=True) as store:
        other = sqlite3.connect(tmp_path / "alertbot.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            store.commit_poll(poll())
        other.execute("ROLLBACK")
        other.close()
        store.commit_poll(poll())
        assert store.counts().events[0].count == 1


@pytest.mark.parametrize(
    "url",
    ["", "alertbot.db", "sqlite://", "sqlite:///:memory:", "mysql://root:geheim@db/x", "postgresql+asyncpg://a:geheim@b/c"],
)
def test_a_store_that_alertbot_does_not_know_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:////var/lib/alertbot/alertbot\.db") as caught:
        Store.open(url, write=True)
    assert "geheim" not in str(caught.value)


def test_the_password_of_a_postgresql_store_is_never_shown() -> None:
    url = "postgresql://bot:geheim@127.0.0.1:1/alertbot"
    assert "geheim" not in shown(parsed(url))
    with pytest.raises(StoreError, match=r"PostgreSQL does not answer at postgresql://bot@127\.0\.0\.1:1/alertbot:") as caught:
        Store.open(url, write=True)
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.__cause__}"
    assert "geheim" not in told


def test_a_missing_postgresql_database_is_named(postgres: Postgres) -> None:
    url = postgres.url("nowhere")
    with pytest.raises(StoreError, match=r"no such database.*createdb"):
        Store.open(url, write=True)


def test_a_postgresql_store_that_lost_its_connection_goes_on(postgres: Postgres) -> None:
    url = postgres.create(filled=True)
    with Store.open(url, write=True) as store:
        store.commit_poll(poll(2))
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{parsed(url).database}' AND pid <> pg_backend_pid()"
        )
        store.commit_poll(poll(2, first=5))
        assert store.counts().events[0].count == 4


def test_a_postgresql_store_that_another_run_took_meanwhile_is_not_written(postgres: Postgres) -> None:
    url = postgres.create(filled=True)
    with Store.open(url, write=True) as store:
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{parsed(url).database}' AND pid <> pg_backend_pid()"
        )
        with Store.open(url, write=True), pytest.raises(StoreBusy):
            store.commit_poll(poll())


def test_a_portal_that_another_bot_took_over_is_not_written(store: Store, store_url: str) -> None:
    store.commit_poll(poll())
    engine = create_engine(parsed(store_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE portals SET owner = 2, fence = 2"))
    engine.dispose()
    with pytest.raises(LostOwnership, match="Portal main was taken over"):
        store.commit_poll(poll(5, first=7))
    assert store.counts().events[0].count == 1


def test_the_lock_file_tells_who_holds_the_store(sqlite_url: str, tmp_path: Path) -> None:
    with Store.open(sqlite_url, write=True):
        holder = json.loads((tmp_path / "alertbot.db.lock").read_text())
    assert holder == {"pid": os.getpid(), "host": socket.gethostname()}
