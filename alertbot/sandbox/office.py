"""Ordinary life: what an office's logins look like when nothing is wrong.

In come the colleagues, a span of days and a seed; out go drafts of rows: mornings behind one address, days at home, typing
mistakes, new phones, trips, VPN exits, night owls, part-timers, weekends, and the internet's background guessing. The same
seed gives the same life; each person's day depends on nothing but that person, that day and the seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from alertbot.event import GUEST_ID
from alertbot.sandbox.cast import DOMAIN, OFFICE, VPN, Colleague, Device, Spot
from alertbot.sandbox.wording import Action, action_text

PAGE = f"https://office.{DOMAIN}/login"


@dataclass(frozen=True, slots=True)
class Draft:
    """A row without an id. It was put into the table `queued` after its date, and could be seen `hidden` after that."""

    at: datetime
    action: Action
    user_id: str
    fields: dict[str, str]
    scene: str = ""
    queued: timedelta = timedelta()
    hidden: timedelta = timedelta()


def success(who: Colleague, at: datetime, spot: Spot, device: Device, action: Action | None = None) -> Draft:
    """A login, by the way that this person logs in."""
    way = Action.SUCCESS_PASSWORD
    if "sso" in who.habits:
        way = Action.SUCCESS_SSO
    elif "tfa" in who.habits:
        way = Action.SUCCESS_TFA
    chosen = action or way
    return Draft(at, chosen, who.id, {"user": who.name, **_seen(chosen, spot, device)})


def failure(typed: str | None, at: datetime, spot: Spot, device: Device, action: Action = Action.FAIL_PASSWORD) -> Draft:
    """A failure: the portal knows no more than what was typed."""
    login = {} if typed is None else {"user": typed, "login": typed}
    return Draft(at, action, GUEST_ID, {**login, **_seen(action, spot, device)})


def export(who: Colleague, at: datetime, spot: Spot, device: Device, folder: str) -> Draft:
    """A whole folder is taken away: a row of the audit trail."""
    action = Action.FOLDER_DOWNLOADED
    said = {"action": f"{action_text(action)}. [{folder}]", "target": folder, "context": "Documents"}
    return Draft(at, action, who.id, {"user": who.name, **_seen(action, spot, device), **said})


def _seen(action: Action, spot: Spot, device: Device) -> dict[str, str]:
    fields = {
        "action": action_text(action),
        "ip": spot.ip,
        "country": spot.country,
        "city": spot.city,
        "browser": device.browser,
        "platform": device.platform,
        "page": PAGE,
    }
    return {name: value for name, value in fields.items() if value is not None}


# who, days before the end from and to, where
TRIPS: tuple[tuple[str, int, int, Spot], ...] = (
    ("greta.holm", 24, 21, Spot("198.18.40.11", "Denmark", "Copenhagen")),
    ("lucas.moreau", 17, 14, Spot("198.18.41.86", "France", "Paris")),
    ("hannah.weiss", 10, 8, Spot("198.18.42.7", "United Kingdom", "London")),
    ("chiara.romano", 6, 3, Spot("198.18.43.120", "Italy", "Milan")),
)
# who, days before the end since when, with what
NEW_DEVICES: tuple[tuple[str, int, Device], ...] = (
    ("olga.petrova", 20, Device("Edge 144", "Windows 11")),
    ("paul.richter", 12, Device("Firefox 147", "Windows 11")),
    ("tim.hartmann", 5, Device("Chrome 144", "Linux")),
)
_GUESSED = ("admin", "root", "test", "info", "administrator", "support", "user", "office", "backup", "postmaster")
_GUESSERS = (
    *(("China", "Shanghai"), ("United States", "Ashburn"), ("Brazil", "São Paulo"), ("India", "Mumbai")),
    *(("Indonesia", "Jakarta"), ("Russia", "Moscow"), ("Bulgaria", "Sofia"), (None, None)),
)
_SCANNER = Device("Chrome 90", "Windows 7")


def ordinary(staff: tuple[Colleague, ...], begin: datetime, until: datetime, end: datetime, seed: int) -> Iterator[Draft]:
    """All that happens from `begin` until just before `until`; trips and new devices count their days back from `end`."""
    last_day = end.astimezone(UTC).date()
    day = begin.astimezone(UTC).date() - timedelta(days=1)
    while day <= until.astimezone(UTC).date() + timedelta(days=1):
        drafts = list(_guessing(day, seed))
        for who in staff:
            if who.present:
                drafts += _Day(who, day, (last_day - day).days, seed).play()
        yield from (draft for draft in drafts if begin <= draft.at < until)
        day += timedelta(days=1)


class _Day:
    """One person's day."""

    def __init__(self, who: Colleague, day: date, days_ago: int, seed: int) -> None:
        self._who = who
        self._day = day
        self._ago = days_ago
        self._chance = random.Random(f"{seed}/{who.email}/{day}")  # noqa: S311  (a story, not a secret)
        self._drafts: list[Draft] = []

    def play(self) -> list[Draft]:
        who, chance = self._who, self._chance
        if not self._works():
            if who.role not in ("owner", "admin") and chance.random() < 0.05:
                self._log_in(self._at(chance.uniform(10, 21)), who.home, self._device())
            return self._drafts
        begin = chance.gauss(who.begins, 0.4)
        for number in range(chance.choice((1, 1, 2, 2, 3))):
            hour = begin if number == 0 else begin + chance.uniform(0.5, 7.5)
            self._log_in(self._at(hour), self._spot(), self._device())
        if chance.random() < 0.45:
            self._log_out(self._at(begin + chance.uniform(8, 9)))
        if "phone" in who.habits and chance.random() < 0.4:
            self._log_in(self._at(chance.uniform(12, 21)), self._mobile(), who.phone)
        if "owl" in who.habits and chance.random() < 0.7:
            self._log_in(self._at(chance.uniform(21.5, 26.5)), who.home, self._device())
        if "evening" in who.habits and chance.random() < 0.7:
            self._log_in(self._at(chance.uniform(19.5, 22)), who.home, self._device())
        return self._drafts

    def _works(self) -> bool:
        if self._day.weekday() not in self._who.days:
            return False
        return self._chance.random() < (0.15 if "rare" in self._who.habits else 0.94)

    def _at(self, hour: float) -> datetime:
        local = datetime.combine(self._day, time(), self._who.zone)
        seconds = round(hour * 3600)
        return (local.replace(tzinfo=None) + timedelta(seconds=seconds)).replace(tzinfo=self._who.zone).astimezone(UTC)

    def _local(self) -> str:
        return self._who.email.partition("@")[0]

    def _spot(self) -> Spot:
        for local, since, until, spot in TRIPS:
            if local == self._local() and until <= self._ago <= since:
                return spot
        if "vpn" in self._who.habits and self._chance.random() < 0.25:
            return VPN
        at_home = "home" in self._who.habits or self._who.home.city != OFFICE.city
        if "hybrid" in self._who.habits:
            at_home = self._day.weekday() in (0, 4)
        return self._who.home if at_home else OFFICE

    def _device(self) -> Device:
        for local, since, device in NEW_DEVICES:
            if local == self._local() and self._ago <= since:
                return device
        return self._who.desk

    def _mobile(self) -> Spot:
        home = self._who.home
        return Spot(f"198.19.{self._chance.randrange(8)}.{self._chance.randrange(1, 255)}", home.country, home.city)

    def _log_in(self, at: datetime, spot: Spot, device: Device) -> None:
        """A login with the mistakes before it."""
        who, chance = self._who, self._chance
        before = at
        if "sso" in who.habits:
            if chance.random() < 0.02:
                self._drafts.append(failure(who.email, at - timedelta(seconds=20), spot, device, Action.FAIL_SSO))
        else:
            if "tfa" in who.habits and chance.random() < 0.06:
                before -= timedelta(seconds=chance.randint(8, 25))
                self._drafts.append(failure(who.name, before, spot, device, Action.FAIL_TFA))
            for _ in range(chance.choices((0, 1, 2, 3, 4), (90, 6, 2.5, 1, 0.5))[0]):
                before -= timedelta(seconds=chance.randint(6, 30))
                typed = chance.choice((who.email, who.email, who.email.title(), f"{who.email} "))
                self._drafts.append(failure(typed, before, spot, device))
        self._drafts.append(success(who, at, spot, device))

    def _log_out(self, at: datetime) -> None:
        self._drafts.append(success(self._who, at, self._spot(), self._device(), Action.LOGOUT))


def _guessing(day: date, seed: int) -> Iterator[Draft]:
    """The internet tries names that it finds everywhere, a few times a day, from anywhere."""
    chance = random.Random(f"{seed}/internet/{day}")  # noqa: S311  (a story, not a secret)
    for _ in range(chance.randint(4, 12)):
        country, city = chance.choice(_GUESSERS)
        spot = Spot(f"198.18.{chance.randrange(100, 200)}.{chance.randrange(1, 255)}", country, city)
        at = datetime.combine(day, time(), UTC) + timedelta(seconds=chance.randrange(86_400))
        typed = f"{chance.choice(_GUESSED)}@{DOMAIN}"
        for number in range(chance.choice((1, 1, 1, 2, 3))):
            yield failure(typed, at + timedelta(seconds=7 * number), spot, _SCANNER)
