"""The directory of a portal: who there is.

In come pages of the portal's users, or a file of them; out goes a list of `Person`, everybody once: terminated and pending ones
too, for a login may be theirs. A row may lack all but its id; what is no person at all is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from alertbot.errors import EventsFileError, PortalTransient
from alertbot.loose import as_text, load, storable
from alertbot.rows import json_rows, parse_answer

PAGE = 100
_MOST_PAGES = 10_000
_STATUS = {1: "active", 2: "terminated", 4: "pending"}
_FLAGS = ("isOwner", "isAdmin", "isRoomAdmin", "isVisitor", "isCollaborator")


class Person(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user of the portal. `role`: owner, admin, room_admin, user or guest; `status`: active, terminated or pending."""

    id: str
    email: str | None = None
    name: str | None = None
    role: str | None = None
    groups: tuple[str, ...] = ()
    status: str | None = None
    tfa: bool | None = None


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """People of one answer; `rows` counts what is no person too, `total` is how many the portal says there are."""

    people: tuple[Person, ...]
    rows: int
    total: int | None


class Answered(Protocol):
    """What of an answer is needed here."""

    @property
    def content(self) -> PeoplePage:
        """The page."""


class PeopleClient(Protocol):
    """Who can ask the portal for a page of its users."""

    async def people(self, start_index: int, count: int) -> Answered:
        """One page."""


async def read_people(client: PeopleClient) -> list[Person]:
    """Everybody in the directory, all pages.

    Pages overlap: somebody who leaves while it is read moves those behind to the page before, so a page that does not begin
    with people who were seen is followed by an earlier one.
    """
    people: dict[str, Person] = {}
    start, before = 0, None
    for _ in range(_MOST_PAGES):
        page = (await client.people(start, PAGE)).content
        found = {person.id: person for person in page.people}
        missed = bool(start and found) and next(iter(found)) not in people
        people.update(found)
        if missed:
            start = max(0, start - PAGE)
        elif not page.rows or list(found) == before or (page.rows < PAGE and start + page.rows >= (page.total or 0)):
            break
        else:
            start += max(1, page.rows - page.rows // 20)
        before = list(found)
    return list(people.values())


def parse_people(body: bytes) -> PeoplePage:
    """The people of an answer. A body that is no whole envelope of rows is a `PortalTransient`."""
    envelope = parse_answer(body)
    rows, total = envelope.get("response"), envelope.get("total")
    if rows is None and envelope.get("count") == 0:
        rows = []
    if not isinstance(rows, list):
        raise PortalTransient("it holds no list of people")
    people = tuple(person for person in map(parse_person, rows) if person is not None)
    return PeoplePage(people, len(rows), total if type(total) is int else None)


def parse_person(raw: object) -> Person | None:
    """A user in the portal's JSON; what has no id is nobody.

    >>> parse_person({"id": "7", "displayName": "Anna Berg", "isAdmin": True, "status": 1})
    Person(id='7', email=None, name='Anna Berg', role='admin', groups=(), status='active', tfa=None)
    """
    if not isinstance(raw, Mapping) or not (person_id := _text(raw.get("id"))):
        return None
    tfa = raw.get("tfaAppEnabled")
    return Person(
        id=person_id,
        email=_text(raw.get("email")),
        name=_text(raw.get("displayName")),
        role=_role(raw),
        groups=_groups(raw.get("groups")),
        status=_status(raw.get("status")),
        tfa=tfa if isinstance(tfa, bool) else None,
    )


def read_people_file(path: Path) -> list[Person]:
    """The people of a file in the portal's JSON: a list, an envelope, or one a line. Raises `EventsFileError`."""
    people: dict[str, Person] = {}
    for line, raw in json_rows(path):
        try:
            person = parse_person(load(raw))
        except ValueError as exc:
            raise EventsFileError(f"{path}:{line}: {exc}") from None
        if person is None:
            raise EventsFileError(f"{path}:{line}: this is no person, for it has no id.")
        people[person.id] = person
    return list(people.values())


def _role(raw: Mapping[str, Any]) -> str | None:
    """The highest role that the flags give; absent where the row has none of the flags."""
    if not any(flag in raw for flag in _FLAGS):
        return None
    for flag, role in zip(_FLAGS, ("owner", "admin", "room_admin", "guest"), strict=False):
        if raw.get(flag) is True:
            return role
    return "user"


def _groups(raw: object) -> tuple[str, ...]:
    """Groups are objects with a name; some versions give the bare name."""
    names = [group.get("name") if isinstance(group, Mapping) else group for group in raw] if isinstance(raw, list) else []
    return tuple(text for name in names if (text := _text(name)))


def _status(raw: object) -> str | None:
    if isinstance(raw, str):
        return _STATUS.get(int(raw)) if raw.isdecimal() and len(raw) < 4 else raw.lower() or None
    return _STATUS.get(raw) if isinstance(raw, int) else None


def _text(value: object) -> str | None:
    """Text that is not blank."""
    text = as_text(value)
    return storable(text) if text and text.strip() else None
