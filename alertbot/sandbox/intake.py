"""What the sandbox is given: files of events and people, and rows that somebody writes by hand.

In come the portal's own JSON (a list, an envelope, or one row a line) and rows with only the interesting fields; out go
`Row`s and `Member`s. A file's mistake is named with its place; what a hand-written row leaves out is filled in as the
portal would: an id, the time, the guest id for a failure, the person whose e-mail is in `login` for a success.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from alertbot.actions import AUDIT_ACTIONS, action_named
from alertbot.errors import EventsFileError
from alertbot.event import GUEST_ID, Feed
from alertbot.moments import to_us
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.wording import FAILURES, action_text

COLUMNS = (
    *("user", "login", "action", "ip", "country", "city", "browser", "platform", "page"),
    *("actionType", "product", "location", "target", "entries", "context"),
)
"""The text columns of a row as the portal names them; what else a row holds is not the portal's and is dropped."""


_USUAL: Mapping[Feed, int] = {"login": 1029, "audit": 5009}
"""What happens where a row by hand does not say it: a login by password, a download."""


class Member(msgspec.Struct, frozen=True):
    """A person of the directory; `row` is what the portal serves, as it stands."""

    id: str
    email: str
    name: str
    row: dict[str, Any]


def read_events(path: Path) -> list[Row]:
    """The rows of a file, of the login history or the audit trail, each shown from its date on. Raises EventsFileError."""
    rows = []
    for line, raw in _objects(path):
        try:
            rows.append(parse_row(raw))
        except ValueError as error:
            raise EventsFileError(f"{path}:{line}: {error}") from None
    return rows


def read_people(path: Path) -> list[Member]:
    """The persons of a file. Raises EventsFileError."""
    members = []
    for line, raw in _objects(path):
        try:
            members.append(parse_member(raw))
        except ValueError as error:
            raise EventsFileError(f"{path}:{line}: {error}") from None
    return members


def parse_member(raw: object) -> Member:
    """A person in the portal's JSON."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("id"), str) or not raw["id"]:
        raise ValueError("a person needs an `id` that is a text")
    row = {str(name): value for name, value in raw.items() if value is not None}
    return Member(id=raw["id"], email=str(row.get("email", "")), name=str(row.get("displayName", "")), row=row)


def parse_row(raw: object, feed: Feed | None = None, *, appears: datetime | None = None) -> Row:
    """A whole row in the portal's JSON; its action says of which feed it is where nobody does. Raises ValueError."""
    if not isinstance(raw, Mapping):
        raise ValueError("an event must be an object")  # noqa: TRY004  (a file's mistake, as the others)
    for name in ("id", "date", "actionId"):
        if raw.get(name) is None:
            raise ValueError(f"an event needs `{name}`")
    at_us = to_us(parse_date(raw["date"])) // 1_000_000 * 1_000_000
    action_id = _action(raw)
    return Row(
        id=_whole(raw, "id"),
        at_us=at_us,
        appears_us=to_us(appears) if appears is not None else at_us,
        action_id=action_id,
        user_id=str(raw.get("userId") or GUEST_ID),
        feed=feed or ("audit" if action_id in AUDIT_ACTIONS else "login"),
        fields=_columns(raw),
    )


def complete(
    raw: Mapping[str, Any], members: Mapping[str, Member], next_id: int, now: datetime, feed: Feed = "login"
) -> dict[str, Any]:
    """A row by hand with all that the portal fills in itself. `members` are by e-mail in lower case."""
    row = {"id": next_id, "date": now.isoformat(), "actionId": _USUAL[feed], **raw}
    action_id = row["actionId"] = _action(row)
    row.setdefault("action", action_text(action_id))
    if "userId" in row:
        return row
    typed = row.get("login")
    if action_id in FAILURES:
        return {"user": typed, **row, "userId": GUEST_ID}
    member = members.get(str(typed).strip().casefold())
    if member is None:
        what = "a success" if feed == "login" else "an action"
        raise ValueError(f"{what} needs a `userId`, or a `login` that is the e-mail of a person of the directory")
    return {"user": member.name, **row, "userId": member.id, "login": None}


def parse_date(value: object) -> datetime:
    """Both forms of the portal's date."""
    if isinstance(value, Mapping):
        value = value.get("utcTime")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError("`date` must be a time like 2026-01-15T10:04:00Z")
    if moment.tzinfo is None:
        raise ValueError("`date` needs a zone: 2026-01-15T10:04:00Z, or +01:00 at its end")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("`date` is outside of the calendar") from None


def cut_address(ip: str) -> str:
    """What the portal keeps of an address: all before its first colon."""
    return ip.split(":", 1)[0]


def _columns(raw: Mapping[str, Any]) -> dict[str, str]:
    values = {name: raw.get(name) for name in COLUMNS}
    if values["ip"] is None:
        values["ip"] = raw.get("iP")
    texts = {name: str(value) for name, value in values.items() if value is not None}
    if "ip" in texts:
        texts["ip"] = cut_address(texts["ip"])
    return texts


def _action(raw: Mapping[str, Any]) -> int:
    name = raw["actionId"]
    action = action_named(name) if isinstance(name, str) else None
    return action.id if action is not None else _whole(raw, "actionId")


def _whole(raw: Mapping[str, Any], name: str) -> int:
    value = raw[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{name}` must be a whole number")  # noqa: TRY004  (a file's mistake, as the others)
    return value


def _objects(path: Path) -> Iterator[tuple[int, object]]:
    """The objects of a file with the line where each begins (1 for all of a list or an envelope)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EventsFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}") from None
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        yield from _lines(path, text)
        return
    except RecursionError:
        raise EventsFileError(f"{path}: nested too deeply for a list of events") from None
    if isinstance(whole, Mapping) and "response" in whole:
        whole = whole["response"]
    for item in whole if isinstance(whole, list) else [whole]:
        yield 1, item


def _lines(path: Path, text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except RecursionError:
            raise EventsFileError(f"{path}:{number}: nested too deeply for an event") from None
        except json.JSONDecodeError as error:
            raise EventsFileError(
                f"{path}:{number}: no JSON ({error.msg}, column {error.colno}); "
                "a list, an envelope of the portal, or one object a line is read"
            ) from None
