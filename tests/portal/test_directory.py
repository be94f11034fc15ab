"""The directory while a portal is read: refreshed in time, asked for who is new, and never for what attackers type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from alertbot.enrichment import PEOPLE_EVERY
from alertbot.event import Event
from alertbot.sandbox.envelope import Dialect
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.store.store import Store
from tests.endtoend.world import FAILURE, SUCCESS
from tests.portal.test_complete import Office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A portal with two people, and a bot that has read it once."""
    Store.open(f"sqlite:///{tmp_path}/empty.db", write=True).close()
    made = Office(tmp_path, 0, Dialect())
    await made.open()
    await made.bot.poll()
    yield made
    await made.close()


def asked(office: Office) -> int:
    """How often the portal was asked for its people."""
    return sum(one.path.endswith("/people") for one in office.portal.requests)


async def read(office: Office, **row: object) -> Event:
    """The event of a row that is added now, as it is stored."""
    office.move(10)
    number = office.portal.add(row)
    office.move(1)
    await office.bot.poll()
    return next(event for event in office.bot.store.events("main", feed="login") if event.id == number)


async def test_made_up_logins_neither_ask_for_the_directory_nor_make_it_grow(office: Office) -> None:
    before = asked(office)
    for number in range(300):
        office.portal.add({"login": f"made-up-{number}@evil.example", "actionId": FAILURE})
    event = await read(office, login="made-up@evil.example", actionId=FAILURE)
    assert (event.account, event.known) == ("made-up@evil.example", False)
    assert (asked(office), len(office.bot.store.people("main"))) == (before, 2)


async def test_who_is_new_is_looked_up_in_the_same_poll_and_who_is_nobody_only_once(office: Office) -> None:
    before = asked(office)
    office.portal.put_person({"id": "u-new", "email": "new@example.com", "displayName": "New", "status": 1})
    assert (await read(office, userId="u-new", actionId=SUCCESS)).email == "new@example.com"
    assert asked(office) == before + 1
    for _ in range(3):
        assert not (await read(office, userId="u-nobody", actionId=SUCCESS)).known
    assert asked(office) == before + 2


async def test_it_is_refreshed_every_quarter_of_an_hour_and_what_was_known_serves_while_it_fails(office: Office) -> None:
    before = asked(office)
    office.portal.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/people", times=None))
    office.move(PEOPLE_EVERY / timedelta(seconds=1) - 60)
    await office.bot.poll()
    assert asked(office) == before
    office.move(60)
    assert (await read(office, login="BEN@example.com", actionId=FAILURE)).account == "u-ben"
    assert asked(office) == before + 1
    office.portal.faults.clear()
    office.portal.put_person({"id": "u-ben", "email": "benjamin@example.com", "displayName": "Ben", "status": 2})
    office.move(61)
    assert (await read(office, login="benjamin@example.com", actionId=FAILURE)).account == "u-ben"
    assert asked(office) == before + 2
