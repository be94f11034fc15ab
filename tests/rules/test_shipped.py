"""The rules that ship, judged on ordinary life, on the days when much goes wrong by itself, and on attacks in many forms."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from alertbot.backtest import Report, backtest
from alertbot.event import Event, id_of
from alertbot.identity import Directory, enrich
from alertbot.incidents import Incident, Watch, decide
from alertbot.moments import from_us, span_us, to_us
from alertbot.portal.people import read_people_file
from alertbot.rows import read_events_file
from alertbot.rules.load import load_rules, shipped_rules
from alertbot.rules.model import LEVELS, Rule
from alertbot.sandbox.cast import BERLIN, Device, Spot
from alertbot.sandbox.envelope import Dialect, row_json
from alertbot.sandbox.office import Draft, failure
from alertbot.sandbox.story import office
from alertbot.sandbox.wording import Action
from tests.rules.company import DAY, OFFICE, Employee, events, life, staff

BEGIN = date(2026, 2, 2)
WEEKS = 6
LEARNED = datetime(2026, 3, 2, tzinfo=UTC)  # after four weeks: from here on everything is looked at
END = BEGIN + timedelta(weeks=WEEKS)
PEOPLE = staff(400, BEGIN, WEEKS)
NEWCOMERS = [replace(who, role="user") for who in staff(80, date(2026, 3, 9), 1, first=1_000)]  # all on one Monday


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return load_rules([shipped_rules()]).rules


@pytest.fixture(scope="module")
def ordinary() -> list[Draft]:
    return list(life(PEOPLE, END))


def loud(report: Report, since: datetime = LEARNED, days: float = 14) -> list[tuple[str, str, str]]:
    """What was found of level medium or higher within some days: when, which rule, for whom."""
    since_us, until_us = to_us(since), to_us(since + timedelta(days=days))
    return [
        (f"{from_us(found.at_us):%m-%d %H:%M}", found.rule, report.who(found))
        for found in report.findings
        if since_us <= found.at_us < until_us and LEVELS.index(report.level(found)) >= LEVELS.index("medium")
    ]


def told(report: Report, rules: Sequence[Rule], of: Callable[[Event], bool]) -> list[Incident]:
    """The incidents that people are told of, from the findings that such events made fire."""
    firing = {found.id: report.firing[found.firing] for found in report.findings}
    found = [one for one in report.findings if of(firing[one.id])]
    decision = decide(found, (), [], {rule.name: rule for rule in rules}, Watch(portal_us=0), to_us(LEARNED + 30 * DAY), firing)
    return [incident for incident in decision.incidents.values() if incident.stands_for_itself]


# -- ordinary life -----------------------------------------------------------------------------------------------------


def test_on_ordinary_days_of_the_demo_a_thousand_people_bring_at_most_one_finding_of_level_medium_or_higher(
    tmp_path: Path, rules: tuple[Rule, ...]
) -> None:
    story = office()
    played = {number for attack in story.expected for number in attack.events}
    rows = [row_json(row, BERLIN, Dialect()) for row in story.rows if row.id not in played and row.feed == "login"]
    (tmp_path / "logins.json").write_bytes(msgspec.json.encode(rows))
    (tmp_path / "people.json").write_bytes(msgspec.json.encode([member.row for member in story.people]))
    directory = Directory(read_people_file(tmp_path / "people.json"))
    events = [enrich(event, directory) for event in read_events_file(tmp_path / "logins.json", "main")]
    report = backtest(rules, events, lambda _: BERLIN)
    loud = [found for found in report.findings if LEVELS.index(report.level(found)) >= LEVELS.index("medium")]
    thousand_days = len(story.people) / 1_000 * (events[-1].at_us - events[0].at_us) / span_us(timedelta(days=1))
    assert len(events) > 1_500
    assert len(loud) <= thousand_days, [(found.rule, found.key, [id_of(ref) for ref in found.events]) for found in loud]


def test_so_do_they_in_a_company_with_new_addresses_journeys_phones_and_browsers_that_renew_themselves(
    rules: tuple[Rule, ...], ordinary: list[Draft]
) -> None:
    stored = events(ordinary, PEOPLE)
    assert len(stored) > 20_000
    report = backtest(rules, stored, lambda _: BERLIN)
    found = loud(report)
    assert len(found) <= 14 * len(PEOPLE) / 1_000, found
    abroad = [one for one in report.findings if one.rule == "new-country"]
    assert len(abroad) > 50
    assert {report.level(one) for one in abroad} == {"low"}


SIGN_ON_IS_DOWN, PASSWORDS_RUN_OUT, NEW_PROVIDER = (datetime(2026, 3, day, tzinfo=UTC) for day in (3, 5, 11))
NEWCOMERS_COME = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def eventful(rules: tuple[Rule, ...], ordinary: list[Draft]) -> tuple[Report, list[Incident]]:
    """Two weeks in which much goes wrong by itself, each on a day of its own."""
    first = PEOPLE[0].enters(
        datetime(2026, 1, 2, tzinfo=UTC), OFFICE, PEOPLE[0].with_(BEGIN)
    )  # the store is older than 45 days
    drafts = [first, *ordinary, *life(NEWCOMERS, END), *_sign_on_is_down(), *_passwords_run_out(), *_old_passwords()]
    report = backtest(rules, events([_of_new_provider(draft) for draft in drafts], [*PEOPLE, *NEWCOMERS]), lambda _: BERLIN)
    return report, told(report, rules, lambda _: True)


def _sign_on_is_down() -> Iterator[Draft]:
    chance = random.Random("sign-on")
    for who in PEOPLE:
        for _ in range(4 if "sso" in who.habits else 0):
            at = SIGN_ON_IS_DOWN + timedelta(hours=7, seconds=chance.randrange(3_600))
            yield failure(who.email, at, OFFICE, who.with_(at.date()), Action.FAIL_SSO)


def _passwords_run_out() -> Iterator[Draft]:
    chance = random.Random("passwords")
    for who in PEOPLE:
        at = PASSWORDS_RUN_OUT + timedelta(hours=8, seconds=chance.gauss(0, 1_800))
        for _ in range(chance.choice((1, 2, 3, 3, 4, 5)) if "sso" not in who.habits else 0):
            at += timedelta(seconds=chance.randint(8, 60))
            yield failure(who.email, at, who.at_home(at.date()) if "home" in who.habits else OFFICE, who.with_(at.date()))


def _old_passwords() -> Iterator[Draft]:
    """A phone that was forgotten in a drawer for days, one that asks every three minutes, one on the road."""
    drawer, eager, road = [who for who in PEOPLE if who.role == "user" and "sso" not in who.habits][5:8]
    for number in range(3 * 96):
        yield failure(drawer.email, LEARNED + timedelta(minutes=15 * number), OFFICE, drawer.with_(BEGIN, phone=True))
    for number in range(100):
        yield failure(eager.email, LEARNED + timedelta(hours=7, minutes=3 * number), OFFICE, eager.with_(BEGIN, phone=True))
    for number in range(25):
        carrier = Spot(f"198.19.{number // 3}.7", "Germany", "Berlin")
        yield failure(road.email, LEARNED + timedelta(hours=7, minutes=20 * number), carrier, road.with_(BEGIN, phone=True))


def _of_new_provider(draft: Draft) -> Draft:
    """The office's address from the day on which it has another provider, whose addresses are elsewhere by the table."""
    if draft.at < NEW_PROVIDER or draft.fields.get("ip") != OFFICE.ip:
        return draft
    return replace(draft, fields={**draft.fields, "ip": "198.51.100.77", "country": "Netherlands", "city": "Amsterdam"})


def _opened(incidents: Iterable[Incident], day: datetime) -> list[str]:
    return sorted(one.rule for one in incidents if LEVELS.index(one.level) >= 2 and day <= from_us(one.at_us) < day + DAY)


def test_a_sign_on_that_is_down_is_told_once(eventful: tuple[Report, list[Incident]]) -> None:
    assert _opened(eventful[1], SIGN_ON_IS_DOWN) == ["failure-spike"]


def test_a_day_on_which_all_passwords_run_out_is_told_a_few_times_and_blames_nobody(
    eventful: tuple[Report, list[Incident]],
) -> None:
    opened = _opened(eventful[1], PASSWORDS_RUN_OUT)
    assert "failures-from-one-address" in opened
    assert len(opened) <= 3, opened
    assert "password-spraying" not in opened


def test_newcomers_by_the_dozen_are_told_at_level_low_and_no_higher(eventful: tuple[Report, list[Incident]]) -> None:
    report, _ = eventful
    woken = [one for one in report.findings if one.rule == "dormant-account" and one.firing in report.firing]
    assert len([one for one in woken if report.firing[one.firing].name in {who.name for who in NEWCOMERS}]) > 60
    assert len(loud(report, NEWCOMERS_COME, days=1)) <= 1


def test_an_office_with_a_new_provider_in_another_country_is_one_question_and_not_one_for_everybody(
    eventful: tuple[Report, list[Incident]],
) -> None:
    _, incidents = eventful
    that_day = [one for one in incidents if NEW_PROVIDER <= from_us(one.at_us) < NEW_PROVIDER + DAY]
    assert "one-address-many-accounts" in {one.rule for one in that_day}
    assert len(that_day) < 15
    assert len(_opened(incidents, NEW_PROVIDER)) <= 2


def test_phones_with_an_old_password_are_told_once_each_and_make_no_login_of_their_owner_a_guessed_one(
    eventful: tuple[Report, list[Incident]],
) -> None:
    report, incidents = eventful
    first_days = [one.rule for one in incidents if LEARNED <= from_us(one.at_us) < LEARNED + DAY and one.level != "low"]
    assert sorted(first_days) == ["slow-guessing", "slow-guessing"]
    assert [found for found in loud(report, LEARNED, days=3) if found[1].startswith("guessed")] == []


# -- attacks -----------------------------------------------------------------------------------------------------------

TOOL = Device("Chrome 109", "FreeBSD")
RECIFE = Spot("198.51.7.7", "Brazil", "Recife")
BY_IPV6 = Spot("2001", "Brazil", "Recife")
_ELSEWHERE = (("Brazil", "Recife"), ("Vietnam", "Hanoi"), ("Romania", "Bucharest"), ("India", "Mumbai"), ("China", "Shanghai"))
VICTIMS = [who for who in PEOPLE if who.role == "user" and not who.trips and not who.habits & {"sso", "tfa"}]
WITH_CODES = next(who for who in PEOPLE if who.role == "user" and not who.trips and who.habits >= {"tfa"})
ADMIN = next(who for who in PEOPLE if who.role == "admin" and not who.trips)
VICTIM = VICTIMS[0]
WORK = datetime(2026, 3, 10, 10, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 10, 22, 55, tzinfo=UTC)  # five minutes later it is where the office is


def bot(number: int) -> Spot:
    return Spot(f"203.{number % 200}.7.9", *_ELSEWHERE[number % 5])


def guesses(who: Employee, count: int, every: float, at: datetime = WORK, spots: Sequence[Spot] = (RECIFE,)) -> list[Draft]:
    """Wrong passwords for one account, typed in any letters, from these places in turn."""
    typed = (who.email, who.email.upper(), f" {who.email}")
    return [failure(typed[n % 3], at + timedelta(seconds=every * n), spots[n % len(spots)], TOOL) for n in range(count)]


def enters(who: Employee, minutes: float, at: datetime = WORK, spot: Spot = RECIFE) -> list[Draft]:
    return [who.enters(at + timedelta(minutes=minutes), spot, TOOL)]


def codes(count: int) -> list[Draft]:
    return [failure(WITH_CODES.name, WORK + timedelta(minutes=n), RECIFE, TOOL, Action.FAIL_TFA) for n in range(count)]


def spray(known: int, made_up: int, every: float, spots: Sequence[Spot] = (RECIFE,)) -> list[Draft]:
    """One wrong password for each of many accounts, from these places in turn."""
    typed = [who.email for who in VICTIMS[:known]] + [f"made-up-{n}@acme.example" for n in range(made_up)]
    random.Random("spray").shuffle(typed)
    return [failure(one, WORK + timedelta(seconds=every * n), spots[n % len(spots)], TOOL) for n, one in enumerate(typed)]


BOTS = [bot(number) for number in range(40)]
ATTACKS: dict[str, tuple[str, list[Draft]]] = {
    "guessing, as slow as just counts": ("password-guessing", guesses(VICTIM, 8, 85)),
    "guessing over midnight": ("password-guessing", guesses(VICTIM, 9, 60, MIDNIGHT)),
    "guessing from made-up addresses": ("password-guessing", guesses(VICTIM, 9, 60, spots=BOTS)),
    "guessing over IPv6": ("password-guessing", guesses(VICTIM, 9, 60, spots=[BY_IPV6])),
    "a guessed password": ("guessed-password", guesses(VICTIM, 12, 60, MIDNIGHT) + enters(VICTIM, 13, MIDNIGHT)),
    "a guessed password, as if from the office": (
        "guessed-password",
        guesses(VICTIM, 9, 60, spots=[OFFICE]) + enters(VICTIM, 10, spot=OFFICE),
    ),
    "a guessed password over IPv6": (
        "guessed-password",
        guesses(VICTIM, 9, 60, spots=[BY_IPV6]) + enters(VICTIM, 10, spot=BY_IPV6),
    ),
    "guessed, one an hour": ("guessed-slowly", guesses(VICTIM, 12, 3_600) + enters(VICTIM, 720)),
    "guessing, one in two hours": ("slow-guessing", guesses(VICTIM, 36, 7_200)),
    "guessing, eight a day, from everywhere": ("one-account-from-many-countries", guesses(VICTIM, 16, 10_800, spots=BOTS)),
    "a spray over people": ("people-tried-from-one-address", spray(8, 0, 400)),
    "a spray over made-up names": ("password-spraying", spray(0, 6, 100)),
    "a spray over both": ("password-spraying", spray(7, 7, 40)),
    "a spray over people, as if from the office": ("failures-from-one-address", spray(40, 0, 12, [OFFICE])),
    "a spray over IPv6": ("spraying-over-ipv6", spray(10, 12, 25, [BY_IPV6])),
    "a botnet with a list of people": ("people-tried-from-everywhere", spray(20, 0, 20, BOTS)),
    "a botnet with made-up names": ("guessing-from-everywhere", spray(0, 20, 20, BOTS)),
    "codes guessed": ("second-factor-guessed", codes(7) + enters(WITH_CODES, 8)),
    "codes that fail": ("second-factor-failing", codes(6)),
    "a stolen password, held up by the second factor": ("wrong-code-from-new-country", codes(1)),
    "one address into many accounts": (
        "one-address-many-accounts",
        [draft for number, who in enumerate(VICTIMS[:5]) for draft in enters(who, 12 * number)],
    ),
    "a stolen password": ("new-country-and-device", enters(VICTIM, 0, MIDNIGHT)),
    "an administrator's, next door, at night": (
        "strange-login",
        enters(ADMIN, 150, MIDNIGHT, Spot("198.51.8.8", "Germany", "Berlin")),
    ),
    "a profile that was disabled": (
        "disabled-profile",
        [failure(VICTIM.email, WORK + timedelta(hours=n), RECIFE, TOOL, Action.FAIL_DISABLED) for n in range(3)],
    ),
    "an account that the portal locks": (
        "brute-force-lock",
        [*guesses(VICTIM, 5, 5), failure(VICTIM.email, WORK + timedelta(minutes=1), RECIFE, TOOL, Action.FAIL_LOCKED)],
    ),
    "a script with a password": (
        "login-burst",
        [VICTIM.enters(WORK + timedelta(seconds=9 * n), OFFICE, TOOL) for n in range(12)],
    ),
}


@pytest.fixture(scope="module")
def quiet_life() -> list[Draft]:
    """Those who are attacked, and forty others: attacks are played among them, one at a time."""
    return list(life([*{who.id: who for who in (*VICTIMS[:40], WITH_CODES, ADMIN, *PEOPLE[:40])}.values()], date(2026, 3, 14)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_form_of_an_attack_is_found_and_told_once(attack: str, rules: tuple[Rule, ...], quiet_life: list[Draft]) -> None:
    expected, drafts = ATTACKS[attack]
    report = backtest(rules, events([*quiet_life, *drafts], PEOPLE), lambda _: BERLIN)
    incidents = told(report, rules, lambda event: event.browser == TOOL.browser)
    assert [(one.rule, LEVELS.index(one.level) >= 2) for one in incidents] == [(expected, True)], incidents


def test_rules_that_are_told_say_what_to_do_what_they_mean_and_what_attack_it_is(rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        if not rule.heard_only and rule.level != "informational":
            assert len(rule.respond.split()) >= 12, rule.name
            assert rule.description, rule.name
            assert any(tag.startswith("attack.t") for tag in rule.tags), rule.name
        assert len(rule.tests) >= 1 + (rule.level != "informational"), rule.name
