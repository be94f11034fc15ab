"""A company of several hundred people for weeks, to judge the rules that ship by: what is ordinary, and what is done to it.

The demo's office writes the rows; here are more people, with what life brings in numbers: addresses at home that change every
week, phones behind their carrier's, browsers that renew themselves, journeys, guests, mistakes. The same seed gives the same
life.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from alertbot.actions import action_of
from alertbot.event import Event
from alertbot.identity import Directory, enrich
from alertbot.moments import to_us
from alertbot.portal.people import Person
from alertbot.sandbox import office
from alertbot.sandbox.cast import BERLIN, Colleague, Device, Spot
from alertbot.sandbox.office import Draft
from alertbot.sandbox.wording import Action

DAY = timedelta(days=1)
OFFICE = Spot("203.0.113.10", "Germany", "Berlin")
VPN = Spot("192.0.2.40", "Netherlands", "Amsterdam")
_CARRIERS = ("Berlin", "Frankfurt am Main", "Munich")
_ABROAD = (("Denmark", "Copenhagen"), ("France", "Paris"), ("Italy", "Milan"), ("Japan", "Tokyo"), ("Poland", "Warsaw"))
_DESKS = (
    ("Chrome", "Windows 11"),
    ("Edge", "Windows 11"),
    ("Firefox", "Linux"),
    ("Safari", "macOS 15"),
    ("Chrome", "Windows 10"),
)
_PHONES = (("Mobile Safari", "iOS 19"), ("Chrome Mobile", "Android 16"))
_HABITS = {"tfa": 0.2, "sso": 0.15, "owl": 0.06, "part": 0.15, "home": 0.15, "hybrid": 0.35, "phone": 0.4, "vpn": 0.12}


@dataclass(frozen=True, slots=True)
class Employee:
    """One person; `since` is their first day, `trips` are first day, last day, where."""

    number: int
    name: str
    role: str
    since: date
    habits: frozenset[str]
    trips: tuple[tuple[date, date, Spot], ...] = field(default=())

    @property
    def id(self) -> str:
        """As the portal names them."""
        return f"{self.number:08}-0000-4000-8000-000000000000"

    @property
    def email(self) -> str:
        """As they type it."""
        return f"{self.name.lower().replace(' ', '.')}@acme.example"

    def person(self) -> Person:
        """As the directory has them."""
        return Person(id=self.id, email=self.email, name=self.name, role=self.role, status="active", tfa="tfa" in self.habits)

    def with_(self, day: date, *, phone: bool = False) -> Device:
        """What they log in with: the browser has a new number every four weeks, on a day of their own."""
        browser, platform = (_PHONES if phone else _DESKS)[self.number % (2 if phone else 5)]
        return Device(f"{browser} {(day.toordinal() - self.number % 6) // 28 % 100}", platform)

    def at_home(self, day: date) -> Spot:
        """Their line at home, which gets a new address every week."""
        return Spot(f"100.{64 + self.number // 250}.{self.number % 250}.{day.isocalendar().week}", "Germany", "Berlin")

    def enters(self, at: datetime, spot: Spot, device: Device) -> Draft:
        """A login of theirs."""
        return office.success(self._colleague(spot, device), at, spot, device)

    def _colleague(self, spot: Spot, device: Device) -> Colleague:
        return Colleague(self.id, self.name, self.email, self.role, "", BERLIN, spot, device, device, self.habits)


def staff(count: int, begin: date, weeks: int, *, seed: str = "staff", first: int = 0) -> list[Employee]:
    """So many people who are there since `begin`."""
    people = []
    for number in range(first, first + count):
        chance = random.Random(f"{seed}/{number}")
        role = {0: "owner", 1: "admin", 2: "room_admin", 3: "guest"}.get(number % (10 if number % 10 == 3 else 50), "user")
        habits = {habit for habit, share in _HABITS.items() if chance.random() < share}
        habits |= {"rare", "home"} if role == "guest" else set()
        trips, day = [], begin
        while chance.random() < 0.4 and role != "guest":
            day += timedelta(days=3 + chance.randrange(7 * weeks))
            country, city = chance.choice(_ABROAD)
            where = Spot(f"198.18.{number % 250}.{chance.randrange(250)}", country, city)
            trips.append((day, day + timedelta(days=chance.randint(1, 6)), where))
        people.append(Employee(number, f"Person {number}", role, begin, frozenset(habits), tuple(trips)))
    return people


def life(people: Iterable[Employee], end: date, *, seed: int = 1) -> Iterator[Draft]:
    """What these people do up to a day, when nothing is wrong."""
    for who in people:
        for number in range((end - who.since).days):
            day = who.since + number * DAY
            chance = random.Random(f"{seed}/{who.number}/{day}")
            for hour, phone in _logins(who, day, chance):
                at = datetime.combine(day, time(), BERLIN).astimezone(UTC) + timedelta(seconds=int(hour * 3600))
                yield from _login(who, at, _spot(who, day, chance, phone=phone), who.with_(day, phone=phone), chance)


def _logins(who: Employee, day: date, chance: random.Random) -> Iterator[tuple[float, bool]]:
    """The hours of a person's day at which they log in, and whether by phone."""
    days = (0, 1, 3) if "part" in who.habits else (0, 1, 2, 3, 4)
    share = 0.06 if "rare" in who.habits else 0.93 if day.weekday() in days else 0.0 if who.role in ("owner", "admin") else 0.03
    if chance.random() >= share:
        return
    begins = max(7.1, chance.gauss(10.5 if "owl" in who.habits else 8.6, 0.5))
    for number in range(chance.choice((1, 1, 2, 2, 3))):
        yield begins + (chance.uniform(0.5, 8) if number else 0), False
    if "phone" in who.habits and chance.random() < 0.35:
        yield chance.uniform(12, 19), True


def _spot(who: Employee, day: date, chance: random.Random, *, phone: bool) -> Spot:
    for since, until, where in who.trips:
        if since <= day <= until:
            return where
    if phone:
        return Spot(f"198.19.{chance.randrange(250)}.{chance.randrange(250)}", "Germany", chance.choice(_CARRIERS))
    if "vpn" in who.habits and chance.random() < 0.3:
        return VPN
    return who.at_home(day) if "home" in who.habits or ("hybrid" in who.habits and day.weekday() in (0, 4)) else OFFICE


def _login(who: Employee, at: datetime, spot: Spot, device: Device, chance: random.Random) -> Iterator[Draft]:
    """A login with the mistakes before it."""
    before = at
    if "tfa" in who.habits and chance.random() < 0.06:
        before -= timedelta(seconds=chance.randint(8, 25))
        yield office.failure(who.name, before, spot, device, Action.FAIL_TFA)
    for _ in range(chance.choices((0, 1, 2, 3, 4, 6), (88, 7, 3, 1, 0.8, 0.2))[0] if "sso" not in who.habits else 0):
        before -= timedelta(seconds=chance.randint(6, 40))
        yield office.failure(chance.choice((who.email, who.email.title(), f"{who.email} ")), before, spot, device)
    yield who.enters(at, spot, device)


def events(drafts: Iterable[Draft], people: Sequence[Employee]) -> list[Event]:
    """What alertbot would have stored of it, in order."""
    directory = Directory([who.person() for who in people])
    return [
        enrich(_event(number, draft), directory) for number, draft in enumerate(sorted(drafts, key=lambda draft: draft.at), 1)
    ]


def _event(number: int, draft: Draft) -> Event:
    action = action_of(int(draft.action))
    return Event(
        portal="main",
        id=number,
        at_us=to_us(draft.at) // 1_000_000 * 1_000_000,
        action_id=action.id,
        feed="login",
        user_id=draft.user_id,
        event=action.event,
        outcome=action.outcome,
        method=action.method,
        reason=action.reason,
        **draft.fields,
    )
