"""What goes wrong in the story: attacks as scenes, each with what must be noticed.

In come the colleagues and the moment at which the scenes begin; out go drafts marked with their scene, and the ground
truth: who was attacked from where, and which families of rules have to catch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alertbot.sandbox.cast import BERLIN, DOMAIN, Colleague, Device, Spot
from alertbot.sandbox.office import Draft, export, failure, success
from alertbot.sandbox.wording import Action


class Family(StrEnum):
    """Kinds of rules, by what they catch."""

    ACCOUNT_GUESSING = "account_guessing"
    ADDRESS_FAILURES = "address_failures"
    SPRAY = "spray"
    FAILURES_THEN_SUCCESS = "failures_then_success"
    LOGIN_BURST = "login_burst"
    ADMIN_OFF_HOURS = "admin_off_hours"
    ADMIN_NEW_ADDRESS = "admin_new_address"
    NEW_COUNTRY = "new_country"
    DISABLED_PROFILE = "disabled_profile"
    BRUTE_FORCE_LOCK = "brute_force_lock"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Attack:
    """One scene: each of `families` has to catch it, `also` may. `events` are the ids of its rows."""

    name: str
    families: tuple[Family, ...]
    account: str | None
    ip: str
    live: bool
    events: tuple[int, ...] = ()
    also: tuple[Family, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """An attack with the rows that play it."""

    attack: Attack
    drafts: tuple[Draft, ...]


_TOOL = Device("Chrome 109", "Windows 10")
_HANOI = Spot("198.18.210.44", "Vietnam", "Hanoi")
_PANAMA = Spot("198.18.34.9", "Panama", "Panama City")
_RELAY = Spot("198.18.90.200", "Hong Kong", "Hong Kong")
_BOX = Spot("198.18.140.3", "Romania", "Bucharest")
_CAFE = Spot("198.51.100.213", "Germany", "Berlin")
_ROSARIO = Spot("198.18.61.17", "Argentina", "Rosario")

HOSTILE = (
    "<!channel> reset your password at evil.example/login",
    "=cmd|'/C calc'!A0",
    "\u202egro.elpmaxe@nimda",
    "*all clear* `nothing to see` :white_check_mark:",
    "<https://evil.example|Acknowledge>",
    "admin@acme.example\r\nResolved by on-call",
    "&" * 200,
)
"""What the spray types as logins, among ordinary names."""

_MADE_UP = ("accounting", "ceo", "hr", "it-helpdesk", "j.smith", "marketing", "newsletter", "scan")

Clock = Callable[[float], datetime]
"""Seconds after the beginning of the scenes → a moment."""


def scenes(staff: tuple[Colleague, ...], end: datetime) -> Iterator[Scene]:
    """The live attack, about 20 seconds from `end` on, and one that lies twelve days back."""
    who = {person.email.partition("@")[0]: person for person in staff}

    def live(seconds: float) -> datetime:
        return end + timedelta(seconds=seconds)

    def past(seconds: float) -> datetime:
        return end - timedelta(days=12, hours=1) + timedelta(seconds=seconds * 9)

    yield _guessed(who["anna.berg"], live)
    yield _burst(who["oskar.lund"], live)
    yield _night_admin(who["petra.vogel"], live)
    yield _disabled(who["viktor.hahn"], live)
    yield _locked(who["lena.fuchs"], live)
    yield _spray("A spray over many accounts, some of them made up", staff, live, 10.0, _PANAMA, is_live=True)
    yield _no_login(live)
    yield _far_away(who["jonas.keller"], live)
    yield _spray("A spray that lies twelve days back", staff, past, 0, Spot("198.18.77.5", "Brazil", "Recife"), is_live=False)


def neighbours(staff: tuple[Colleague, ...], end: datetime) -> Iterator[Draft]:
    """Colleagues whose ordinary day goes on between the scenes."""
    who = {person.email.partition("@")[0]: person for person in staff}
    times = (("priya.raman", 2.2), ("emily.carter", 6.1), ("nikos.pappas", 12.4), ("mei.tan", 19.0), ("marcus.reed", 21.5))
    for local, seconds in times:
        person = who[local]
        yield success(person, end + timedelta(seconds=seconds), person.home, person.desk)
    yield export(who["mei.tan"], end + timedelta(seconds=20.5), who["mei.tan"].home, who["mei.tan"].desk, "Price lists")


def _scene(attack: Attack, drafts: Iterator[Draft]) -> Scene:
    return Scene(attack, tuple(replace(draft, scene=attack.name) for draft in drafts))


def _guessed(victim: Colleague, at: Clock) -> Scene:
    """Sixteen wrong passwords, then the right one; one of the failures is committed late."""

    def drafts() -> Iterator[Draft]:
        for number in range(16):
            typed = victim.email if number % 5 else victim.email.upper()
            draft = failure(typed, at(1 + number / 2), _HANOI, _TOOL)
            yield replace(draft, queued=timedelta(seconds=2.5)) if number == 8 else draft
        yield success(victim, at(9.4), _HANOI, _TOOL)

    families = (Family.ACCOUNT_GUESSING, Family.FAILURES_THEN_SUCCESS, Family.NEW_COUNTRY)
    attack = Attack("A guessed password", families, victim.email, _HANOI.ip, live=True, also=(Family.ADDRESS_FAILURES,))
    return _scene(attack, drafts())


def _burst(person: Colleague, at: Clock) -> Scene:
    drafts = (success(person, at(3.5 + number / 6), person.home, person.desk) for number in range(30))
    attack = Attack("A burst of logins", (Family.LOGIN_BURST,), person.email, person.home.ip, live=True)
    return _scene(attack, drafts)


def _night_admin(admin: Colleague, at: Clock) -> Scene:
    """At night where the office is; by day only the address is strange."""
    moment = at(4.0)
    local = moment.astimezone(BERLIN)
    office_hours = local.weekday() < 5 and 7 <= local.hour < 20
    families = (Family.ADMIN_NEW_ADDRESS,) if office_hours else (Family.ADMIN_OFF_HOURS, Family.ADMIN_NEW_ADDRESS)
    attack = Attack("An administrator at a strange hour and address", families, admin.email, _CAFE.ip, live=True)
    return _scene(attack, iter((success(admin, moment, _CAFE, admin.desk),)))


def _disabled(former: Colleague, at: Clock) -> Scene:
    moments = (at(5.5), at(11.0))
    drafts = (failure(former.email, moment, former.home, former.desk, Action.FAIL_DISABLED) for moment in moments)
    attack = Attack("A disabled profile", (Family.DISABLED_PROFILE,), former.email, former.home.ip, live=True)
    return _scene(attack, drafts)


def _locked(victim: Colleague, at: Clock) -> Scene:
    def drafts() -> Iterator[Draft]:
        for number in range(5):
            yield failure(victim.email, at(8.0 + number / 2), _BOX, _TOOL)
        yield failure(victim.email, at(10.8), _BOX, _TOOL, Action.FAIL_LOCKED)

    attack = Attack(
        *("The portal locks an account", (Family.BRUTE_FORCE_LOCK,), victim.email, _BOX.ip),
        live=True,
        also=(Family.ACCOUNT_GUESSING,),
    )
    return _scene(attack, drafts())


def _spray(name: str, staff: tuple[Colleague, ...], at: Clock, begin: float, spot: Spot, *, is_live: bool) -> Scene:
    spared = {"anna.berg", "lena.fuchs", "viktor.hahn"}  # they have scenes of their own
    real = [person.email for person in staff[8:24] if person.email.partition("@")[0] not in spared]
    typed = [*real, *(f"{local}@{DOMAIN}" for local in _MADE_UP), *HOSTILE]
    typed = typed[::2] + typed[1::2]

    def drafts() -> Iterator[Draft]:
        for number, login in enumerate(typed):
            draft = failure(login, at(begin + number / 5), spot, _TOOL)
            yield replace(draft, hidden=timedelta(seconds=1.5)) if number == 6 else draft

    attack = Attack(name, (Family.SPRAY,), None, spot.ip, live=is_live, also=(Family.ADDRESS_FAILURES,))
    return _scene(attack, drafts())


def _no_login(at: Clock) -> Scene:
    """Somebody posts the form without a name: no account to count by, only the address."""
    drafts = (failure(None, at(12.5 + number / 10), _RELAY, _TOOL) for number in range(50))
    return _scene(Attack("Failures without a login", (Family.ADDRESS_FAILURES,), None, _RELAY.ip, live=True), drafts)


def _far_away(person: Colleague, at: Clock) -> Scene:
    """A login, and two seconds later a folder is gone."""
    drafts = (success(person, at(16.5), _ROSARIO, person.desk), export(person, at(18.5), _ROSARIO, person.desk, "Contracts"))
    families = (Family.NEW_COUNTRY, Family.EXPORT)
    attack = Attack("An export after a first login from a new country", families, person.email, _ROSARIO.ip, live=True)
    return _scene(attack, iter(drafts))
