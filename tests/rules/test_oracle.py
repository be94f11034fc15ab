"""Matching and correlations, held against an independent reading of Sigma: pySigma's SQLite backend over the same events.

Left out, for SQL means something else there than the specification: numbers against digits, booleans, null with exists, CIDR
on what is no address, several values in a field, case beyond ASCII, weeks, correlations of events in one instant, and matches
without the value that is counted, which are no matches here.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

from alertbot.engine import Engine
from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import iso
from alertbot.rules.load import load_rules
from alertbot.rules.match import select
from tests.rules.test_match import compiled, conditions

COLUMNS = ["date", "login", "user", "browser", "ip", "outcome", "role", "account", "city"]
TEXT = st.text("aAbB*?\\%_[ '", max_size=4)
EVENTS = st.builds(
    Event,
    portal=st.just("main"),
    id=st.just(1),
    at_us=st.integers(0, 200_000).map(lambda minutes: minutes * 60_000_000),
    action_id=st.just(1002),
    outcome=st.sampled_from(["success", "failure", "Failure", None]),
    login=st.none() | TEXT,
    user=st.none() | TEXT,
    browser=st.none() | TEXT,
    ip=st.sampled_from(["10.0.0.1", "10.1.0.1", "192.0.2.7", "110.0.0.1", None]),
    role=st.sampled_from(["admin", "user", None]),
)


@st.composite
def items(draw: st.DrawFn) -> tuple[str, object]:
    """One `field|modifiers` and its values, in what both understand."""
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return draw(
            st.sampled_from(
                [
                    ("ip|cidr", "10.0.0.0/8"),
                    ("ip|cidr", ["10.1.0.0/16", "192.0.2.0/24"]),
                    ("date|hour", 7),
                    ("date|hour|gte", 22),
                    ("date|day|lt", 9),
                    ("date|month", 2),
                    ("login|exists", True),
                    ("user|exists", False),
                    ("role", None),
                    ("login|fieldref", "user"),
                    ("login|fieldref|contains", "browser"),
                    ("login|re", "a.?b"),
                    ("user|re|i", "^[ab]+$"),
                    ("browser|re", "\\*"),
                ]
            )
        )
    field = draw(st.sampled_from(["login", "user", "browser", "outcome"]))
    around = draw(st.sampled_from([[], [], ["contains"], ["startswith"], ["endswith"]]))
    cased = draw(st.sampled_from([[], [], ["cased"]]))
    values = TEXT.filter(bool) if around or cased else TEXT
    value = draw(values | st.lists(values, min_size=1, max_size=3))
    joins = [[], ["neq"], ["all"]] if isinstance(value, list) else [[], ["neq"]]
    return "|".join([field, *around, *cased, *draw(st.sampled_from(joins))]), value


SELECTIONS = st.lists(items(), min_size=1, max_size=3).map(dict)
ANY = SELECTIONS | st.lists(SELECTIONS, min_size=1, max_size=2)


def table(events: list[Event]) -> sqlite3.Connection:
    """The events as rows, the first with rowid 1; text ignores case, as the backend's tables do."""
    database = sqlite3.connect(":memory:")
    database.create_function("REGEXP", 2, lambda pattern, text: text is not None and re.search(pattern, text) is not None)
    database.execute(f"CREATE TABLE logs ({', '.join(f'`{name}` TEXT COLLATE NOCASE' for name in [*COLUMNS, 'timestamp'])})")
    for event in events:
        moment = iso(event.at_us)
        values = [moment if name == "date" else getattr(event, ATTRIBUTES[name]) for name in COLUMNS]
        database.execute(f"INSERT INTO logs VALUES ({', '.join('?' * (len(COLUMNS) + 1))})", [*values, moment])
    return database


def sql(*documents: dict[str, Any]) -> list[str]:
    """The queries of Sigma documents."""
    text = "\n---\n".join(yaml.safe_dump(document, sort_keys=False) for document in documents)
    return [str(query) for query in sqliteBackend().convert(SigmaCollection.from_yaml(text))]


@settings(max_examples=100, deadline=None)
@given(ANY, ANY, conditions(), st.lists(EVENTS, min_size=1, max_size=6))
def test_a_detection_selects_what_its_query_selects(a, b, joined, events):
    detection = {"a": a, "b": b, "condition": joined[0]}
    (query,) = sql({"title": "x", "logsource": {"product": "onlyoffice"}, "detection": detection})
    rows = table(events).execute(query.replace("SELECT * FROM", "SELECT rowid FROM", 1)).fetchall()
    test = select(compiled(detection)).test
    assert [number for number, one in enumerate(events, 1) if test(one)] == sorted(number for (number,) in rows)


RULES = [
    {"title": "a", "name": "fa", "logsource": {"product": "x"}, "detection": {"s": {"outcome": "failure"}, "condition": "s"}},
    {"title": "b", "name": "fb", "logsource": {"product": "x"}, "detection": {"s": {"role": "admin"}, "condition": "s"}},
    {
        "title": "c",
        "name": "fc",
        "logsource": {"product": "x"},
        "detection": {"s": {"login|startswith": "b"}, "condition": "s"},
    },
]
HISTORIES = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["anna", "Anna", "bob", None]),
        st.sampled_from(["failure", "success"]),
        st.sampled_from(["admin", None]),
        st.sampled_from(["b1", "a1"]),
        st.sampled_from(["1", "2", "3", None]),
    ),
    max_size=25,
    unique_by=lambda row: row[0],
)
CORRELATIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("event_count"),
            "condition": st.builds(
                lambda key, n: {key: n + (key != "gt")}, st.sampled_from(["gt", "gte", "eq"]), st.integers(0, 3)
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("value_count"),
            "condition": st.builds(
                lambda key, n: {"field": "ip", key: n}, st.sampled_from(["gt", "gte", "eq"]), st.integers(1, 3)
            ),
        }
    ),
    st.fixed_dictionaries({"type": st.just("temporal")}),
    st.fixed_dictionaries({"type": st.just("temporal"), "condition": st.just({"gte": 2})}),
    st.fixed_dictionaries({"type": st.just("temporal_ordered")}),
)


def history(rows: list[tuple[Any, ...]]) -> list[Event]:
    """Events in order, one a minute at most."""
    return [
        Event(
            portal="main",
            id=number,
            at_us=minute * 60_000_000,
            action_id=1,
            account=account,
            outcome=outcome,
            role=role,
            login=login,
            ip=ip,
        )
        for number, (minute, account, outcome, role, login, ip) in enumerate(sorted(rows, key=lambda row: row[0]), 1)
    ]


def alerts(query: str, events: list[Event]) -> dict[str, list[int]]:
    """Account → the moments at which the query's condition holds, in microseconds."""
    found: dict[str, list[int]] = {}
    for keys, moment in table(events).execute(f"SELECT group_keys, occurrence_time FROM ({query})"):
        found.setdefault(str(json.loads(keys)["account"]).lower(), []).append(round(moment) * 1_000_000)
    return {account: sorted(moments) for account, moments in found.items()}


@settings(max_examples=60, deadline=None)
@given(section=CORRELATIONS, names=st.sampled_from([["fa", "fb"], ["fc", "fa", "fb"], ["fb", "fc"]]), rows=HISTORIES)
def test_a_correlation_fires_when_its_query_has_a_row(tmp_path_factory, section, names, rows):
    section = {**section, "rules": names, "group-by": ["account"], "timespan": "10m"}
    documents = [*RULES, {"title": "over", "name": "over", "correlation": section}]
    rows = [row for row in rows if row[-1] or section["type"] != "value_count"]
    events = history(rows)
    (query,) = [one for one in sql(*documents) if "sigma_alert" in one]
    expected = alerts(query, events)
    folder = tmp_path_factory.mktemp("rules")
    (folder / "x.yml").write_text("\n---\n".join(yaml.safe_dump(document) for document in documents))
    findings = Engine(load_rules([folder]).rules, "main", ZoneInfo("UTC")).fold_all(events)
    assert {finding.rule for finding in findings}.isdisjoint(names)
    findings = [finding for finding in findings if finding.rule == "over"]
    held = [(finding.key[0].lower(), finding.at_us, finding.last_us) for finding in findings]
    if section["type"] == "temporal_ordered":  # what completed is used up here, so firings are among the query's rows
        assert all(at in expected.get(account, []) for account, at, _ in held)
        assert {account: moments[0] for account, moments in expected.items()} == {
            account: min(at for one, at, _ in held if one == account) for account, _, _ in held
        }
        return
    for account in expected.keys() | {account for account, _, _ in held}:
        moments = expected.get(account, [])
        spans = [(first, last) for one, first, last in held if one == account]
        matched = [at for at in moments if any(first <= at <= last for first, last in spans)]
        assert matched == moments, "whenever the query's condition holds, a finding goes on"
        assert all(first in moments and last in moments for first, last in spans)


def test_the_oracle_sees_what_it_is_asked_for():
    events = history([(0, "anna", "failure", None, "a", None), (1, "anna", "failure", None, "a", None)])
    (query,) = sql({"title": "x", "logsource": {"product": "x"}, "detection": {"s": {"outcome": "FAILURE"}, "condition": "s"}})
    assert len(table(events).execute(query).fetchall()) == 2
    with pytest.raises(sqlite3.OperationalError):
        table(events).execute("SELECT nothing FROM logs")
