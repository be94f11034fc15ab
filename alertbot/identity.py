"""Station 3, who: an event's user id or typed login → the account, and what the directory knows of the person.

A success carries a user id. A failure carries the guest id, the same for everybody, and what was typed: an e-mail in any letter
case, a display name, or anything at all. Only the directory brings the two together. Pure; the directory is an argument. In the
audit trail who acted has a user id; what somebody does without logging in carries the guest id there and is nobody's.

Who is not in it keeps a key of their own: a failure what was typed; a success too if it carries a login, else the user id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from alertbot.event import GUEST_ID, Event
from alertbot.places import locate
from alertbot.portal.people import Person

TYPED = "login:"
"""Stands before a typed login that is somebody's user id: whoever types it must not pass for that person."""

_NOBODY: Mapping[str, object] = MappingProxyType(
    {"known": False, "name": None, "email": None, "role": None, "groups": (), "status": None, "tfa": None}
)


class Directory:
    """Everybody in the portal, found by user id, by e-mail in any letter case, and by display name where only one bears it."""

    __slots__ = ("by_email", "by_id", "by_unique_name")

    def __init__(self, people: Iterable[Person] = ()) -> None:
        by_id = {_folded(person.id): person for person in people}
        by_id.pop(_folded(GUEST_ID), None)
        everybody = tuple(by_id.values())
        # an e-mail that several people have had is that of the active one
        by_email = {
            _folded(person.email): person for person in sorted(everybody, key=_precedence, reverse=True) if person.email
        }
        bearers = Counter(_folded(person.name) for person in everybody if person.name)
        by_name = {_folded(person.name): person for person in everybody if person.name and bearers[_folded(person.name)] == 1}
        self.by_id: Mapping[str, Person] = MappingProxyType(by_id)
        self.by_email: Mapping[str, Person] = MappingProxyType(by_email)
        self.by_unique_name: Mapping[str, Person] = MappingProxyType(by_name)

    def __len__(self) -> int:
        return len(self.by_id)

    def people(self) -> tuple[Person, ...]:
        """Everybody."""
        return tuple(self.by_id.values())

    def person(self, user_id: str | None) -> Person | None:
        """The person of a user id; the guest id is nobody's."""
        return self.by_id.get(_folded(user_id)) if user_id else None

    def find(self, typed: str | None) -> Person | None:
        """The person whose e-mail, or else whose unique display name, somebody typed."""
        key = _folded(typed) if typed else ""
        return (self.by_email.get(key) or self.by_unique_name.get(key)) if key else None


def identify(event: Event, directory: Directory) -> Event:
    """The event with its account and what the directory knows of it; whatever it carried there before is worked out anew.

    >>> anna = Person(id="66fa", email="anna@example.com")
    >>> failure = Event(portal="p", id=1, at_us=0, action_id=1002, user_id=GUEST_ID, login="ANNA@example.com")
    >>> identify(failure, Directory([anna])).account
    '66fa'
    """
    person = _person(event, directory)
    if person is None:
        user_id = _own_id(event)
        account = _stranger(event.login if user_id else _typed(event), directory) or user_id
        return msgspec.structs.replace(event, account=account, **_NOBODY)
    return msgspec.structs.replace(
        event,
        account=person.id,
        known=True,
        name=person.name,
        email=person.email,
        role=person.role,
        groups=person.groups,
        status=person.status,
        tfa=person.tfa,
    )


def enrich(event: Event, directory: Directory) -> Event:
    """Who and where."""
    return locate(identify(event, directory))


def needs_lookup(events: Iterable[Event], directory: Directory) -> frozenset[str]:
    """The user ids of successes, and of who acted in the audit trail, that the directory does not know yet."""
    acted = (_own_id(event) for event in events if event.outcome == "success" or event.feed == "audit")
    return frozenset(user_id for user_id in acted if user_id and directory.person(user_id) is None)


def learn_people(events: Iterable[Event]) -> list[Person]:
    """The people that successes tell of: user id, display name, and e-mail where one was typed; the latest word counts."""
    people: dict[str, Person] = {}
    for event in sorted((event for event in events if event.outcome == "success"), key=lambda event: event.order):
        if user_id := _own_id(event):
            before = people.get(_folded(user_id)) or Person(id=user_id)
            email = event.login.strip() if event.login and "@" in event.login else before.email
            people[_folded(user_id)] = msgspec.structs.replace(before, name=event.user or before.name, email=email)
    return list(people.values())


def account_of(typed: str, directory: Directory) -> str | None:
    """The key of who typed this: the person's, else the text itself, trimmed and in lower case; absent if it is blank."""
    person = directory.find(typed)
    return person.id if person is not None else _stranger(typed, directory)


def _person(event: Event, directory: Directory) -> Person | None:
    """Who it was. A user id of its own that is known decides; a display name proves nothing where there is such an id."""
    user_id = _own_id(event)
    if user_id is None:
        return directory.find(_typed(event))
    found = directory.person(user_id)
    if found is None and event.login:
        found = directory.by_email.get(_folded(event.login))
    return found


def _stranger(typed: str | None, directory: Directory) -> str | None:
    """The key of a typed login that is nobody's."""
    plain = (typed or "").strip().lower()
    return TYPED + plain if directory.person(plain) is not None else plain or None


def _own_id(event: Event) -> str | None:
    """The user id, unless it is the guests' shared one."""
    user_id = (event.user_id or "").strip()
    return user_id if user_id and user_id.lower() != GUEST_ID else None


def _typed(event: Event) -> str | None:
    """What was typed: `login`, else `user`, which repeats it; in the audit trail `user` is the word for a guest."""
    return event.login if event.feed == "audit" or (event.login and event.login.strip()) else event.user


def _precedence(person: Person) -> tuple[bool, str]:
    return person.status == "terminated", person.id


def _folded(text: str | None) -> str:
    """Text for comparing: letter case and space at the ends count for nothing, space inside as one blank."""
    return " ".join((text or "").split()).casefold()
