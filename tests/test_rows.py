"""The parser of the portal's rows: both date forms, wrong types, hostile text, broken bodies; and files of events."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot.errors import EventsFileError, PortalTransient
from alertbot.event import Event
from alertbot.moments import to_us
from alertbot.places import locate
from alertbot.rows import _PUBLIC_NAMES, is_enriched, parse_date, parse_page, parse_row, read_events_file, to_public

ROW: dict[str, Any] = {
    "id": 48211,
    "date": "2026-01-15T13:30:00.0000000+03:00",
    "user": "Anna Berg",
    "userId": "66faa6e4-f133-11ea-b126-00ffeec8b4ef",
    "login": "anna@example.com",
    "action": "Login Success",
    "actionId": 1029,
    "ip": "203.0.113.7",
    "country": "Germany",
    "city": "Berlin",
    "browser": "Chrome 131",
    "platform": "Windows 10",
    "page": "https://portal/login",
}
AT_US = to_us(datetime(2026, 1, 15, 10, 30, tzinfo=UTC))


def _envelope(*rows: Any) -> bytes:
    return json.dumps({"response": rows, "count": len(rows), "status": 0, "statusCode": 200}).encode()


def _one(**changes: Any) -> Event:
    page = parse_page(_envelope(ROW | changes), "main", "login")
    assert not page.complaints
    return page.events[0]


def _complaint(**changes: Any) -> str:
    page = parse_page(_envelope(ROW | changes), "main", "login")
    assert (len(page.events), page.rows) == (0, 1)
    return page.complaints[0].text


def test_a_row_becomes_an_event_with_what_its_action_means() -> None:
    """Every field of the portal's row arrives, with event, outcome and method."""
    event = _one()
    assert event == Event(
        portal="main",
        id=48211,
        at_us=AT_US,
        action_id=1029,
        user="Anna Berg",
        user_id="66faa6e4-f133-11ea-b126-00ffeec8b4ef",
        login="anna@example.com",
        action="Login Success",
        ip="203.0.113.7",
        country="Germany",
        city="Berlin",
        browser="Chrome 131",
        platform="Windows 10",
        page="https://portal/login",
        event="LoginSuccessViaPassword",
        outcome="success",
        method="password",
    )


@pytest.mark.parametrize(
    "date",
    [
        "2026-01-15T13:30:00.0000000+03:00",
        "2026-01-15T10:30:00.0000000Z",
        "2026-01-15T10:30:00Z",
        "2026-01-15T10:30:00",
        " 2026-01-15 10:30:00Z ",
        {"utcTime": "2026-01-15T10:30:00.0000000Z", "timeZoneOffset": "03:00:00"},
        {"utcTime": "2026-01-15T10:30:00.0000000"},
    ],
)
def test_every_form_of_a_date_means_the_same(date: Any) -> None:
    """String and object, offset, `Z` and nothing: one moment."""
    assert _one(date=date).at_us == AT_US


def test_a_seventh_digit_is_cut() -> None:
    """Digits after the sixth are cut, not rounded, so that live and replay agree."""
    assert parse_date("2026-01-15T10:30:00.9999999Z") == AT_US + 999_999


@pytest.mark.parametrize(
    "date",
    [
        "0001-01-01T00:00:00.0000000+03:00",
        "9999-12-31T23:59:59.9999999-12:00",
        "yesterday",
        "",
        5,
        [],
        {},
        {"utcTime": 5},
        True,
    ],
)
def test_a_date_that_is_none_is_a_complaint(date: Any) -> None:
    """The year 1, the year 9999 and nonsense are said, and crash nothing."""
    assert _complaint(date=date).startswith("date is ")


def test_a_row_that_cannot_be_understood_takes_no_neighbour_with_it() -> None:
    """Good rows on both sides of broken ones are there, in order, and every broken one is a complaint with its id."""
    rows = [ROW | {"id": 1}, ROW | {"id": 2, "date": "soon"}, "row", None, {"id": 3}, ROW | {"id": 4}, ROW | {"id": "many"}]
    page = parse_page(_envelope(*rows), "main", "login")
    assert [event.id for event in page.events] == [1, 4]
    assert [complaint.id for complaint in page.complaints] == [2, None, None, 3, None]
    assert page.rows == 7


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("ip", 203, "203"),
        ("login", {"a": 1}, '{"a":1}'),
        ("login", ["x"], '["x"]'),
        ("user", True, "true"),
        ("city", 1.5, "1.5"),
        ("country", None, None),
        ("browser", "", ""),
        ("login", "a" * 100_000, "a" * 100_000),
        ("login", " ANNA@example.com\t", " ANNA@example.com\t"),
        ("login", "\u202eevil\x1b[31m", "\u202eevil\x1b[31m"),
        ("login", "😀", "😀"),
    ],
)
def test_text_is_kept_whatever_its_type(field: str, value: Any, expected: str | None) -> None:
    """A value of the wrong type becomes text; text stays as typed."""
    assert getattr(_one(**{field: value}), field) == expected


@pytest.mark.parametrize("login", ["a\x00b", "a\ud800b"])
def test_text_that_no_database_can_hold_is_replaced(login: str) -> None:
    """NUL and halves of surrogate pairs become U+FFFD, and the event survives JSON and UTF-8."""
    event = _one(login=login)
    assert event.login == "a\ufffdb"
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    assert "\x00" not in str(event)


def test_bytes_that_are_no_utf8_do_not_lose_the_page() -> None:
    """A page with a broken byte in a text still gives its rows."""
    body = _envelope(ROW | {"login": "BYTE"}, ROW | {"id": 2}).replace(b"BYTE", b"\xff")
    page = parse_page(body, "main", "login")
    assert [event.login for event in page.events] == ["\ufffd", "anna@example.com"]


@pytest.mark.parametrize(("given", "number"), [("48211", 48211), (48211.0, 48211), (2**62 - 1, 2**62 - 1), (0, 0)])
def test_a_whole_number_may_be_written_otherwise(given: Any, number: int) -> None:
    """An id in quotes or with a point is that number."""
    assert _one(id=given).id == number


@pytest.mark.parametrize("given", [-1, 2**62, 10**30, 1.5, True, {}, "x", 1e300])
def test_an_id_that_is_none_is_a_complaint(given: Any) -> None:
    """What cannot be an id of the portal is said."""
    assert _complaint(id=given).startswith("id is ")


@pytest.mark.parametrize(
    ("given", "number", "event", "outcome"),
    [
        (1023, 1023, "LoginFailBruteForce", "failure"),
        ("1023", 1023, "LoginFailBruteForce", "failure"),
        (" " * 30 + "1023 ", 1023, "LoginFailBruteForce", "failure"),
        ("LoginSuccess", 1000, "LoginSuccess", "success"),
        ("loginsuccess", 1000, "LoginSuccess", "success"),
        ("LoginSuccesViaTfaApp", 1021, "LoginSuccesViaTfaApp", "success"),
        ("LoginSuccessViaTfaApp", 1021, "LoginSuccesViaTfaApp", "success"),
        (1006, 1006, "Logout", "session"),
        (7777, 7777, None, None),
        ("LoginByMagic", -1, "LoginByMagic", None),
    ],
)
def test_an_action_is_known_by_number_or_name(given: Any, number: int, event: str | None, outcome: str | None) -> None:
    """Number, number in quotes and the enum's name mean the same; what is unknown is kept."""
    got = _one(actionId=given)
    assert (got.action_id, got.event, got.outcome) == (number, event, outcome)


def test_the_old_name_of_the_address_counts() -> None:
    """`iP`, as older versions wrote it, is the address; `ip` goes first."""
    old = {name: value for name, value in ROW.items() if name != "ip"} | {"iP": "198.51.100.9"}
    assert parse_page(_envelope(old), "main", "login").events[0].ip == "198.51.100.9"
    assert _one(iP="198.51.100.9").ip == "203.0.113.7"


def test_a_portal_cannot_say_who_it_was() -> None:
    """Fields of ours in a portal's row are not believed."""
    event = _one(account="owner", known=True, role="owner", portal="other", feed="audit", status=1)
    assert (event.account, event.known, event.role, event.portal, event.feed, event.status) == (
        None,
        False,
        None,
        "main",
        "login",
        None,
    )


def test_an_audit_row_keeps_its_own_fields() -> None:
    """The audit feed's fields arrive as text, a list as its parts; an action has its name there, and means no login."""
    row = ROW | {"actionId": 5074, "actionType": "Update", "product": 3, "target": ["a", "b"], "context": {"x": None}}
    event = parse_page(_envelope(row | {"entries": [5], "location": []}), "main", "audit").events[0]
    assert (event.feed, event.event, event.action_type, event.product) == ("audit", "RoomDeleted", "Update", "3")
    assert (event.target, event.entries, event.location, event.context) == ("a, b", "5", None, '{"x":null}')
    named = parse_page(_envelope(row | {"actionId": "roomdeleted"}), "main", "audit").events[0]
    assert (named.action_id, named.event) == (5074, "RoomDeleted")
    login = parse_page(_envelope(ROW), "main", "audit").events[0]
    assert (login.action_id, login.event, login.outcome) == (ROW["actionId"], None, None)
    assert parse_page(_envelope(row), "main", "login").events[0].event is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html><body>502 Bad Gateway</body></html>",
        _envelope(ROW)[:-20],
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b'{"status": 0}',
        b'{"response": null, "count": 3, "status": 0}',
        b'{"response": {}, "status": 0}',
        b'{"response": [], "status": 1, "statusCode": 500, "error": {"message": "x"}}',
        b'{"error": {"message": "x"}}',
        b"[" * 200_000,
        b'{"response":' * 200_000,
        b"\xff\xfe\x00",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_a_body_that_is_no_envelope_is_transient(body: bytes) -> None:
    """Empty, cut and foreign bodies may be better at the next try."""
    with pytest.raises(PortalTransient):
        parse_page(body, "main", "login")


def test_an_empty_history_is_no_fault() -> None:
    """No rows, also without a list, are an empty page."""
    assert parse_page(_envelope(), "main", "login").rows == 0
    assert parse_page(b'{"count": 0, "status": 0, "statusCode": 200}', "main", "login").rows == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from([*ROW, "iP", "account"]), JSON) | JSON, max_size=4))
def test_no_row_is_lost_or_crashes(rows: list[Any]) -> None:
    """Whatever rows there are, each is an event or a complaint, and every good neighbour is there."""
    page = parse_page(json.dumps({"response": [ROW, *rows, ROW], "status": 0}).encode(), "main", "login")
    assert page.rows == len(rows) + 2 == len(page.events) + len(page.complaints)
    assert page.events[0] == page.events[-1] == _one()
    for event in page.events:
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


HOSTILE = st.sampled_from([
    "x" * 1_000_000, "\x00\x1b[31m\ud800", 10**400, -(10**40), 2**63, 1e308, "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999-14:00", "2026-01-15T24:00:00Z", " " * 30 + "1029", "9" * 5000, "²", [10**400, 0], [1e308, 5],
    [["a"]], {"utcTime": "0001-01-01"}, {"a": {"b": 1}},
])  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(_PUBLIC_NAMES.values())), HOSTILE | JSON, max_size=4))
def test_no_row_of_a_file_crashes(fields: dict[str, Any]) -> None:
    """Whatever an exported row says of who and where: it is an event that can be placed and given out, or a short sentence."""
    for raw in (ROW | fields, json.dumps(ROW | fields).encode()):
        read = _read(raw)
        if isinstance(read, str):
            assert "literal" not in read
            assert len(read) < 300
        else:
            assert json.loads(msgspec.json.encode(to_public(locate(read))))["id"] == read.id


def _read(raw: dict[str, Any] | bytes) -> Event | str:
    try:
        return parse_row(raw, "main")
    except ValueError as exc:
        return str(exc)


@given(st.binary())
def test_no_body_crashes(body: bytes) -> None:
    """Any bytes are a page or a transient fault."""
    with contextlib.suppress(PortalTransient):
        parse_page(body, "main", "login")


ENRICHED = msgspec.structs.replace(
    _one(),
    account="66faa6e4-f133-11ea-b126-00ffeec8b4ef",
    known=True,
    name="Anna Berg",
    email="anna@example.com",
    role="owner",
    groups=("IT", "Ops"),
    status="active",
    tfa=False,
    country_code="DE",
    geo=(52.5, 13.4),
    network="203.0.113.0/24",
)


def test_public_json_reads_back() -> None:
    """What alertbot gives out is what it reads."""
    public = to_public(ENRICHED)
    assert public["date"] == "2026-01-15T10:30:00Z"
    assert list(public)[:2] == ["id", "date"]
    assert parse_row(json.dumps(public).encode(), "other") == ENRICHED
    assert parse_row(public, "other").portal == "main"


def test_absent_fields_are_left_out() -> None:
    """Nothing that is absent is written, and `known` stands wherever there is an account."""
    bare = Event(portal="main", id=1, at_us=AT_US, action_id=1006)
    assert to_public(bare) == {"id": 1, "date": "2026-01-15T10:30:00Z", "portal": "main", "actionId": 1006, "feed": "login"}
    assert to_public(msgspec.structs.replace(bare, account="x"))["known"] is False


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW, ROW | {"id": 2}]),
        json.dumps([ROW, ROW | {"id": 2}], indent=1),
        json.dumps({"response": [ROW, ROW | {"id": 2}], "count": 2, "status": 0}),
        json.dumps({"response": [ROW, ROW | {"id": 2}]}, indent=2),
        json.dumps(ROW) + "\n\n" + json.dumps(ROW | {"id": 2}) + "\n",
        "\ufeff" + json.dumps(ROW) + "\n" + json.dumps(ROW | {"id": 2}),
    ],
)
def test_a_file_of_events_may_have_any_form(tmp_path: Path, text: str) -> None:
    """A list, an envelope and one event a line are read alike."""
    path = tmp_path / "events.json"
    path.write_text(text, encoding="utf-8")
    assert [event.id for event in read_events_file(path, "main")] == [48211, 2]


def test_an_export_keeps_who_and_where(tmp_path: Path) -> None:
    """Events of `export` come enriched; the portal's do not."""
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(to_public(ENRICHED)) + "\n" + json.dumps(ROW))
    first, second = read_events_file(path, "p")
    assert (is_enriched(first), first.portal) == (True, "main")
    assert (is_enriched(second), second.portal) == (False, "p")


def test_a_file_tells_the_feed_by_its_fields(tmp_path: Path) -> None:
    """A row with fields or an action of the audit trail is of the audit feed."""
    path = tmp_path / "events.jsonl"
    rows = [ROW | {"product": "Files"}, ROW, ROW | {"actionId": 5074}, ROW | {"actionId": "RoomDeleted"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [event.feed for event in read_events_file(path, "main")] == ["audit", "login", "audit", "audit"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (json.dumps(ROW) + "\n\n" + json.dumps(ROW | {"date": "x"}), ":3: date is 'x'"),
        (json.dumps([ROW, ROW | {"date": "x"}], indent=0), ":17: date is 'x'"),
        ("[\n{},\n]", ":3:1: is no JSON"),
        ("not json", ":1:1: is no JSON"),
        ("[1]", ":1: a row is 1, not an object"),
        (json.dumps(ROW) + "\n{", ":2: it is no JSON"),
    ],
)
def test_a_broken_file_names_the_place(tmp_path: Path, text: str, place: str) -> None:
    """The first mistake is said with file and line."""
    path = tmp_path / "events.json"
    path.write_text(text)
    with pytest.raises(EventsFileError) as caught:
        list(read_events_file(path, "main"))
    assert str(caught.value).startswith(f"{path}{place}")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A missing file is one sentence."""
    with pytest.raises(EventsFileError, match="cannot be read: No such file"):
        list(read_events_file(tmp_path / "none", "main"))


def test_an_empty_file_holds_no_events(tmp_path: Path) -> None:
    """No bytes, no events."""
    path = tmp_path / "empty"
    path.write_text("")
    assert list(read_events_file(path, "main")) == []


def test_a_file_that_gzip_has_written_is_read_and_a_cut_one_is_a_sentence(tmp_path: Path) -> None:
    packed = gzip.compress(b'[{"id": 1, "date": "2026-01-15T10:00:00Z", "actionId": 1002}]')
    (tmp_path / "logins.json.gz").write_bytes(packed)
    assert [event.id for event in read_events_file(tmp_path / "logins.json.gz", "main")] == [1]
    for broken in (packed[:-12], b"[]"):
        (tmp_path / "logins.json.gz").write_bytes(broken)
        with pytest.raises(EventsFileError, match=r"logins\.json\.gz: cannot be read: "):
            list(read_events_file(tmp_path / "logins.json.gz", "main"))


def test_events_come_through_the_standard_input_too(monkeypatch: pytest.MonkeyPatch) -> None:
    row = b'{"id": 7, "date": "2026-01-15T10:00:00Z", "actionId": 1002}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(row)))
    assert [event.id for event in read_events_file(Path("-"), "main")] == [7]
