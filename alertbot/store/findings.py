"""Findings in the store, and since when which version of a rule is in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from alertbot.finding import Finding
from alertbot.store.database import Database, chunks
from alertbot.store.records import RuleVersion, StoredFinding, encode
from alertbot.store.tables import findings, rule_versions

_decoder = msgspec.json.Decoder(Finding)
_columns = (findings.c.body, findings.c.history, findings.c.incident, findings.c.gone)


class Findings(Database):
    """Reading findings and rule versions."""

    def findings(self, portal: str, *, touched_since_us: int | None = None, with_gone: bool = False) -> list[StoredFinding]:
        """Findings in order of firing: those that fired or were extended at or after a moment, and that still stand."""
        chosen = select(*_columns).where(findings.c.portal == portal)
        if touched_since_us is not None:
            chosen = chosen.where(findings.c.last_us >= touched_since_us)
        if not with_gone:
            chosen = chosen.where(findings.c.gone.is_(None))
        with self._read() as connection:
            rows = connection.execute(chosen.order_by(findings.c.at_us, findings.c.id))
            return [_stored(row) for row in rows]

    def findings_by_id(self, ids: Iterable[str]) -> dict[str, StoredFinding]:
        """The findings of these ids, gone or not; unknown ones are left out."""
        found: list[StoredFinding] = []
        with self._read() as connection:
            for some in chunks(list(ids)):
                rows = connection.execute(select(*_columns).where(findings.c.id.in_(some)))
                found += [_stored(row) for row in rows]
        return {stored.finding.id: stored for stored in found}

    def rule_versions(self, portal: str) -> list[RuleVersion]:
        """Every version of every rule that was ever in force, in the order of their beginning."""
        columns = [rule_versions.c[name] for name in RuleVersion.__struct_fields__]
        chosen = select(*columns).where(rule_versions.c.portal == portal)
        with self._read() as connection:
            rows = connection.execute(chosen.order_by(rule_versions.c.since_us, rule_versions.c.rule)).mappings()
            return [RuleVersion(**row) for row in rows]

    def _put_findings(self, connection: Connection, changed: Sequence[StoredFinding]) -> None:
        rows = [
            {
                "id": stored.finding.id,
                "portal": stored.finding.portal,
                "rule": stored.finding.rule,
                "version": stored.finding.version,
                "at_us": stored.finding.at_us,
                "last_us": stored.finding.last_us,
                "body": encode(stored.finding),
                "history": stored.history,
                "incident": stored.incident,
                "gone": stored.gone,
            }
            for stored in changed
        ]
        self._put(connection, findings, rows)

    def _mark_gone(self, connection: Connection, gone: Mapping[str, str]) -> None:
        if not gone:
            return
        marked = update(findings).where(findings.c.id == bindparam("finding")).values(gone=bindparam("reason"))
        connection.execute(marked, [{"finding": id_, "reason": reason} for id_, reason in gone.items()])

    def _put_rule_versions(self, connection: Connection, versions: Sequence[RuleVersion]) -> None:
        self._put(connection, rule_versions, [msgspec.structs.asdict(version) for version in versions])


def _stored(row: Any) -> StoredFinding:
    return StoredFinding(finding=_decoder.decode(row.body), history=row.history, incident=row.incident, gone=row.gone)
