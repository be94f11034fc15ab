"""The schema and the steps that lead to it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from alertbot.errors import StoreError
from alertbot.store import schema, tables
from alertbot.store.border import store_url as parsed
from alertbot.store.store import Store


def shape(url: str) -> dict[str, Any]:
    """Everything that a database says of its tables."""
    engine = create_engine(parsed(url))
    look = inspect(engine)
    found = {
        name: {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in look.get_columns(name)
            ],
            "primary key": look.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(unique["column_names"] for unique in look.get_unique_constraints(name)),
            "indexes": sorted((index["name"], index["column_names"]) for index in look.get_indexes(name)),
        }
        for name in look.get_table_names()
        if name != schema.VERSION_TABLE
    }
    engine.dispose()
    return found


def set_version(url: str, version: str) -> None:
    engine = create_engine(parsed(url))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '{version}'"))
    engine.dispose()


def test_all_steps_from_an_empty_database_give_the_tables_that_the_code_declares(
    empty_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    Store.open(empty_url, write=True).close()
    declared = f"sqlite:///{tmp_path}/declared.db"
    if empty_url.startswith("postgresql"):
        declared = request.getfixturevalue("postgres").create(filled=False)
    engine = create_engine(parsed(declared))
    tables.metadata.create_all(engine)
    engine.dispose()
    assert shape(empty_url) == shape(declared)
    assert set(shape(empty_url)) == set(tables.metadata.tables)


def test_the_newest_step_is_the_version_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.VERSION


def test_a_current_store_opens_without_alembic_and_at_once(store_url: str) -> None:
    Store.open(store_url, write=True).close()
    best = min(_seconds_to_open(store_url) for _ in range(5))
    assert best < 0.02 if store_url.startswith("sqlite") else best < 0.1


def _seconds_to_open(url: str) -> float:
    start = time.perf_counter()
    store = Store.open(url, write=True)
    seconds = time.perf_counter() - start
    store.close()
    return seconds


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_schema_is_refused_with_what_to_do(store_url: str, write: bool) -> None:
    set_version(store_url, "9999")
    with pytest.raises(StoreError, match=r"newer alertbot \(schema 9999.*install that version"):
        Store.open(store_url, write=write)


def test_a_reader_leaves_an_older_schema_to_the_service(store_url: str) -> None:
    set_version(store_url, "0000")
    with pytest.raises(StoreError, match="start alertbot run once"):
        Store.open(store_url, write=False)


def test_a_reader_says_that_nothing_was_stored_yet(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"alertbot run (makes|fills) it"):
        Store.open(empty_url, write=False)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_left_alone(empty_url: str) -> None:
    engine = create_engine(parsed(empty_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE events (what text)"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"holds tables of another program \(events\): name another store"):
        Store.open(empty_url, write=True)
    assert set(shape(empty_url)) == {"events"}
