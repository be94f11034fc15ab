"""Files of events and people, as the sandbox portal takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alertbot.errors import EventsFileError
from alertbot.moments import iso
from alertbot.sandbox.intake import read_events, read_people
from tests.sandbox.serving import client_of, portal, rows_of

ROW = {"id": 5, "date": "2026-01-15T10:00:00.7500000+03:00", "actionId": 1029, "userId": "u", "ip": "203.0.113.7:1"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW]),
        json.dumps({"response": [ROW], "count": 1}),
        json.dumps({"response": [ROW]}, indent=2),
        json.dumps(ROW) + "\n\n" + json.dumps(ROW).replace("5", "6", 1) + "\n",
        "\ufeff" + json.dumps(ROW),
        json.dumps([ROW | {"date": {"utcTime": "2026-01-15T07:00:00.0000000Z", "timeZoneOffset": "03:00:00"}}]),
        json.dumps([{**ROW, "ip": None, "iP": "203.0.113.7"}]),
    ],
    ids=["list", "envelope", "indented", "lines", "byte order mark", "object date", "older version"],
)
def test_a_list_an_envelope_and_lines_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(text)
    row = read_events(path)[0]
    assert (row.id, iso(row.at_us), row.fields["ip"]) == (5, "2026-01-15T07:00:00Z", "203.0.113.7")
    assert row.appears_us == row.at_us


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"id": 1}\n{"id"', "events.json:1: an event needs `date`"),
        (json.dumps(ROW) + '\n{"id"', "events.json:2: no JSON"),
        ("[1]", "an event must be an object"),
        (json.dumps(ROW | {"id": "five"}), "`id` must be a whole number"),
        (json.dumps(ROW | {"date": "2026-01-15T10:00:00"}), "`date` needs a zone"),
        (json.dumps(ROW | {"date": "soon"}), "`date` must be a time"),
        (json.dumps(ROW | {"date": "0001-01-01T00:00:00+14:00"}), "outside of the calendar"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_broken_file_names_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(text)
    with pytest.raises(EventsFileError) as told:
        read_events(path)
    assert sentence in str(told.value)
    assert str(path) in str(told.value)


def test_a_file_that_is_not_there_or_no_text_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EventsFileError, match="No such file"):
        read_people(tmp_path / "people.json")
    (tmp_path / "people.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EventsFileError, match="no UTF-8 text"):
        read_people(tmp_path / "people.json")


async def test_people_and_rows_are_served_as_the_files_have_them(tmp_path: Path) -> None:
    anna = {"id": "u", "email": "a@example.com", "displayName": "Anna", "status": 1, "groups": [], "title": None}
    (tmp_path / "people.json").write_text(json.dumps([anna]))
    (tmp_path / "events.json").write_text(json.dumps([ROW | {"login": "half \ud800 a pair", "own": 1}]))
    sandbox = portal(people=read_people(tmp_path / "people.json"))
    sandbox.load(read_events(tmp_path / "events.json"))
    async with client_of(sandbox) as client:
        people = await rows_of(client, "/api/2.0/people")
        [row] = await rows_of(client)
    del anna["title"]
    assert people == [anna]
    assert row["login"] == "half ? a pair"
    assert "own" not in row
