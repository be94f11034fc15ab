"""The people of the sandbox's office: who they are, where they sit, when and how they log in.

Nothing comes in; out go some forty colleagues with their habits, and the directory as the portal serves it. Names,
addresses and the company are invented; the addresses are of ranges that nobody on the internet has.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from alertbot.sandbox.intake import Member, parse_member

BERLIN = ZoneInfo("Europe/Berlin")
DOMAIN = "acme.example"
_NAMESPACE = uuid.UUID("5f0c3a4e-8d1b-4a55-9b61-0a4e2c7d9f10")


@dataclass(frozen=True, slots=True)
class Spot:
    """An address, and the place that the portal's table names for it."""

    ip: str
    country: str | None = None
    city: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody logs in with."""

    browser: str
    platform: str


OFFICE = Spot("203.0.113.10", "Germany", "Berlin")
VPN = Spot("192.0.2.40", "Netherlands", "Amsterdam")

_CITIES = {
    "berlin": (BERLIN, "Germany", "Berlin"),
    "newyork": (ZoneInfo("America/New_York"), "United States", "New York"),
    "singapore": (ZoneInfo("Asia/Singapore"), "Singapore", "Singapore"),
    "lisbon": (ZoneInfo("Europe/Lisbon"), "Portugal", "Lisbon"),
    "vienna": (ZoneInfo("Europe/Vienna"), "Austria", "Vienna"),
}
_DESKS = (
    Device("Chrome 144", "Windows 11"),
    Device("Edge 144", "Windows 11"),
    Device("Firefox 147", "Linux"),
    Device("Safari 19", "macOS 15"),
    Device("Chrome 144", "macOS 15"),
    Device("Chrome 144", "Windows 10"),
)
_PHONES = (Device("Mobile Safari 19", "iOS 19"), Device("Chrome Mobile 144", "Android 16"))

_OFFICE_DAYS = (0, 1, 2, 3, 4)
_OWNER, _ADMIN, _ROOMS, _USER, _GUEST = "owner", "admin", "room_admin", "user", "guest"

# name, e-mail before the @, role, group, city, habits
_CAST: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("Margarete Lindner", "margarete.lindner", _OWNER, "Management", "berlin", "tfa"),
    ("Petra Vogel", "petra.vogel", _ADMIN, "IT", "berlin", "tfa hybrid"),
    ("Henrik Sommer", "henrik.sommer", _ADMIN, "IT", "berlin", "tfa"),
    ("Oskar Lund", "oskar.lund", _ROOMS, "Sales", "berlin", "hybrid"),
    ("Fatima El-Sayed", "fatima.elsayed", _ROOMS, "Finance", "berlin", "tfa"),
    ("Katarzyna Nowak", "katarzyna.nowak", _ROOMS, "Engineering", "berlin", "hybrid phone"),
    ("Grace O'Neill", "grace.oneill", _ROOMS, "Support", "lisbon", "home"),
    ("Wei Zhang", "wei.zhang", _ROOMS, "Engineering", "berlin", "owl vpn"),
    ("Anna Berg", "anna.berg", _USER, "Finance", "berlin", ""),
    ("Jonas Keller", "jonas.keller", _USER, "Sales", "berlin", "tfa hybrid"),
    ("Lena Fuchs", "lena.fuchs", _USER, "Support", "berlin", "part"),
    ("Thomas Müller", "thomas.mueller", _USER, "Sales", "berlin", "tfa phone"),
    ("Thomas Müller", "t.mueller", _USER, "Engineering", "berlin", "tfa"),
    ("Aylin Demir", "aylin.demir", _USER, "Engineering", "berlin", "owl"),
    ("Bruno Schäfer", "bruno.schaefer", _USER, "Engineering", "berlin", "hybrid vpn"),
    ("Chiara Romano", "chiara.romano", _USER, "Sales", "berlin", "phone"),
    ("David Krüger", "david.krueger", _USER, "Support", "berlin", "sso"),
    ("Elif Yilmaz", "elif.yilmaz", _USER, "Finance", "berlin", "part"),
    ("Felix Brandt", "felix.brandt", _USER, "Engineering", "berlin", "home"),
    ("Greta Holm", "greta.holm", _USER, "Sales", "berlin", "phone hybrid"),
    ("Hannah Weiss", "hannah.weiss", _USER, "Management", "berlin", "sso"),
    ("Ibrahim Haddad", "ibrahim.haddad", _USER, "Support", "berlin", "early"),
    ("Julia Neumann", "julia.neumann", _USER, "Engineering", "berlin", "hybrid"),
    ("Karl Böhm", "karl.boehm", _USER, "Finance", "berlin", "early"),
    ("Lucas Moreau", "lucas.moreau", _USER, "Sales", "berlin", "phone"),
    ("Mia Schulz", "mia.schulz", _USER, "Support", "berlin", "part sso"),
    ("Nikos Pappas", "nikos.pappas", _USER, "Engineering", "berlin", "owl vpn"),
    ("Olga Petrova", "olga.petrova", _USER, "Finance", "berlin", ""),
    ("Paul Richter", "paul.richter", _USER, "Engineering", "berlin", "hybrid"),
    ("Rosa Alvarez", "rosa.alvarez", _USER, "Support", "lisbon", "home"),
    ("Samuel Stein", "samuel.stein", _USER, "Sales", "berlin", "sso phone"),
    ("Tim Hartmann", "tim.hartmann", _USER, "Engineering", "berlin", ""),
    ("Emily Carter", "emily.carter", _USER, "Sales", "newyork", "home evening"),
    ("Marcus Reed", "marcus.reed", _USER, "Support", "newyork", "home"),
    ("Priya Raman", "priya.raman", _USER, "Engineering", "singapore", "home"),
    ("Mei Tan", "mei.tan", _USER, "Sales", "singapore", "home tfa"),
    ("Sofia Gruber", "sofia.gruber", _GUEST, "", "vienna", "rare"),
    ("Erik Johansson", "erik.johansson", _GUEST, "", "berlin", "home rare"),
    ("Laura Conti", "laura.conti", _GUEST, "", "vienna", "rare"),
    ("Viktor Hahn", "viktor.hahn", _USER, "Sales", "berlin", "terminated"),
    ("Zoe Winter", "zoe.winter", _USER, "", "berlin", "pending"),
)


@dataclass(frozen=True, slots=True)
class Colleague:
    """One person, with what the story needs to know."""

    id: str
    name: str
    email: str
    role: str
    group: str
    zone: ZoneInfo
    home: Spot
    desk: Device
    phone: Device
    habits: frozenset[str] = field(default_factory=frozenset)

    @property
    def present(self) -> bool:
        """Whether this person works here now."""
        return self.habits.isdisjoint({"terminated", "pending"})

    @property
    def days(self) -> tuple[int, ...]:
        """The weekdays on which this person works, Monday being 0."""
        return (0, 1, 3) if "part" in self.habits else _OFFICE_DAYS

    @property
    def begins(self) -> float:
        """The hour at which this person's day usually begins."""
        early = {"early": 6.6, "owl": 10.5, "part": 9.0}
        return next((hour for habit, hour in early.items() if habit in self.habits), 8.4)

    def member(self) -> Member:
        """The person as the portal's directory serves them."""
        if "pending" in self.habits:  # the portal knows next to nothing of who has not answered the invitation
            return parse_member({"id": self.id, "email": self.email, "displayName": self.name, "status": 4})
        row: dict[str, Any] = {
            "id": self.id,
            "userName": self.email.partition("@")[0],
            "email": self.email,
            "displayName": self.name,
            "isOwner": self.role == _OWNER,
            "isAdmin": self.role in (_OWNER, _ADMIN),
            "isRoomAdmin": self.role == _ROOMS,
            "isVisitor": self.role == _GUEST,
            "isCollaborator": self.role == _USER,
            "tfaAppEnabled": "tfa" in self.habits,
            "groups": [_group(self.group)] if self.group else [],
            "status": 2 if "terminated" in self.habits else 1,
            "isSSO": "sso" in self.habits,
            "isLDAP": False,
        }
        return parse_member(row)


def colleagues() -> tuple[Colleague, ...]:
    """Everybody, in the directory's order."""
    return tuple(_colleague(number, *line) for number, line in enumerate(_CAST))


def _colleague(number: int, name: str, local: str, role: str, group: str, city: str, habits: str) -> Colleague:
    zone, country, town = _CITIES[city]
    # ids of people are opaque: two of them came over from an older system with ids of its own
    person = f"staff-{1000 + number}" if number % 19 == 7 else str(uuid.uuid5(_NAMESPACE, local))
    return Colleague(
        id=person,
        name=name,
        email=f"{local}@{DOMAIN}",
        role=role,
        group=group,
        zone=zone,
        home=Spot(f"198.19.{32 + number}.{10 + number}", country, town),  # each home has a network of its own
        desk=_DESKS[number % len(_DESKS)],
        phone=_PHONES[number % len(_PHONES)],
        habits=frozenset(habits.split()),
    )


def _group(name: str) -> dict[str, str]:
    return {"id": str(uuid.uuid5(_NAMESPACE, f"group {name}")), "name": name}
