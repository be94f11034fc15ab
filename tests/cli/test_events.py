"""`alertbot events`: everything the portal keeps, chosen at home, safe to look at."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from alertbot.cli import execute
from alertbot.event import GUEST_ID

URL = "https://portal.example"
API = f"{URL}/api/2.0"
PEOPLE = [
    {"id": "a-1", "email": "anna@example.com", "displayName": "Anna Berg", "isAdmin": True, "status": 1},
    {"id": "b-2", "email": "ben@example.com", "displayName": "Kim Lee", "status": 1},
    {"id": "c-3", "email": "kim@example.com", "displayName": "Kim Lee", "status": 2},
]


class Portal:
    """Rows behind respx, cut before they are filtered; what was asked is kept."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[httpx.URL] = []
        self.no_plan = False
        self.status = 200
        self.people_status = 200

    def add(self, date: str, action: int = 1029, user: str = GUEST_ID, **fields: Any) -> int:
        """A row; they are added oldest first."""
        self.rows.append({"id": len(self.rows) + 1, "date": date, "actionId": action, "userId": user, **fields})
        return len(self.rows)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the portal says."""
        self.asked.append(request.url)
        if self.status != 200:
            return httpx.Response(self.status)
        rows = self.rows[::-1]
        if request.url.path.endswith("/last") or self.no_plan:
            rows = rows[:20]
        else:
            start, count = int(request.url.params["startIndex"]), int(request.url.params["count"])
            since = request.url.params.get("from", "")
            rows = [row for row in rows[start : start + count] if row["date"] >= since]
        return httpx.Response(200, json={"response": rows, "status": 0})

    def people(self, request: httpx.Request) -> httpx.Response:
        """Who the portal says there is."""
        return httpx.Response(self.people_status, json={"response": PEOPLE, "status": 0, "total": len(PEOPLE)})


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Portal]:
    """A portal that the environment names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCSPACE_URL", URL)
    monkeypatch.setenv("DOCSPACE_API_KEY", "sk-secret")
    served = Portal()
    with respx.mock(assert_all_called=False) as mock:
        mock.get(url__startswith=f"{API}/security/audit/login/").mock(side_effect=served.answer)
        mock.get(f"{API}/people").mock(side_effect=served.people)
        yield served


@pytest.fixture
def day(portal: Portal) -> Portal:
    """Two days of a small office."""
    portal.add("2026-01-14T22:30:00Z", 1029, "a-1")
    portal.add("2026-01-14T23:30:00Z", 1002, login="ANNA@example.com")
    portal.add("2026-01-15T10:00:00Z", 1023, login="anna@example.com ")
    portal.add("2026-01-15T11:00:00Z", 1028, "b-2")
    portal.add("2026-01-15T12:00:00Z", 1006, "a-1")
    portal.add("2026-01-15T22:59:59Z", 1002, login="Root")
    portal.add("2026-01-16T08:00:00Z", 1029, "c-3")
    return portal


def _ids(capsys: pytest.CaptureFixture[str], *options: str) -> list[int]:
    assert execute(["events", "--format", "json", *options]) == 0
    return [event["id"] for event in json.loads(capsys.readouterr().out)]


def test_without_options_it_is_everything(day: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """All events come, newest first, with who, in stable JSON."""
    assert execute(["events", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [event["id"] for event in found] == [7, 6, 5, 4, 3, 2, 1]
    assert found[-1] == {
        "id": 1,
        "date": "2026-01-14T22:30:00Z",
        "portal": "main",
        "actionId": 1029,
        "feed": "login",
        "userId": "a-1",
        "event": "LoginSuccessViaPassword",
        "outcome": "success",
        "method": "password",
        "account": "a-1",
        "known": True,
        "name": "Anna Berg",
        "email": "anna@example.com",
        "role": "admin",
        "status": "active",
    }


def test_it_is_complete_across_pages(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """However many pages and however many events in one second: each once."""
    for number in range(150):
        portal.add(f"2026-01-15T10:{number // 60:02}:{number % 60:02}Z")
    for _ in range(180):
        portal.add("2026-01-15T11:00:00Z")
    assert sorted(_ids(capsys)) == list(range(1, 331))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--user", "anna@example.com"], [5, 3, 2, 1]),
        (["--user", "ANNA@Example.com"], [5, 3, 2, 1]),
        (["--user", "Anna Berg"], [5, 3, 2, 1]),
        (["--user", "A-1"], [5, 3, 2, 1]),
        (["--user", "kim lee"], [7, 4]),
        (["--user", "root"], [6]),
        (["--user", "nobody"], []),
        (["--action", "failure"], [6, 3, 2]),
        (["--action", "success"], [7, 4, 1]),
        (["--action", "login"], [7, 6, 4, 3, 2, 1]),
        (["--action", "logout"], [5]),
        (["--action", "LoginFailBruteForce"], [3]),
        (["--action", "1028"], [4]),
        (["--user", "anna@example.com", "--action", "failure"], [3, 2]),
        (["--from", "2026-01-15"], [7, 6, 5, 4, 3]),
        (["--to", "2026-01-15"], [6, 5, 4, 3, 2, 1]),
        (["--from", "2026-01-15", "--to", "2026-01-15"], [6, 5, 4, 3]),
        (["--from", "2026-01-15T11:00", "--to", "2026-01-15T12:00:00Z"], [5, 4]),
    ],
)
def test_it_chooses(day: Portal, capsys: pytest.CaptureFixture[str], options: list[str], expected: list[int]) -> None:
    """By account with what was typed in any letter case, by action, by days and times, all together."""
    assert _ids(capsys, *options) == expected


def test_days_are_the_portals(day: Portal, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A day begins and ends where the portal stands."""
    path = tmp_path / "some.yaml"
    path.write_text(f"portals: [{{name: main, url: {URL}, api_key: k, zone: Europe/Berlin}}]\n")
    assert _ids(capsys, "--config", str(path), "--from", "2026-01-15", "--to", "2026-01-15") == [6, 5, 4, 3, 2]


def test_the_portals_own_filters_are_left_alone(day: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """Only `from` is sent: the others would make pages short that are not the last."""
    _ids(capsys, "--user", "anna@example.com", "--action", "failure", "--from", "2026-01-14", "--to", "2026-01-15")
    assert {name for url in day.asked for name in url.params} == {"startIndex", "count", "from"}


def test_last_is_one_request(day: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """`--last` asks for the newest 20 and nothing else."""
    assert _ids(capsys, "--last", "--action", "success") == [7, 4, 1]
    assert [url.path for url in day.asked] == ["/api/2.0/security/audit/login/last"]


def test_a_plan_without_audit_is_said(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the portal serves only its newest 20, it is said on stderr, and it ends."""
    for number in range(40):
        portal.add(f"2026-01-15T10:00:{number:02}Z")
    portal.no_plan = True
    assert execute(["events", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 20
    assert "no audit service" in captured.err
    assert len(portal.asked) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--action", "0"], "means no filter"),
        (["--action", "1"], "write logout"),
        (["--action", "explode"], "there is no action"),
        (["--from", "yesterday"], "is no date"),
        (["--from", "2026-01-16", "--to", "2026-01-15"], "--from lies after --to"),
        (["--user", "  "], "--user is blank"),
        (["--portal", "other"], "portal"),
        (["--config", "none.yaml"], "none.yaml"),
    ],
)
def test_wrong_usage_ends_with_2(portal: Portal, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str) -> None:
    """What makes no sense is said in a sentence before anything is asked."""
    assert execute(["events", *options]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""
    assert portal.asked == []


@pytest.mark.parametrize("status", [401, 402, 403, 404, 302])
def test_a_refusal_ends_with_3(portal: Portal, capsys: pytest.CaptureFixture[str], status: int) -> None:
    """What the portal refuses is one sentence, without the key."""
    portal.status = portal.people_status = status
    assert execute(["events"]) == 3
    error = capsys.readouterr().err
    assert f"({status})" in error
    assert "sk-secret" not in error


def test_a_directory_out_of_sight_costs_names_only(day: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the key may not read people, events come without names, unless somebody was asked for."""
    day.people_status = 403
    assert execute(["events", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 7
    assert "names and e-mails are missing" in captured.err
    assert execute(["events", "--user", "anna@example.com"]) == 3


def test_several_portals_need_a_name(day: Portal, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of several portals one is named with --portal; without it the names are told."""
    path = tmp_path / "some.yaml"
    path.write_text(
        f"portals:\n  - {{name: one, url: {URL}, api_key: k}}\n  - {{name: two, url: 'https://two.example', api_key: k}}\n"
    )
    assert execute(["events", "--config", str(path)]) == 2
    assert "one, two" in capsys.readouterr().err
    assert len(_ids(capsys, "--config", str(path), "--portal", "one")) == 7


HOSTILE = "=HYPERLINK(1)\x1b[31m\u202e\nX"


def test_a_table_shows_who_what_and_where(day: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row names person, outcome, address, place and device, in the portal's time."""
    day.add("2026-01-16T09:00:00Z", 1002, login="anna@example.com", ip="203.0.113.7", city="Berlin", country="Germany")
    assert execute(["events"]) == 0
    text = capsys.readouterr().out
    first = text.splitlines()[1]
    for part in (
        "2026-01-16 09:00:00",
        "Anna Berg <anna@example.com>",
        "failure password bad credentials",
        "203.0.113.7",
        "Berlin",
    ):
        assert part in first
    assert "Logout" in text
    assert "8 events. Times are UTC." in text


def test_a_table_is_safe_to_look_at(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """Text that an outsider typed controls no terminal."""
    portal.add("2026-01-15T10:00:00Z", 1002, login=HOSTILE, browser="[red]x[/red]")
    assert execute(["events"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]x[/red]" in text
    assert "=HYPERLINK(1)" in text


def test_csv_is_safe_in_a_spreadsheet(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """A formula that an outsider typed is text, and a row stays a row."""
    portal.add("2026-01-15T10:00:00Z", 1002, login=HOSTILE, page='a","b')
    assert execute(["events", "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["login"].startswith("'=HYPERLINK(1)")
    assert not set("\x1b\n\u202e") & set(row["login"])
    assert (row["page"], row["known"], row["country"], row["date"]) == ('a","b', "false", "", "2026-01-15T10:00:00Z")


def test_json_is_safe_to_look_at_and_exact(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON holds the text exactly, escaped where a terminal would act on it."""
    portal.add("2026-01-15T10:00:00Z", 1002, login=HOSTILE + "\x9b\u2028Müller")
    assert execute(["events", "--format", "json"]) == 0
    text = capsys.readouterr().out
    assert not set("\x1b\x9b\u202e\u2028") & set(text)
    assert "Müller" in text
    assert json.loads(text)[0]["login"] == HOSTILE + "\x9b\u2028Müller"


def test_a_row_that_makes_no_sense_is_said(portal: Portal, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken row is named on stderr and its neighbours are shown."""
    portal.add("2026-01-15T10:00:00Z")
    portal.add("soon")
    portal.add("2026-01-15T11:00:00Z")
    assert execute(["events", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert [event["id"] for event in json.loads(captured.out)] == [3, 1]
    assert "row 2 cannot be understood" in captured.err


@pytest.mark.parametrize(("kind", "output"), [("json", "[]\n"), ("table", "0 events. Times are UTC.\n")])
def test_nothing_is_an_answer(portal: Portal, capsys: pytest.CaptureFixture[str], kind: str, output: str) -> None:
    """No events are no error."""
    assert execute(["events", "--format", kind]) == 0
    assert capsys.readouterr().out == output
