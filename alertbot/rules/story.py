"""The events of an inline test: from the short form in a rule file to events as the store holds them.

In come the `events` and `people` of a test; out come events with who and where, and the directory of its people. `who: EMAIL`
is a person of the portal, known by that e-mail whether a login succeeds or fails. What an event does not say follows from what
it says: number, name, method and reason of the action from its outcome, country code and network from country and address.
What it does say stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from alertbot.event import ATTRIBUTES, GUEST_ID, Event
from alertbot.moments import parse_duration, span_us, to_us
from alertbot.rules.fields import closest, kind_of, show
from alertbot.rules.model import InlineTest

if TYPE_CHECKING:
    from alertbot.actions import Action
    from alertbot.identity import Directory
    from alertbot.portal.people import Person

Way = tuple[str | int, ...]
Wrong = tuple[Way, str, bool]
"""The way to a value in a test, what is wrong with it, and whether it is the key that is wrong."""

PORTAL = "test"
MAX_EVENTS = 100_000

_EVENT_KEYS = frozenset({*ATTRIBUTES, "at", "times", "every", "who"} - {"date", "portal"})
_ALERT_KEYS = frozenset({*ATTRIBUTES, "at", "first", "last", "count"} - {"date"})
_PERSON_KEYS = frozenset({"email", "id", "name", "role", "groups", "status", "tfa"})
_MOMENTS = ("at", "first", "last")
_END_US = to_us(datetime(2100, 1, 1, tzinfo=UTC))


def check_test(test: InlineTest) -> Iterator[Wrong]:
    """What is wrong with the events, alerts and people of a test."""
    total = 0
    for number, given in enumerate(test.events):
        way: Way = ("events", number)
        yield from _wrong_keys(way, given, _EVENT_KEYS)
        yield from _wrong_values(way, given)
        if "at" not in given:
            yield way, "needs `at`, like 2026-01-15 10:00", False
        if "times" in given and "every" not in given:
            yield (*way, "times"), "needs `every` beside it, like `every: 1m`", True
        times = given.get("times", 1)
        total += times if isinstance(times, int) else 1
        if "id" in given and times != 1:
            yield (*way, "id"), "is that of one event, and `times` makes several; leave it out", True
        if _ends_too_late(given):
            yield (*way, "every"), "makes the last of the events later than the year 2099", False
    if total > MAX_EVENTS:
        yield ("events",), f"makes more than {MAX_EVENTS} events", True
    for number, given in enumerate(test.alerts):
        yield from _wrong_keys(("alerts", number), given, _ALERT_KEYS)
        yield from _wrong_values(("alerts", number), given)
    for number, given in enumerate(test.people):
        yield from _wrong_keys(("people", number), given, _PERSON_KEYS)
        yield from _wrong_values(("people", number), {key: value for key, value in given.items() if key != "id"})
        if not isinstance(given.get("email"), str):
            yield ("people", number), "needs an `email`", False


def _ends_too_late(given: Mapping[str, Any]) -> bool:
    """Whether the last event is after all times that a test may name; not where its times cannot be read."""
    try:
        start_us = moment_us(given.get("at"), UTC)
        times, every = _read("times", given.get("times", 1)), _read("every", given.get("every", "0s"))
    except ValueError:
        return False
    return bool(start_us + (times - 1) * span_us(every) >= _END_US)


def _wrong_keys(way: Way, given: Mapping[str, Any], known: frozenset[str]) -> Iterator[Wrong]:
    for key in given:
        if key not in known:
            meant = closest(key, known)
            yield (*way, key), "unknown key" + (f"; did you mean `{meant}`?" if meant else ""), True


def _wrong_values(way: Way, given: Mapping[str, Any]) -> Iterator[Wrong]:
    for key, value in given.items():
        try:
            _read(key, value)
        except ValueError as exc:
            yield (*way, key), str(exc), False


def _read(key: str, value: Any) -> Any:
    """The value of a key of an event, an alert or a person, in its type. Raises ValueError with a sentence."""
    if key in _MOMENTS:
        return moment_us(value, UTC)
    if key in ("times", "count"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError("must be a whole number of at least 1")
        return value
    if key == "every":
        if not isinstance(value, str):
            raise ValueError("must be a span, like 90s, 10m or 1h")
        return parse_duration(value)
    return value if value is None else _typed(key, value)


def _typed(field: str, value: Any) -> Any:
    kind = kind_of(field)
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "several" and isinstance(value, (str, list)):
        return tuple(show(one) for one in ([value] if isinstance(value, str) else value))
    if kind == "place" and isinstance(value, list) and len(value) == 2:
        return (float(value[0]), float(value[1]))
    if kind == "text" and isinstance(value, (str, int, float)):
        return show(value)
    needs = {"number": "a whole number", "bool": "true or false", "several": "a list", "place": "[latitude, longitude]"}
    raise ValueError(f"must be {needs.get(kind, 'a text')}")


def moment_us(text: object, zone: ZoneInfo | Any) -> int:
    """A time as a test writes it (`2026-01-15 10:00`, seconds and offset if need be), in microseconds since 1970."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or not 1970 <= moment.year < 2100:
        raise ValueError("must be a time, like 2026-01-15 10:00 or 2026-01-15T10:00:00Z")
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=zone))


@dataclass(frozen=True, slots=True)
class Story:
    """The events of a test in the order of the file, and the people of its portal."""

    events: tuple[Event, ...]
    directory: Directory


def play(test: InlineTest, zone: ZoneInfo | Any) -> Story:
    """The events that a test stands for; its times without offset are in `zone`."""
    from alertbot.identity import Directory

    people = _people(test)
    directory = Directory(people.values())
    events: list[Event] = []
    for given in test.events:
        start = moment_us(given["at"], zone)
        every = parse_duration(given["every"]) if "every" in given else timedelta(0)
        for number in range(given.get("times", 1)):
            at_us = start + number * span_us(every)
            events.append(_event(given, at_us, len(events) + 1, directory, people))
    return Story(tuple(events), directory)


def _people(test: InlineTest) -> dict[str, Person]:
    """The people of a test by e-mail in lower case: those it names, and everyone who logs in in its events."""
    from alertbot.portal.people import Person

    people: dict[str, Person] = {}
    for given in test.people:
        typed = {key: _typed(key, value) for key, value in given.items() if key != "id" and value is not None}
        email = given["email"].strip()
        people[email.lower()] = Person(**{"id": show(given.get("id", _id_of(email))), "name": email, **typed})
    for given in test.events:
        email = str(given.get("who") or _logged_in(given) or "").strip()
        if email:
            people.setdefault(email.lower(), Person(id=_id_of(email), email=email, name=email))
    return people


def _id_of(email: str) -> str:
    return f"id of {email.lower()}"


def _logged_in(given: Mapping[str, Any]) -> str | None:
    """Who logs in by an event that names only what was typed: a success has a person behind it."""
    typed = given.get("login")
    own = given.keys() & {"userId", "account", "user"}
    return str(typed) if typed and not own and _action(given).outcome == "success" else None


def _event(given: Mapping[str, Any], at_us: int, number: int, directory: Directory, people: Mapping[str, Person]) -> Event:
    import msgspec

    from alertbot.actions import AUDIT_ACTIONS
    from alertbot.identity import enrich

    said = {ATTRIBUTES[key]: _said(key, value) for key, value in given.items() if key in ATTRIBUTES}
    email = str(given.get("who") or _logged_in(given) or "").strip().lower()
    action = _action(given)
    raw = {
        "action_id": action.id,
        "feed": "audit" if action.id in AUDIT_ACTIONS else "login",
        "event": action.event,
        "outcome": action.outcome,
        "method": action.method,
        "reason": action.reason,
        **_as_the_portal_says(people.get(email), action, given),
        **said,
    }
    raw = {attribute: value for attribute, value in raw.items() if attribute not in ("id", "account", "known")}
    event = enrich(Event(portal=PORTAL, id=number, at_us=at_us, **raw), directory)
    person = people.get(str(said.get("account") or "").strip().lower())
    if person is not None:
        said = {"known": True, **said, "account": person.id}
    return msgspec.structs.replace(event, **said)


def _said(key: str, value: Any) -> Any:
    """What an event says of a field; null says that it is absent."""
    if value is None:
        return {"several": (), "bool": None if key == "tfa" else False}.get(kind_of(key))
    return _typed(key, value)


def _as_the_portal_says(person: Person | None, action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """How the portal writes who it was: a success by its user id, a failure by what was typed, under the guest's id."""
    if action.outcome == "failure":
        typed = given.get("login") or (person.email if person else None)
        return {"user_id": GUEST_ID, "login": typed, "user": typed}
    return {"user_id": person.id, "user": person.name} if person else {}


def _action(given: Mapping[str, Any]) -> Action:
    """The action that fits what an event says best; a login event that says nothing of it is a success."""
    from alertbot.actions import ACTIONS, UNKNOWN_ACTION, Action, action_named, action_of

    if isinstance(given.get("actionId"), int):
        return action_of(given["actionId"])
    if given.get("event"):
        return action_named(str(given["event"])) or Action(UNKNOWN_ACTION, str(given["event"]))
    if given.get("feed") == "audit":
        return Action(UNKNOWN_ACTION)
    says = {key: str(given[key]).lower() for key in ("outcome", "method", "reason") if given.get(key) is not None}
    usual = {"outcome": "failure"} if "reason" in says else {"outcome": "success"}
    wanted = {**usual, **says}
    fitting = [action for action in ACTIONS.values() if all(getattr(action, key) == text for key, text in wanted.items())]
    preferred: Sequence[int] = (1029, 1002, 1006)
    return min(fitting, key=lambda action: (action.id not in preferred, action.id), default=Action(UNKNOWN_ACTION))
