"""What follows on people's steps and on time is written once: messages that show it, ends of silences, and escalations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from alertbot.aftermath import Aftermath, Bureau
from alertbot.finding import Finding
from alertbot.handling import Silenced
from alertbot.incidents import Incident
from alertbot.newsroom import Newsroom
from alertbot.outbox import Message, OutboxEntry
from alertbot.respond import Desk
from alertbot.responses import acknowledge, reopen, resolve, undo
from alertbot.settings import Route
from alertbot.silences import Scope, Silence, new_silence
from alertbot.slack.actions import Hands
from alertbot.slack.remarks import caller
from alertbot.store.records import PollCommit, PortalState, StoredFinding
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import Store
from alertbot.tell import Outlet
from tests.people import ANNA, BEN, MINUTE_US, NOW_US, a_rule, event, incident

T = TypeVar("T")
ESCALATING = Route.model_validate({"escalate": {"after": "2m", "channel": "#leads", "mention": "@leads"}})
RULES = {"guessing": a_rule()}


class Watching:
    """A store and the aftermath of one portal; `at` is the bot's clock."""

    def __init__(self, store: Store, *routes: Route) -> None:
        self.store = store
        self.desk = Desk(store, RULES)
        self.at_us = NOW_US
        self.woken = 0
        outlet = Outlet(
            portal="main",
            channel="#security",
            zone=ZoneInfo("Europe/Berlin"),
            portal_url="https://acme.example.com",
            routes=routes,
            call=caller({"@leads": "<!subteam^S1>"}),
            hands=Hands(buttons=True),
        )
        bureau = Bureau(outlet, Newsroom(store, outlet, 3_600_000_000), asyncio.Lock())
        self.aftermath = Aftermath(
            store, self._in_store, RULES, {"main": bureau}, on_commit=self._wake, now_us=lambda: self.at_us
        )

    async def _in_store(self, function: Callable[..., T], *args: object, **named: object) -> T:
        return function(*args, **named)

    def _wake(self) -> None:
        self.woken += 1

    def put(self, *incidents: Incident) -> None:
        """Store incidents with their finding and the event behind it."""
        findings = [
            StoredFinding(
                finding=Finding(
                    id=one.id,
                    rule=one.rule,
                    version="1",
                    portal="main",
                    fields=one.fields,
                    key=one.key,
                    firing=event().ref,
                    events=(event().ref,),
                    first_us=one.first_us,
                    at_us=one.at_us,
                    last_us=one.last_us,
                    count=one.count,
                ),
                incident=one.id,
            )
            for one in incidents
        ]
        self.store.commit_poll(
            PollCommit(state=PortalState(name="main"), events=[event()], findings=findings, incidents=incidents)
        )

    async def look(self, after_us: int = 0) -> list[OutboxEntry]:
        """Some time later: what was written into the outbox by this look."""
        self.at_us += after_us
        known = {entry.id for entry in self.store.entries()}
        await self.aftermath.look()
        return [entry for entry in self.store.entries() if entry.id not in known]

    def one(self, id_: str = incident().id) -> Incident:
        found = self.store.incident(id_)
        assert found is not None
        return found

    def reasons(self, id_: str = incident().id) -> list[str]:
        return [str(entry.reason) for entry in self.store.incident_log(id_)]


def kinds(entries: list[OutboxEntry]) -> list[str]:
    return [entry.kind for entry in entries]


async def test_a_step_shows_once_in_the_message_that_stands(store: Store) -> None:
    watching = Watching(store)
    watching.put(incident())
    assert await watching.look() == []
    watching.desk.step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
    [entry] = await watching.look()
    assert (entry.kind, entry.update_of) == ("update", "opening1")
    assert "<@U024BE7LJ>* has it" in str(entry.message.blocks)
    woken = watching.woken
    assert await watching.look() == []
    assert watching.woken == woken


async def test_entries_of_another_process_wake_delivery(store: Store) -> None:
    watching = Watching(store)
    await watching.look()
    woken = watching.woken
    entry = OutboxEntry(id="a", created_us=1, kind="wish", channel="#security", message=Message(text="x"))
    store.respond(PeopleCommit(outbox=[entry]))
    await watching.look()
    assert watching.woken == woken + 1


async def test_what_nobody_looks_at_is_told_to_others_once(store: Store) -> None:
    watching = Watching(store, ESCALATING)
    watching.put(incident())
    assert await watching.look(MINUTE_US - 1) == []
    [entry] = await watching.look(1)
    assert (entry.kind, entry.channel, entry.priority) == ("escalation", "#leads", 1)
    assert entry.message.text.startswith("Nobody has looked for 2 min: HIGH · Password guessing · anna@example.com")
    assert "<!subteam^S1>" in entry.message.text
    assert await watching.look(60 * MINUTE_US) == []
    assert watching.reasons() == ["escalated"]
    assert watching.one().escalate_at_us is None


@pytest.mark.parametrize("phase", ["going_on", "over"])
async def test_over_is_not_handled(store: Store, phase: Any) -> None:
    watching = Watching(store, ESCALATING)
    watching.put(incident(phase=phase))
    assert kinds(await watching.look(MINUTE_US)) == ["escalation"]


async def test_what_somebody_has_or_settled_or_was_told_elsewhere_is_told_to_nobody(store: Store) -> None:
    for number, change in enumerate(({"withdrawn": True}, {"held_by": "x"}, {"merged_into": "x"}, {"work": "acknowledged"})):
        watching = Watching(store, ESCALATING)
        watching.put(incident(id=f"aaaa{number}", **change))
        assert await watching.look(MINUTE_US) == []
        assert watching.one(f"aaaa{number}").escalate_at_us is None


async def test_what_is_nobodys_again_waits_as_long_again(store: Store) -> None:
    watching = Watching(store, ESCALATING)
    watching.put(incident())
    watching.desk.step(incident().id, lambda one: acknowledge(one, BEN, NOW_US))
    assert kinds(await watching.look(10 * MINUTE_US)) == ["update"]
    watching.desk.undo(incident().id, BEN, watching.at_us)
    await watching.look()
    assert kinds(await watching.look(2 * MINUTE_US - 1)) == []
    assert kinds(await watching.look(1)) == ["escalation"]
    watching.desk.step(incident().id, lambda one: resolve(one, BEN, watching.at_us, "real"))
    watching.desk.step(incident().id, lambda one: reopen(one, BEN, watching.at_us))
    await watching.look()
    assert kinds(await watching.look(2 * MINUTE_US)) == ["escalation"]


# -- silences ----------------------------------------------------------------------------------------------------------


def silenced(watching: Watching, minutes: int, scope: Scope | None = None) -> Silence:
    one = new_silence(
        scope or Scope("rule", "", rule="guessing"),
        portal="main",
        since_us=watching.at_us,
        until_us=watching.at_us + minutes * MINUTE_US,
        by="ben",
        reason="known",
    )
    watching.store.respond(PeopleCommit(silences=[one]))
    return one


def held(silence: Silence, *, told: int, **changes: Any) -> Incident:
    return incident(silenced=Silenced(silence=silence.id, since_us=NOW_US, told=told), escalate_at_us=None, **changes)


async def test_at_its_end_what_goes_on_and_was_never_told_is_told(store: Store) -> None:
    watching = Watching(store)
    one = silenced(watching, 5)
    watching.put(held(one, told=0, message=None, told_us=None))
    assert await watching.look(5 * MINUTE_US - 1) == []
    entries = await watching.look(1)
    assert kinds(entries) == ["opening", "silence_over"]
    assert "held back: 1 incident, 5 events · 1 still going on" in entries[1].message.text
    assert watching.one().silenced is None
    assert watching.reasons() == ["silence_over"]
    assert await watching.look() == []
    assert store.silences() == []


async def test_at_its_end_what_is_over_is_only_counted(store: Store) -> None:
    watching = Watching(store)
    one = silenced(watching, 5)
    watching.put(held(one, told=0, message=None, told_us=None, phase="over"))
    [remark] = await watching.look(5 * MINUTE_US)
    assert "held back: 1 incident, 5 events · 0 still going on" in remark.message.text


async def test_at_its_end_what_stands_is_told_with_what_was_held_back(store: Store) -> None:
    watching = Watching(store)
    one = silenced(watching, 5)
    watching.put(held(one, told=3))
    entries = await watching.look(5 * MINUTE_US)
    assert sorted(kinds(entries)) == ["silence_over", "update"]
    [remark] = [entry for entry in entries if entry.kind == "silence_over"]
    assert "1 incident, 2 events" in remark.message.text
    assert remark.message.links == ("opening1",)


async def test_a_silence_that_held_back_nothing_ends_without_a_word(store: Store) -> None:
    watching = Watching(store)
    silenced(watching, 5)
    assert await watching.look(5 * MINUTE_US) == []
    assert store.silences() == []


async def test_what_another_silence_holds_back_too_stays_held(store: Store) -> None:
    watching = Watching(store)
    short = silenced(watching, 5)
    long = silenced(watching, 9, Scope("account", "", (("account", "u-anna"),)))
    watching.put(held(short, told=0, message=None, told_us=None))
    assert await watching.look(5 * MINUTE_US) == []
    silence = watching.one().silenced
    assert silence is not None
    assert silence.silence == long.id
    assert kinds(await watching.look(4 * MINUTE_US)) == ["opening", "silence_over"]


async def test_what_is_silenced_is_told_to_others_only_after_it(store: Store) -> None:
    watching = Watching(store, ESCALATING)
    one = silenced(watching, 5)
    watching.put(incident(silenced=Silenced(silence=one.id, since_us=NOW_US, told=5)))
    assert await watching.look(MINUTE_US) == []
    assert sorted(kinds(await watching.look(4 * MINUTE_US))) == ["escalation", "update"]


async def test_after_a_crash_at_any_point_the_rest_follows_once(store: Store) -> None:
    watching = Watching(store)
    one = silenced(watching, 5)
    watching.put(held(one, told=0, message=None, told_us=None), held(one, told=1, id="bbbb", message="opening2"))
    watching.desk.step("bbbb", lambda each: acknowledge(each, ANNA, NOW_US))
    watching.desk.undo("bbbb", ANNA, NOW_US)
    assert undo(watching.one("bbbb"), BEN, NOW_US).changes is False
    first = await watching.look(5 * MINUTE_US)
    store.respond(PeopleCommit(silences=[one]))  # as if it had died before it noted the end
    assert await watching.look() == []
    assert kinds(first).count("silence_over") == 1
