"""The demo's office: the same story every time, ordinary life that is noisy but harmless, attacks that are what they say."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from alertbot.event import FEEDS, GUEST_ID
from alertbot.moments import from_us, to_us
from alertbot.sandbox.attack import HOSTILE
from alertbot.sandbox.cast import BERLIN, DOMAIN
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.story import DEFAULT_END, LIVE, Attack, Family, Story, office
from alertbot.sandbox.wording import FAILURES, Action
from tests.sandbox.serving import client_of, portal, rows_of

STORY = office()
ROWS = {row.id: row for row in STORY.rows}
PLAYED = {number for attack in STORY.expected for number in attack.events}
LIFE = [row for row in STORY.rows if row.id not in PLAYED]
NAMES = {member.id: member for member in STORY.people}
ADMINS = {member.id for member in STORY.people if member.row.get("isAdmin")}


def attack(family: Family, *, live: bool = True) -> list[Attack]:
    return [scene for scene in STORY.expected if family in scene.families and scene.live == live]


def most_in(rows: Iterable[Row], within: timedelta, *, distinct: bool = False) -> int:
    """The most rows, or different logins, that any window of that length holds."""
    ordered = sorted(rows, key=lambda row: row.at_us)
    most = 0
    for index, last in enumerate(ordered):
        window = [row for row in ordered[: index + 1] if last.at_us - row.at_us <= within / timedelta(microseconds=1)]
        logins = {row.fields.get("login") for row in window}
        most = max(most, len(logins) if distinct else len(window))
    return most


def grouped(rows: Iterable[Row], field: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.fields.get(field, "").strip().casefold()].append(row)
    return groups


def test_the_same_moment_and_seed_give_the_same_story() -> None:
    assert office() == STORY
    assert office(seed=2).rows != STORY.rows


def test_a_day_is_the_same_whenever_the_story_ends() -> None:
    def logins(story: Story) -> list[tuple[int, str]]:
        day = [to_us(datetime(2026, 2, 3, hour, tzinfo=UTC)) for hour in (6, 20)]
        at_work = [row for row in story.rows if day[0] <= row.at_us < day[1]]
        return [(row.at_us, row.user_id) for row in at_work if row.fields.get("city") == "Berlin"]

    assert logins(office(DEFAULT_END + timedelta(hours=5))) == logins(STORY) != []


def test_a_month_of_some_forty_people_lies_before_the_end() -> None:
    history = STORY.history
    first = from_us(min(row.at_us for row in history))
    assert timedelta(days=29) < STORY.end - first <= timedelta(days=30)
    assert 1500 < len(history) < 6000
    assert 36 <= len({row.user_id for row in history if row.action_id not in FAILURES}) <= 45
    assert all(row.at_us <= to_us(STORY.end) for row in history)


def test_the_directory_has_all_kinds_of_people() -> None:
    rows = [member.row for member in STORY.people]
    counted = {flag: sum(row.get(flag) is True for row in rows) for flag in ("isOwner", "isAdmin", "isRoomAdmin", "isVisitor")}
    assert counted == {"isOwner": 1, "isAdmin": 3, "isRoomAdmin": 5, "isVisitor": 3}
    assert {row["status"] for row in rows} == {1, 2, 4}
    assert Counter(row["displayName"] for row in rows).most_common(1) == [("Thomas Müller", 2)]
    assert len({member.id for member in STORY.people}) == len({member.email for member in STORY.people}) == len(rows)
    assert any("isAdmin" not in row for row in rows)
    assert len({group["name"] for row in rows for group in row.get("groups", [])}) >= 5
    assert any(member.id.count("-") != 4 for member in STORY.people)


def test_failures_carry_the_guest_id_and_successes_a_person() -> None:
    for row in STORY.rows:
        if row.action_id in FAILURES:
            assert row.user_id == GUEST_ID
            assert row.fields.get("user") == row.fields.get("login")
        else:
            assert NAMES[row.user_id].name == row.fields["user"]
            assert "login" not in row.fields
        assert ":" not in row.fields["ip"]


def test_ids_grow_with_insertion_and_some_rows_come_late() -> None:
    ids = [row.id for row in STORY.rows]
    assert ids == sorted(set(ids))
    shown = sorted(STORY.rows, key=lambda row: (row.appears_us, row.id))
    late_dates = sum(newer.at_us < older.at_us for older, newer in itertools.pairwise(shown))
    late_ids = sum(newer.id < older.id for older, newer in itertools.pairwise(shown))
    assert late_dates > 5
    assert late_ids > 2
    live = [row for _, row in STORY.live]
    assert any(newer.at_us < older.at_us for older, newer in itertools.pairwise(live))


def test_ordinary_life_is_noisy() -> None:
    actions = Counter(Action(row.action_id) for row in LIFE)
    assert min(actions[kind] for kind in (Action.FAIL_PASSWORD, Action.FAIL_TFA, Action.FAIL_SSO, Action.LOGOUT)) > 0
    assert min(actions[kind] for kind in (Action.SUCCESS_PASSWORD, Action.SUCCESS_TFA, Action.SUCCESS_SSO)) > 50
    countries = {row.fields.get("country") for row in LIFE if row.action_id not in FAILURES}
    assert {"Germany", "Netherlands", "Denmark", "France", "United States", "Singapore"} <= countries
    addresses = Counter(row.fields["ip"] for row in LIFE if row.action_id not in FAILURES)
    assert addresses.most_common(1)[0][1] > 300
    hours = {from_us(row.at_us, BERLIN).hour for row in LIFE if row.fields.get("city") == "Berlin"}
    assert {0, 1, 22, 23} <= hours
    assert any(from_us(row.at_us, BERLIN).weekday() == 6 for row in LIFE if row.user_id in NAMES)
    devices = defaultdict(set)
    for row in LIFE:
        devices[row.user_id].add((row.fields["browser"], row.fields["platform"]))
    assert sum(len(seen) > 1 for person, seen in devices.items() if person in NAMES) >= 5


def test_ordinary_life_is_harmless() -> None:
    failed = [row for row in LIFE if row.action_id in FAILURES]
    ten = timedelta(minutes=10)
    assert max(most_in(rows, ten) for rows in grouped(failed, "login").values()) <= 5
    assert max(most_in(rows, ten) for rows in grouped(failed, "ip").values()) <= 10
    assert max(most_in(rows, timedelta(hours=1), distinct=True) for rows in grouped(failed, "ip").values()) <= 7
    succeeded = [row for row in LIFE if row.action_id not in FAILURES]
    assert max(most_in(rows, ten) for rows in grouped(succeeded, "user").values()) <= 5


def test_administrators_work_in_office_hours_only() -> None:
    moments = [from_us(row.at_us, BERLIN) for row in LIFE if row.user_id in ADMINS]
    assert len(moments) > 60
    assert all(moment.weekday() < 5 and 7 <= moment.hour < 20 for moment in moments)


def test_the_live_attack_takes_some_twenty_seconds() -> None:
    offsets = [offset for offset, _ in STORY.live]
    assert offsets == sorted(offsets)
    assert offsets[0] > 0
    assert 20 <= offsets[-1] <= LIVE.total_seconds()
    live = {row.id for _, row in STORY.live}
    for scene in STORY.expected:
        assert set(scene.events) <= live if scene.live else live.isdisjoint(scene.events)
    assert len(live) > len(PLAYED & live)


@pytest.mark.parametrize("family", list(Family))
def test_every_family_of_rules_has_something_to_catch(family: Family) -> None:
    assert attack(family)


def test_an_attack_names_the_account_and_address_of_its_rows() -> None:
    for scene in STORY.expected:
        rows = [ROWS[number] for number in scene.events]
        assert {row.fields["ip"] for row in rows} == {scene.ip}
        if scene.account is not None:
            persons = {NAMES[row.user_id].email if row.user_id in NAMES else row.fields["login"].lower() for row in rows}
            assert persons == {scene.account}


def test_the_guessed_password_ends_in_a_success_from_a_country_never_seen_for_that_account() -> None:
    [scene] = attack(Family.FAILURES_THEN_SUCCESS)
    rows = [ROWS[number] for number in scene.events]
    last = max(rows, key=lambda row: row.at_us)
    assert [row.id for row in rows if row.action_id not in FAILURES] == [last.id]
    assert len(rows) > 12
    before = {row.fields.get("country") for row in LIFE if row.user_id == last.user_id}
    assert before == {"Germany"}


@pytest.mark.parametrize("family", [Family.NEW_COUNTRY, Family.ADMIN_NEW_ADDRESS])
def test_what_is_new_was_never_seen_for_that_person(family: Family) -> None:
    for scene in attack(family):
        row = ROWS[scene.events[-1]]
        earlier = [old for old in STORY.history if old.user_id == row.user_id]
        assert len({from_us(old.at_us).date() for old in earlier}) > 10
        if family is Family.NEW_COUNTRY:
            assert row.fields["country"] not in {old.fields.get("country") for old in earlier}
        else:
            nets = {old.fields["ip"].rpartition(".")[0] for old in earlier}
            assert row.fields["ip"].rpartition(".")[0] not in nets


def test_what_is_taken_after_a_strange_login_stands_in_the_audit_trail_under_the_same_person() -> None:
    [scene] = attack(Family.EXPORT)
    login, export = (ROWS[number] for number in scene.events)
    assert (login.feed, export.feed) == ("login", "audit")
    assert login.user_id == export.user_id
    assert timedelta() < timedelta(microseconds=export.at_us - login.at_us) < timedelta(minutes=30)
    assert any(row.feed == "audit" for row in LIFE), "not every export is an attack"


@pytest.mark.parametrize("live", [True, False])
def test_a_spray_tries_many_accounts_once_each_with_hostile_names_among_them(live: bool) -> None:
    [scene] = attack(Family.SPRAY, live=live)
    logins = [ROWS[number].fields["login"] for number in scene.events]
    assert len(set(logins)) == len(logins) > 20
    emails = {member.email for member in STORY.people}
    assert len(emails.intersection(logins)) >= 10
    assert set(HOSTILE) <= set(logins)
    assert any(login.endswith(f"@{DOMAIN}") and login not in emails for login in logins)


def test_an_administrator_at_noon_is_no_surprise() -> None:
    noon = office(datetime(2026, 2, 24, 12, 0, tzinfo=BERLIN))
    assert not any(Family.ADMIN_OFF_HOURS in scene.families for scene in noon.expected)
    assert any(Family.ADMIN_NEW_ADDRESS in scene.families for scene in noon.expected)


async def test_the_portal_shows_the_live_rows_as_its_clock_goes_on() -> None:
    sandbox = portal(people=STORY.people, zone=STORY.zone)
    sandbox.clock.set(STORY.end)
    sandbox.load(STORY.rows)
    async with client_of(sandbox) as client:
        assert len(sandbox.shown()) == len(STORY.history)
        newest = (await rows_of(client, count=1))[0]
        assert datetime.fromisoformat(newest["date"]) <= STORY.end
        sandbox.clock.advance(LIVE)
        rows = await rows_of(client)
    assert sum(len(sandbox.shown(feed)) for feed in FEEDS) == len(STORY.history) + len(STORY.live)
    assert {row["id"] for row in rows} <= {row.id for _, row in STORY.live}
