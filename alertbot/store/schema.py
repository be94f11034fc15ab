"""Which schema a store has, and the way from an older one to ours. Whoever writes upgrades; whoever reads refuses."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from alertbot.errors import StoreError
from alertbot.store.tables import metadata

VERSION = "0003"
"""The newest step in `migrations/versions`."""

VERSION_TABLE = "alertbot_version"


def check(connection: Connection, place: str) -> None:
    """Refuse to read what has another schema than ours."""
    version = _version(connection, place)
    if version is None:
        raise StoreError(f"The store {place} is empty yet: alertbot run fills it.")
    if version < VERSION:
        raise StoreError(
            f"The store {place} was written by an older alertbot: start alertbot run once, it brings the store up to date."
        )


def upgrade(connection: Connection, place: str) -> None:
    """Bring the schema to ours inside the connection's transaction. Costs two short reads where it is ours already."""
    version = _version(connection, place)
    if version == VERSION:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection, place: str) -> str | None:
    """The store's schema; None where there is nothing at all."""
    tables = inspect(connection)
    if not tables.has_table(VERSION_TABLE):
        strangers = set(tables.get_table_names())
        if connection.dialect.name != "sqlite":  # a database may be shared, a file is ours
            strangers &= set(metadata.tables)
        if strangers:
            raise StoreError(
                f"{place} holds tables of another program ({', '.join(sorted(strangers)[:3])}): name another store."
            )
        return None
    version = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if version is None or version > VERSION:
        raise StoreError(
            f"The store {place} was written by a newer alertbot (schema {version}, this one knows {VERSION}): "
            "install that version again, or name another store."
        )
    return str(version)
