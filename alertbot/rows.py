"""Station 1, the parser: the portal's JSON → events, and events → the JSON that alertbot gives out.

In come bodies of the portal's answers and files of events; out go `Event`s with what their action means, not yet with who and
where. This is the last place where a raw dict is seen. Rows are decoded by type, quickly; what does not fit the types is read
again, leniently. A row that cannot be understood is a complaint and takes none of its neighbours with it.

Text stays as it was typed, except for NUL and halves of surrogate pairs, which no database and no UTF-8 can hold: each becomes
U+FFFD, the sign for a character that could not be shown.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from alertbot.actions import ACTIONS, AUDIT_ACTIONS, UNKNOWN_ACTION, Action, action_named, action_of
from alertbot.errors import EventsFileError, PortalTransient
from alertbot.event import Event, Feed
from alertbot.loose import as_pair, as_text, as_whole, as_words, load, shown, storable
from alertbot.moments import iso, to_us

_FIRST_US = 0
_LAST_US = to_us(datetime(2100, 1, 1, tzinfo=UTC))
_LARGEST_ID = 2**62 - 1
_LARGEST_ACTION = 2**31 - 1


class _Moment(msgspec.Struct, rename="camel"):
    """The form of a date that newer clients give."""

    utc_time: str
    time_zone_offset: str | None = None


class _Row(msgspec.Struct, rename="camel", gc=False):
    """A row as it should be: the portal's fields, and those that `export` adds."""

    id: int
    date: str | _Moment
    action_id: int | str
    user: str | None = None
    user_id: str | None = None
    login: str | None = None
    action: str | None = None
    ip: str | None = None
    ip_of_old: str | None = msgspec.field(name="iP", default=None)
    country: str | None = None
    city: str | None = None
    browser: str | None = None
    platform: str | None = None
    page: str | None = None
    action_type: Any = None
    product: Any = None
    location: Any = None
    target: Any = None
    entries: Any = None
    context: Any = None
    portal: str | None = None
    feed: Feed | None = None
    account: str | None = None
    known: bool | None = None
    name: str | None = None
    email: str | None = None
    role: str | None = None
    groups: list[str] | None = None
    status: str | None = None
    tfa: bool | None = None
    country_code: str | None = None
    geo: tuple[float, float] | None = None
    network: str | None = None
    ip_partial: bool | None = None
    hour_doubtful: bool | None = None


class _Envelope(msgspec.Struct):
    response: list[_Row]
    status: int = 0


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ROW = msgspec.json.Decoder(_Row)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])

_AS_TYPED = ("user", "user_id", "login", "action", "country", "city", "browser", "platform", "page")
_AUDIT = ("action_type", "product", "location", "target", "entries", "context")
_TEXT = (*_AS_TYPED, *_AUDIT, "ip", "portal", "account", "name", "email", "role", "status", "country_code", "network")
_FLAGS = ("known", "tfa", "ip_partial", "hour_doubtful")
_ENRICHMENT = (
    "account",
    "known",
    "name",
    "email",
    "role",
    "groups",
    "status",
    "tfa",
    "country_code",
    "geo",
    "network",
    "ip_partial",
)
_PUBLIC_NAMES = dict(zip(_Row.__struct_fields__, _Row.__struct_encode_fields__, strict=True))


@dataclass(frozen=True, slots=True)
class Complaint:
    """A row that could not be understood: its id, where it has one, and why, in a sentence."""

    id: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer of the portal holds: its events in the portal's order, and `rows`, the number of rows of any kind."""

    events: tuple[Event, ...]
    complaints: tuple[Complaint, ...]
    rows: int


def parse_page(body: bytes, portal: str, feed: Feed) -> Page:
    """The rows of an answer. A body that is no whole envelope of rows is a `PortalTransient`, for the next may be better."""
    try:
        envelope = _ENVELOPE.decode(body)
    except (ValueError, RecursionError):
        rows = parse_envelope(body)
    else:
        if envelope.status == 0:
            return _page(envelope.response, portal, feed, clean=b"\\u0000" in body)
        rows = parse_envelope(body)
    return _page(rows, portal, feed, clean=True)


def parse_envelope(body: bytes) -> list[Any]:
    """The rows of any of the portal's envelopes, undecoded; a broken, cut or foreign body is a `PortalTransient`."""
    envelope = parse_answer(body)
    rows = envelope.get("response")
    if rows is None and envelope.get("count") == 0:
        return []
    if not isinstance(rows, list):
        raise PortalTransient("it holds no list of rows")
    return rows


def parse_answer(body: bytes) -> dict[str, Any]:
    """The envelope of a call that worked, as a dict; anything else is a `PortalTransient`."""
    if not body.strip():
        raise PortalTransient("it is empty")
    try:
        envelope = load(body)
    except ValueError:
        web_page = body.lstrip()[:1] == b"<"
        raise PortalTransient("it is a web page; is `url` a DocSpace portal?" if web_page else "it is cut or broken") from None
    if not isinstance(envelope, dict):
        raise PortalTransient("it is JSON, but not a portal's")
    if envelope.get("status") not in (0, None) or "error" in envelope:
        raise PortalTransient("it reports an error inside")
    return envelope


def parse_row(raw: Mapping[str, Any] | bytes, portal: str, feed: Feed | None = None) -> Event:
    """One row, the portal's or of `export`, as an event; feed and portal that the row names itself count more than those given.

    A feed that nobody names is the one that the row's fields look like. Raises ValueError with a sentence for what cannot be
    understood.
    """
    row, clean = _decoded(raw)
    return _exported(_event(row, row.portal or portal, row.feed or feed or _likely_feed(row), clean=clean), row, clean=clean)


def _decoded(raw: Mapping[str, Any] | bytes) -> tuple[_Row, bool]:
    """A typed row, and whether its text may hold what cannot be stored."""
    if isinstance(raw, bytes):
        try:
            return _ROW.decode(raw), b"\\u0000" in raw
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raw = load(raw)
    return _loose_row(raw), True


def is_enriched(event: Event) -> bool:
    """Whether an event says who and where already, as those of `export` do."""
    return any(getattr(event, name) for name in _ENRICHMENT)


def parse_date(date: object) -> int:
    """A date in either of the portal's forms, in microseconds since 1970; further digits are cut. One without zone is UTC.

    >>> parse_date("2026-01-15T13:30:00.0000000+03:00") == parse_date({"utcTime": "2026-01-15T10:30:00Z"})
    True
    """
    text = date.get("utcTime") if isinstance(date, Mapping) else date.utc_time if isinstance(date, _Moment) else date
    if not isinstance(text, str):
        raise ValueError(f"date is {shown(date)}, not a time")  # noqa: TRY004  (a fault of the row, not of the program)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"date is {shown(text)}, not a time") from None
    at_us = to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not _FIRST_US <= at_us < _LAST_US:
        raise ValueError(f"date is {shown(text)}, not a time between 1970 and 2100")
    return at_us


def to_public(event: Event) -> dict[str, Any]:
    """The event as alertbot gives it out in JSON: absent fields are left out, `date` is as `2026-01-15T10:04:00Z`."""
    public: dict[str, Any] = {"id": event.id, "date": iso(event.at_us)}
    for attribute, name in _PUBLIC_FIELDS:
        value = getattr(event, attribute)
        if value is not None and value != ():
            public[name] = value
    if event.account is None:
        del public["known"]
    if not event.ip_partial:
        del public["ipPartial"]
    if not event.hour_doubtful:
        del public["hourDoubtful"]
    return public


_PUBLIC_FIELDS = tuple(
    (attribute, name)
    for attribute, name in zip(Event.__struct_fields__, Event.__struct_encode_fields__, strict=True)
    if attribute not in ("id", "at_us")
)


def read_events_file(path: Path, portal: str) -> Iterator[Event]:
    """The events of a file in its order: a list, an envelope, or one event a line; the portal's JSON or that of `export`.

    Who and where are there for events of `export` only (`is_enriched`). `portal` names the portal where a row does not.
    Raises `EventsFileError` with the line of the first row that cannot be understood.
    """
    for line, raw in json_rows(path):
        try:
            yield parse_row(raw, portal)
        except ValueError as exc:
            raise EventsFileError(f"{path}:{line}: {exc}") from None


def json_rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """The objects of a JSON file with their lines: of a list, an envelope, or one a line. `-` is the standard input."""
    try:
        with _opened(path) as file:
            first = file.readline().removeprefix(b"\xef\xbb\xbf")
            if first.strip() and not _is_row(first):
                yield from _rows_of(path, first + file.read())
                return
            if first.strip():
                yield 1, first
            for line, text in enumerate(file, 2):
                if text.strip():
                    yield line, text
    except (OSError, EOFError, zlib.error) as exc:
        raise EventsFileError(f"{path}: cannot be read: {getattr(exc, 'strerror', None) or exc}.") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to read; `-` is the standard input, and one that gzip has written is unpacked."""
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        packed = path.suffix == ".gz"
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file


def _is_row(line: bytes) -> bool:
    """Whether a line is one object by itself, and no envelope."""
    try:
        value = load(line)
    except ValueError:
        return False
    return isinstance(value, dict) and not isinstance(value.get("response"), list)


def _rows_of(path: Path, text: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of one JSON text, with their lines."""
    try:
        raws = _RAW_ROWS.decode(text) if text.lstrip()[:1] == b"[" else _raws_of_object(text)
    except (ValueError, RecursionError):
        raws = [msgspec.Raw(json.dumps(row).encode()) for row in _loose_list(path, text)]
    line, counted, position = 1, 0, 0
    for raw in map(bytes, raws):
        found = text.find(raw, position)
        if found >= 0:
            line += text.count(b"\n", counted, found)
            counted, position = found, found + len(raw)
        yield line, raw


class _RawEnvelope(msgspec.Struct):
    response: list[msgspec.Raw]


def _raws_of_object(text: bytes) -> Sequence[msgspec.Raw]:
    envelope = msgspec.json.decode(text)
    if isinstance(envelope, dict) and "response" in envelope:
        return msgspec.json.decode(text, type=_RawEnvelope).response
    return [msgspec.Raw(text.strip())]


def _loose_list(path: Path, text: bytes) -> list[Any]:
    """The rows of a JSON text that is not quite as it should be; what is no JSON at all is refused with its place."""
    try:
        value = json.loads(text.decode("utf-8", "replace"), strict=False)
    except json.JSONDecodeError as exc:
        raise EventsFileError(f"{path}:{exc.lineno}:{exc.colno}: is no JSON: {exc.msg}.") from None
    except (ValueError, RecursionError):
        raise EventsFileError(f"{path}: is no JSON that can be read.") from None
    if isinstance(value, dict) and isinstance(value.get("response"), list):
        value = value["response"]
    return value if isinstance(value, list) else [value]


def _page(rows: Sequence[Any], portal: str, feed: Feed, *, clean: bool) -> Page:
    events: list[Event] = []
    complaints: list[Complaint] = []
    for row in rows:
        try:
            events.append(_event(row if isinstance(row, _Row) else _loose_row(row), portal, feed, clean=clean))
        except ValueError as exc:
            complaints.append(Complaint(_id_or_none(row), str(exc)))
    return Page(tuple(events), tuple(complaints), len(rows))


def _event(row: _Row, portal: str, feed: Feed, *, clean: bool) -> Event:
    """A typed row as an event, with what its action means."""
    if not 0 <= row.id <= _LARGEST_ID:
        raise ValueError(f"id is {shown(row.id)}, not a whole number that the portal could give")
    action = _action(row.action_id, feed)
    event = Event(
        portal=portal,
        id=row.id,
        at_us=parse_date(row.date),
        action_id=action.id,
        feed=feed,
        user=row.user,
        user_id=row.user_id,
        login=row.login,
        action=row.action,
        ip=row.ip if row.ip is not None else row.ip_of_old,
        country=row.country,
        city=row.city,
        browser=row.browser,
        platform=row.platform,
        page=row.page,
        event=action.event,
        outcome=action.outcome,
        method=action.method,
        reason=action.reason,
    )
    if feed == "audit":
        event = msgspec.structs.replace(event, **{name: as_words(getattr(row, name)) for name in _AUDIT})
    return _cleaned(event) if clean else event


def _likely_feed(row: _Row) -> Feed:
    if any(getattr(row, name) is not None for name in _AUDIT):
        return "audit"
    action = action_named(row.action_id) if isinstance(row.action_id, str) else action_of(row.action_id)
    return "audit" if action is not None and action.id in AUDIT_ACTIONS else "login"


def _exported(event: Event, row: _Row, *, clean: bool) -> Event:
    """The event with who and where, as `export` wrote them."""
    given = {name: value for name in (*_ENRICHMENT, "hour_doubtful") if (value := getattr(row, name)) is not None}
    if not given:
        return event
    if "groups" in given:
        given["groups"] = tuple(given["groups"])
    event = msgspec.structs.replace(event, **given)
    return _cleaned(event) if clean else event


def _action(given: int | str, feed: Feed) -> Action:
    """What an action means in a feed; the portal gives its number, some clients its name."""
    if isinstance(given, str):
        named = action_named(given)
        if named is not None:
            return _in_feed(named, feed)
        given = given.strip()
        if not given.isdecimal():
            return Action(UNKNOWN_ACTION, storable(given) or None)
        given = int(given[:20])
    if abs(given) > _LARGEST_ACTION:
        raise ValueError(f"actionId is {shown(given)}, not a number that the portal could give")
    return _in_feed(action_of(given), feed)


def _in_feed(action: Action, feed: Feed) -> Action:
    """The action, if it is one of the feed's; another's number means nothing there."""
    return action if action.id in (ACTIONS if feed == "login" else AUDIT_ACTIONS) else Action(action.id)


def _cleaned(event: Event) -> Event:
    """The event without the characters that cannot be stored."""
    texts = {name: value for name in _TEXT if isinstance(value := getattr(event, name), str)}
    changed: dict[str, Any] = {name: clean for name, value in texts.items() if (clean := storable(value)) != value}
    changed |= {"groups": tuple(storable(group) for group in event.groups)} if event.groups else {}
    return msgspec.structs.replace(event, **changed) if changed else event


def _loose_row(raw: object) -> _Row:
    """A row whose values may have any type: numbers and objects where text should be become text."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"a row is {shown(raw)}, not an object")  # noqa: TRY004  (a fault of the row, not of the program)
    for name in ("id", "date", "actionId"):
        if raw.get(name) is None:
            raise ValueError(f"a row has no {name}")
    fields: dict[str, Any] = {name: as_text(raw.get(_PUBLIC_NAMES[name])) for name in _TEXT}
    fields |= {name: flag if isinstance(flag := raw.get(_PUBLIC_NAMES[name]), bool) else None for name in _FLAGS}
    return _Row(
        id=as_whole(raw["id"], "id"),
        date=raw["date"],
        action_id=raw["actionId"] if isinstance(raw["actionId"], str) else as_whole(raw["actionId"], "actionId"),
        ip_of_old=as_text(raw.get("iP")),
        feed=feed if (feed := raw.get("feed")) in ("login", "audit") else None,
        groups=[text for group in groups if (text := as_text(group))]
        if isinstance(groups := raw.get("groups"), list)
        else None,
        geo=as_pair(raw.get("geo")),
        **fields,
    )


def _id_or_none(row: object) -> int | None:
    given = row.id if isinstance(row, _Row) else row.get("id") if isinstance(row, Mapping) else None
    try:
        return as_whole(given, "id")
    except ValueError:
        return None
