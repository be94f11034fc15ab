"""A month of logins of a large portal, the same at every run.

In come numbers, out come the bodies of events as the store holds them, in order: enriched, encoded. Ordinary life makes most of
them (office hours, mistyped passwords, offices behind one address, journeys, new phones), attacks the rest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import msgspec

from alertbot.actions import ACTIONS
from alertbot.event import GUEST_ID, Event
from alertbot.identity import Directory, enrich
from alertbot.portal.people import Person

PORTAL = "bench"
START_US = 1_767_222_000_000_000
"""2025-12-31T23:00:00Z."""
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US

_HOMES = (("Germany", "Berlin"), ("Germany", "Munich"), ("France", "Paris"), ("Poland", "Warsaw"), ("Spain", "Madrid"))
_ABROAD = (("United States", "Chicago"), ("Japan", "Tokyo"), ("Brazil", "Recife"), ("India", "Pune"), ("Kenya", "Nairobi"))
_ATTACKERS = (("Russia", "Moscow"), ("China", "Shanghai"), ("Netherlands", "Amsterdam"), ("Iran", "Tehran"))
_DEVICES = tuple(
    (browser, platform)
    for browser in ("Chrome 143.0", "Firefox 146.0", "Edge 143.0", "Safari 26.1")
    for platform in ("Windows 11", "Mac OS 15", "Android 16", "iOS 26")
)
_HOUR_WEIGHTS = (0.1, 0.05, 0.05, 0.05, 0.1, 0.4, 1.5, 6, 14, 12, 10, 8, 6, 9, 10, 9, 8, 6, 3, 2, 1.5, 1, 0.6, 0.3)

_ENTERED, _WRONG_PASSWORD = ACTIONS[1029], ACTIONS[1002]


@dataclass(frozen=True, slots=True)
class Try:
    """One login before it is spelled out; `who` is a person's number, or what somebody typed."""

    at_us: int
    who: int | str
    entered: bool
    ip: str
    place: tuple[str, str]
    device: tuple[str, str]


def bodies(events: int = 1_000_000, people: int = 10_000, days: int = 30, *, seed: int = 1) -> list[bytes]:
    """Events as the store holds them, in order."""
    encode = msgspec.json.Encoder().encode
    return [encode(event) for event in logins(events, people, days, seed=seed)]


def logins(events: int = 1_000_000, people: int = 10_000, days: int = 30, *, seed: int = 1) -> Iterator[Event]:
    """The events themselves."""
    tries = _tries(events, people, days, random.Random(seed))  # a seeded stream, nothing secret
    directory = Directory(_person(number) for number in range(people))

    @lru_cache(maxsize=200_000)
    def of_its_kind(who: int | str, entered: bool, ip: str, place: tuple[str, str], device: tuple[str, str]) -> Event:
        return enrich(_spelled(who, entered, ip, place, device), directory)

    for number, one in enumerate(tries):
        pattern = of_its_kind(one.who, one.entered, one.ip, one.place, one.device)
        yield msgspec.structs.replace(pattern, id=1_000_000 + number, at_us=one.at_us)


def made_up(events: int, keys: int, days: int = 30) -> Iterator[Event]:
    """Failures with logins that nobody has, evenly in time: every key comes again after all the others have come."""
    directory = Directory()
    pattern = enrich(_spelled("nobody", False, "203.0.113.7", _ATTACKERS[0], _DEVICES[0]), directory)
    apart_us = days * _DAY_US // events
    for number in range(events):
        # A stride that has no divisor in common with the number of keys scatters them, as accounts come in life.
        who = f"made-up-{number * 7_919 % keys:07d}@example.com"
        at_us = START_US + number * apart_us
        yield msgspec.structs.replace(pattern, id=1_000_000 + number, at_us=at_us, login=who, user=who, account=who)


def _tries(events: int, people: int, days: int, rng: random.Random) -> list[Try]:
    attacks = list(islice(_attacks(people, days, rng), events * 5 // 100))
    ordinary = list(islice(_ordinary(people, days, rng), events - len(attacks)))
    return sorted(attacks + ordinary, key=lambda one: one.at_us)


def _ordinary(people: int, days: int, rng: random.Random) -> Iterator[Try]:
    """People go to work: a wrong password now and then, a journey, a new phone, a colleague's machine."""
    journeys = {who: (rng.randrange(days), rng.randint(2, 6)) for who in rng.sample(range(people), people // 30)}
    hours = range(24)
    while True:
        (hour,) = rng.choices(hours, _HOUR_WEIGHTS)
        day = rng.randrange(days)
        at_us = START_US + day * _DAY_US + hour * 3_600 * _SECOND_US + rng.randrange(3_600 * _SECOND_US)
        who = int(people * rng.random() ** 1.3)
        left = journeys.get(who)
        if left is not None and 0 <= day - left[0] < left[1]:
            ip, place = f"198.18.{who % 250}.{who // 250 % 250}", _ABROAD[who % len(_ABROAD)]
        else:
            ip, place = _home_address(who, rng), _HOMES[who % len(_HOMES)]
        device = _DEVICES[who % 16] if rng.random() < 0.7 else _DEVICES[(who * 7 + 5) % 16]
        if rng.random() < 0.0005:
            device = rng.choice(_DEVICES)
        chance = rng.random()
        wrong = 1 if chance < 0.08 else 2 if chance < 0.1 else 0
        for number in range(wrong):
            yield Try(at_us - (wrong - number) * 9 * _SECOND_US, who, False, ip, place, device)
        yield Try(at_us, who, True, ip, place, device)


def _home_address(who: int, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.6:
        return f"192.0.2.{who % 40}"  # an office: 250 people behind one address
    if chance < 0.95:
        return f"10.{who // 250}.{who % 250}.1"
    return f"100.64.{who % 250}.{rng.randrange(8)}"


def _attacks(people: int, days: int, rng: random.Random) -> Iterator[Try]:
    """Guessing against one account, some of it with luck; one address against many accounts; scattered noise."""
    span_us = days * _DAY_US - 3_600 * _SECOND_US
    device = _DEVICES[1]
    while True:
        at_us = START_US + rng.randrange(span_us)
        ip, place = f"203.0.{rng.randrange(256)}.{rng.randrange(256)}", rng.choice(_ATTACKERS)
        chance = rng.random()
        if chance < 0.25:
            who = rng.randrange(people)
            for number in range(25):
                yield Try(at_us + number * 11 * _SECOND_US, who, False, ip, place, device)
            if rng.random() < 0.2:
                yield Try(at_us + 290 * _SECOND_US, who, True, ip, place, device)
        elif chance < 0.45:
            for number, who in enumerate(rng.sample(range(people), 40)):
                yield Try(at_us + number * 7 * _SECOND_US, who, False, ip, place, device)
        elif chance < 0.5:
            who = rng.randrange(people)
            for number in range(8):
                yield Try(at_us + number * 240 * _SECOND_US, who, True, f"100.127.{who % 250}.{number}", place, device)
        else:
            for number in range(10):
                typed = f"admin{rng.randrange(100_000)}@example.com"
                yield Try(at_us + number * 300 * _SECOND_US, typed, False, ip, place, device)


def _spelled(who: int | str, entered: bool, ip: str, place: tuple[str, str], device: tuple[str, str]) -> Event:
    action = _ENTERED if entered else _WRONG_PASSWORD
    person = _person(who) if isinstance(who, int) else None
    typed = person.email if person is not None else str(who)
    return Event(
        portal=PORTAL,
        id=0,
        at_us=0,
        action_id=action.id,
        user=person.name if entered and person is not None else typed,
        user_id=person.id if entered and person is not None else GUEST_ID,
        login=typed,
        action="Login Success" if entered else "Login Fail. Invalid login or password",
        ip=ip,
        country=place[0],
        city=place[1],
        browser=device[0],
        platform=device[1],
        page="https://portal.example.com/login",
        event=action.event,
        outcome=action.outcome,
        method=action.method,
        reason=action.reason,
    )


@lru_cache(maxsize=100_000)
def _person(number: int) -> Person:
    return Person(
        id=f"{number:08x}-1d6f-4c0e-9a52-{number * 2_654_435_761 % (1 << 48):012x}",
        email=f"person.{number}@example.com",
        name=f"Person Number {number}",
        role="admin" if number % 500 == 0 else "room_admin" if number % 20 == 0 else "user",
        groups=(f"Department {number % 25}",),
        status="active",
        tfa=False,
    )
