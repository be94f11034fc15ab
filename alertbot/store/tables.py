"""The tables, one schema for SQLite and PostgreSQL.

Bodies are msgspec's JSON of the whole thing; the columns beside them are what is searched, sorted or counted by. Moments are
microseconds since 1970, UTC.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST = 300


def _broken(match: re.Match[str]) -> str:
    return f"\x01{ord(match[0]):04x}"


def searchable(value: str | None) -> str | None:
    """Hostile text as a column to search by: what PostgreSQL refuses (NUL, lone surrogates) becomes its code point, and what
    no index takes is cut to its beginning and a digest. Different texts stay different. Never shown: bodies hold the truth.
    """
    if value is None:
        return None
    value = _UNSTORABLE.sub(_broken, value)
    if len(value) > _LONGEST:
        digest = hashlib.blake2b(value.encode(), digest_size=16).hexdigest()
        value = f"{value[:100]}\x01{digest}"
    return value


class Searched(TypeDecorator[str]):
    """Text that somebody outside may have typed, in a column to search by."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return searchable(value)


class Shown(TypeDecorator[str]):
    """Text to be read by people: what PostgreSQL refuses becomes the sign for a broken character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only in an INTEGER column

metadata = MetaData()


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **options)


portals = Table(
    "portals",
    metadata,
    Column("name", Text, primary_key=True),
    _required("owner", Integer),
    _required("fence", Integer),
    Column("watching_since_us", BigInteger),
    Column("rebuild_from_us", BigInteger),
    Column("evaluated_to_us", BigInteger),
    Column("kept_from_us", BigInteger),
    Column("last_poll_us", BigInteger),
    Column("plan", Shown),
    Column("catching_up_since_us", BigInteger),
    Column("skew_us", BigInteger),
)

coverage = Table(
    "coverage",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True),
    _required("end_us", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    _required("at_us", BigInteger),
    Column("account", Searched),
    Column("ip", Searched),
    _required("body", LargeBinary),
    Index("events_in_order", "portal", "at_us", "feed", "id"),
    Index("events_of_account", "portal", "account", "at_us"),
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    _required("since_us", BigInteger),
    _required("title", Shown),
    _required("level", Text),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Text, primary_key=True),
    _required("portal", Text),
    _required("rule", Text),
    _required("version", Text),
    _required("at_us", BigInteger),
    _required("last_us", BigInteger),
    _required("body", LargeBinary),
    _required("history", Boolean),
    Column("incident", Text),
    Column("gone", Shown),
    Index("findings_by_firing", "portal", "at_us"),
    Index("findings_by_touch", "portal", "last_us"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    _required("portal", Text),
    _required("rule", Text),
    _required("version", Text),
    _required("key", Searched),
    _required("phase", Text),
    _required("work", Text),
    _required("level", Text),
    _required("first_us", BigInteger),
    _required("at_us", BigInteger),
    _required("last_us", BigInteger),
    _required("count", BigInteger),
    _required("over_at_us", BigInteger),
    _required("body", LargeBinary),
    _required("revision", Integer, server_default=text("0")),
    Column("escalate_at_us", BigInteger),
    Column("silence", Text),
    _required("restate", Integer, server_default=text("0")),  # 1: its message does not show yet what people did
    Index("incidents_of_key", "portal", "rule", "key"),
    Index("incidents_by_deadline", "phase", "over_at_us"),
    Index("incidents_to_escalate", "escalate_at_us"),
    Index("incidents_to_restate", "restate"),
    Index("incidents_of_silence", "silence"),
)

incident_log = Table(
    "incident_log",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    _required("incident", Text),
    _required("at_us", BigInteger),
    _required("who", Shown),
    _required("reason", Text),
    _required("body", LargeBinary),
    Index("incident_log_of_incident", "incident", "seq"),
    sqlite_autoincrement=True,
)

silences = Table(
    "silences",
    metadata,
    Column("id", Text, primary_key=True),
    _required("until_us", BigInteger),
    _required("over", Boolean),
    _required("body", LargeBinary),
    Index("silences_by_end", "over", "until_us"),
)

wishes = Table(
    "wishes",
    metadata,
    Column("incident", Text, primary_key=True),
    _required("rule", Text),
    _required("at_us", BigInteger),
    _required("body", LargeBinary),
    Index("wishes_of_rule", "rule", "at_us"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    _required("id", Text, unique=True),
    _required("created_us", BigInteger),
    Column("portal", Text),
    Column("incident", Text),
    _required("kind", Text),
    _required("channel", Text),
    Column("thread_of", Text),
    Column("update_of", Text),
    _required("priority", Integer),
    _required("body", LargeBinary),
    _required("state", Text),
    _required("attempts", Integer),
    _required("not_before_us", BigInteger),
    Column("claimed_us", BigInteger),
    Column("look_until_us", BigInteger),
    Column("settled_us", BigInteger),
    Column("slack_channel", Text),
    Column("slack_ts", Text),
    Column("error", Shown),
    _required("plain", Boolean),
    _required("repeat", Boolean),
    Column("meant_for", Text),
    Index("outbox_queue", "state", "channel", "priority", "seq"),
    Index("outbox_of_incident", "incident"),
    Index("outbox_of_message", "update_of"),
    sqlite_autoincrement=True,
)

people = Table(
    "people",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("id", Searched, primary_key=True),
    _required("body", LargeBinary),
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    _required("value", Shown),
)
