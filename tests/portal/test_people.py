"""The directory: all pages, roles, rows that lack nearly everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alertbot.errors import EventsFileError, PortalTransient
from alertbot.portal.people import PeoplePage, Person, parse_people, parse_person, read_people, read_people_file


@dataclass
class _Answer:
    content: PeoplePage


class _Portal:
    """Serves a list of users that may change between two pages."""

    def __init__(
        self, users: list[dict[str, Any]], *, total: bool = True, change: Callable[[int], None] = lambda _: None
    ) -> None:
        self.users, self.total, self.change, self.asked = users, total, change, 0

    async def people(self, start_index: int, count: int) -> _Answer:
        self.asked += 1
        rows = self.users[start_index : start_index + count]
        body: dict[str, Any] = {"response": rows, "count": len(rows), "status": 0}
        if self.total:
            body["total"] = len(self.users)
        answer = _Answer(parse_people(json.dumps(body).encode()))
        self.change(self.asked)
        return answer


def _users(count: int) -> list[dict[str, Any]]:
    return [{"id": f"u{n}", "email": f"u{n}@example.com", "displayName": f"U {n}", "status": 1} for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 1000])
@pytest.mark.parametrize("total", [True, False])
async def test_everybody_is_read(count: int, total: bool) -> None:
    """All pages are read, whether or not the portal says how many people there are."""
    portal = _Portal(_users(count), total=total)
    assert [person.id for person in await read_people(portal)] == [f"u{n}" for n in range(count)]
    assert portal.asked <= count // 90 + 2


async def test_who_leaves_meanwhile_hides_nobody() -> None:
    """People who leave while pages are read do not push others out of sight."""
    users = _users(300)
    wanted = {user["id"] for user in users[20:]}

    def leave(asked: int) -> None:
        if asked == 1:
            del users[:20]

    people = await read_people(_Portal(users, change=leave))
    assert wanted <= {person.id for person in people}


async def test_a_page_that_repeats_ends_it() -> None:
    """A portal that ignores `startIndex` does not keep it reading for ever."""

    class Same(_Portal):
        async def people(self, start_index: int, count: int) -> _Answer:
            return await super().people(0, count)

    portal = Same(_users(150))
    assert len(await read_people(portal)) == 100
    assert portal.asked < 10


@pytest.mark.parametrize("body", [b'{"status": 0, "response": {}}', b'{"status": 0}', b"<html>", b""])
def test_a_body_without_people_is_transient(body: bytes) -> None:
    """An answer without a list may be better next time."""
    with pytest.raises(PortalTransient):
        parse_people(body)


@pytest.mark.parametrize(
    ("flags", "role"),
    [
        ({"isOwner": True, "isAdmin": True, "isVisitor": False}, "owner"),
        ({"isOwner": False, "isAdmin": True, "isRoomAdmin": True}, "admin"),
        ({"isRoomAdmin": True, "isVisitor": False}, "room_admin"),
        ({"isVisitor": True}, "guest"),
        ({"isCollaborator": True}, "user"),
        ({"isOwner": False, "isAdmin": False, "isRoomAdmin": False, "isVisitor": False, "isCollaborator": False}, "user"),
        ({"isAdmin": "yes"}, "user"),
        ({}, None),
    ],
)
def test_the_highest_role_counts(flags: dict[str, Any], role: str | None) -> None:
    """Owner before admin before room admin before user before guest; without any flag nobody knows."""
    person = parse_person({"id": "1", **flags})
    assert person is not None
    assert person.role == role


def test_a_whole_row_is_understood() -> None:
    """Every field that is used arrives."""
    row = {
        "id": "66fa",
        "userName": "anna",
        "email": "anna@example.com",
        "displayName": "Anna Berg",
        "isAdmin": True,
        "tfaAppEnabled": True,
        "groups": [{"id": "g1", "name": "IT"}, "Ops", {"id": "g2"}, None, ""],
        "status": 4,
    }
    assert parse_person(row) == Person(
        id="66fa", email="anna@example.com", name="Anna Berg", role="admin", groups=("IT", "Ops"), status="pending", tfa=True
    )


@pytest.mark.parametrize("row", [None, 5, "x", [], {}, {"id": ""}, {"id": None, "email": "x@example.com"}])
def test_what_has_no_id_is_nobody(row: object) -> None:
    """Rows that are no person are left out."""
    assert parse_person(row) is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (1, "active"),
        (2, "terminated"),
        (4, "pending"),
        ("2", "terminated"),
        ("Active", "active"),
        (9, None),
        ({}, None),
        ("", None),
    ],
)
def test_a_status_has_a_name(given: Any, status: str | None) -> None:
    """Numbers become words; what is unknown is absent."""
    person = parse_person({"id": "1", "status": given})
    assert person is not None
    assert person.status == status


def test_wrong_types_lose_nobody() -> None:
    """Values of wrong types become text or nothing."""
    person = parse_person({"id": 7, "email": 5, "displayName": {"a": 1}, "groups": "IT", "tfaAppEnabled": "no"})
    assert person == Person(id="7", email="5", name='{"a":1}')


def test_a_file_of_people_is_read(tmp_path: Path) -> None:
    """A list and an envelope give the same people, everybody once."""
    for text in (json.dumps(_users(3)), json.dumps({"response": [*_users(3), *_users(1)]}, indent=1)):
        path = tmp_path / "people.json"
        path.write_text(text)
        assert [person.id for person in read_people_file(path)] == ["u0", "u1", "u2"]


def test_a_broken_file_of_people_names_the_place(tmp_path: Path) -> None:
    """A row without id is said with its line."""
    path = tmp_path / "people.json"
    path.write_text(json.dumps([*_users(1), {"email": "x"}], indent=0))
    with pytest.raises(EventsFileError, match=r"people.json:8: this is no person"):
        read_people_file(path)
