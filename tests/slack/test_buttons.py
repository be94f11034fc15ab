"""Who presses what over real sockets, honest or forged: only responders change something, each press once, and it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alertbot.incidents import Incident
from alertbot.outbox import Message, OutboxEntry
from alertbot.portal.client import PortalClient, connect
from alertbot.respond import Desk
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.intake import parse_member
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Sandbox
from alertbot.sandbox.slack_workspace import TEAM, Posted
from alertbot.secret import Secret
from alertbot.settings import PortalSettings
from alertbot.slack.actions import Hands, below
from alertbot.slack.buttons import Buttons, Door
from alertbot.slack.client import SlackClient
from alertbot.slack.roster import Mention, Roster
from alertbot.slack.socket import Socket, new_address
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from tests.people import NOW_US, a_rule, incident

T = TypeVar("T")
ANNA, BEN, CARLA, STRANGER = "U024BE7LH", "U024BE7LJ", "U024BE7LK", "U0STRANGER"
ZONE = ZoneInfo("Europe/Berlin")
PERSON = {"id": "u-anna", "email": "anna@example.com", "displayName": "Anna Berg", "status": 1, "isAdmin": True}


class Counter:
    """A store with one incident whose message stands, the buttons, and the sandbox around them."""

    def __init__(self, store: Store, sandbox: Sandbox, buttons: Buttons, in_store: Callable[..., Any]) -> None:
        self.store = store
        self.sandbox = sandbox
        self.slack = sandbox.slack
        self.buttons = buttons
        self.in_store = in_store
        self.message: Posted

    async def incident(self) -> Incident:
        [one] = await self.in_store(self.store.incidents)
        return one

    async def reasons(self) -> list[str]:
        return [str(entry.reason) for entry in await self.in_store(self.store.incident_log, incident().id)]

    async def press(self, action: str, user: str = ANNA, **more: Any) -> None:
        """An honest press, and all that follows."""
        await self.slack.hands.press(self.message, f"alertbot.{action}", user=user, **more)
        await self.buttons.settle()

    async def forge(self, change: Callable[[dict[str, Any]], object], action: str = "acknowledge", user: str = ANNA) -> None:
        """A press whose payload was tampered with."""
        payload = self.slack.hands.pressing(self.message, f"alertbot.{action}", user=user)
        change(payload)
        await (await self.slack.sockets.send(payload))
        await self.buttons.settle()

    @property
    def whispers(self) -> list[tuple[str | None, str]]:
        return [(one.seen_by, one.text) for one in self.slack.space.ephemeral]


def portal_of(url: str) -> PortalSettings:
    return PortalSettings(name="main", url=url, api_key=Secret("sk-sandbox"), zone=ZONE)


@asynccontextmanager
async def at_work(
    folder: Path, *, responders: list[str] | None = None, enders: tuple[str, ...] = (ANNA, BEN), **changes: Any
) -> AsyncIterator[Counter]:
    thread, loop = ThreadPoolExecutor(1), asyncio.get_running_loop()

    async def in_store(function: Callable[..., T], *args: object, **named: object) -> T:
        return await loop.run_in_executor(thread, partial(function, *args, **named))

    portal = SandboxPortal(SandboxClock(datetime(2026, 1, 15, 10, tzinfo=UTC)), people=[parse_member(PERSON)])
    async with Sandbox(portal) as sandbox:
        slack = sandbox.slack
        settings = portal_of(portal.url)
        with Store.open(f"sqlite:///{folder}/alertbot.db", write=True) as store:
            bot = SlackClient(slack.token, api_url=slack.api_url)
            app = SlackClient(slack.app_token, api_url=slack.api_url)
            async with connect([settings]) as http, bot, app:
                allowed = None if responders is None else (lambda: [Mention(one) for one in responders])
                rules = {"guessing": a_rule()}
                buttons = Buttons(
                    store,
                    in_store,
                    Desk(store, rules),
                    bot,
                    responders=Roster(bot, allowed),
                    enders=Roster(bot, lambda: [Mention(one) for one in enders]),
                    doors={"main": Door(PortalClient(settings, http, patience=timedelta(seconds=1)), ZONE, may_write=True)},
                    on_step=lambda: None,
                    now_us=lambda: NOW_US,
                )
                buttons.team = TEAM
                desk = Counter(store, sandbox, buttons, in_store)
                await stands(desk, incident(**changes))
                socket = asyncio.create_task(Socket(partial(new_address, app), buttons.take).run())
                try:
                    yield desk
                finally:
                    slack.faults.release()
                    await buttons.settle()
                    socket.cancel()
                    await asyncio.gather(socket, return_exceptions=True)
        thread.shutdown()


async def stands(desk: Counter, one: Incident) -> None:
    """The incident is stored, and its message stands in Slack."""
    parts = tuple(below(one, ZONE, Hands(buttons=True, end_sessions=True)))
    space = desk.slack.space
    channel = space.channel("#security")
    assert channel is not None
    desk.message = space.post(channel, {"text": "alert", "blocks": list(parts)})
    sent: dict[str, Any] = {"state": "sent", "slack_channel": channel.id, "slack_ts": desk.message.ts}
    message = Message(text="alert", blocks=parts)
    entry = OutboxEntry(
        id="opening1", created_us=1, kind="opening", channel="#security", incident=one.id, message=message, **sent
    )
    await desk.in_store(desk.store.commit_poll, PollCommit(state=PortalState(name="main"), incidents=[one], outbox=[entry]))


async def test_a_press_counts_once_however_often_it_comes(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        payload = desk.slack.hands.pressing(desk.message, "alertbot.acknowledge")
        for _ in range(4):
            await (await desk.slack.sockets.send(payload))
        await desk.buttons.settle()
        assert await desk.reasons() == ["acknowledged"]
        assert desk.whispers == []


async def test_a_press_that_comes_again_after_an_undo_does_not_count_again(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        payload = desk.slack.hands.pressing(desk.message, "alertbot.acknowledge")
        await (await desk.slack.sockets.send(payload))
        await desk.buttons.settle()
        one = await desk.incident()
        desk.message.blocks = below(one, ZONE, Hands(buttons=True))
        await desk.press("undo")
        await (await desk.slack.sockets.send(payload))
        await desk.buttons.settle()
        assert (await desk.incident()).work == "new"


async def test_of_two_at_once_one_has_it_and_the_other_is_told_who(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        await asyncio.gather(*(desk.slack.hands.press(desk.message, "alertbot.acknowledge", user=user) for user in (ANNA, BEN)))
        await desk.buttons.settle()
        assert await desk.reasons() == ["acknowledged"]
        has = (await desk.incident()).by_id
        [(told, said)] = desk.whispers
        assert {has, told} == {ANNA, BEN}
        assert "has it" in said


async def test_buttons_of_an_old_message_say_what_became_of_it(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        await desk.press("resolve", option="false_alarm")
        await desk.press("acknowledge", BEN)
        await desk.press("silence", BEN)
        assert (await desk.incident()).work == "resolved"
        assert desk.whispers[0] == (BEN, "Nothing changed: anna resolved it as false alarm.")


@pytest.mark.parametrize("action", ["acknowledge", "silence", "end_sessions"])
async def test_a_button_of_what_another_alert_has_taken_over_leads_to_that_one(tmp_path: Path, action: str) -> None:
    async with at_work(tmp_path) as desk:
        one = msgspec.structs.replace(await desk.incident(), held_by="f00df00df00d")
        await desk.in_store(desk.store.commit_poll, PollCommit(state=PortalState(name="main"), incidents=[one]))
        await desk.press(action)
        assert await desk.reasons() == []
        assert desk.slack.hands.forms == {}
        assert desk.whispers == [(ANNA, "Nothing changed: incident f00df00d is told in its place; act there.")]


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another team": lambda p: p["team"].update(id="T0EVIL"),
    "no team": lambda p: p.pop("team"),
    "another app": lambda p: p.update(api_app_id="A0EVIL"),
    "no app": lambda p: p.pop("api_app_id"),
    "another channel": lambda p: p["channel"].update(id="C0EVIL"),
    "another message": lambda p: p["container"].update(message_ts="1.000001"),
    "an incident that is not there": lambda p: p["actions"][0].update(value="ffff.0"),
}
BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "a login as value": lambda p: p["actions"][0].update(value="anna@example.com"),
    "an unknown action": lambda p: p["actions"][0].update(action_id="alertbot.delete"),
    "no user": lambda p: p.pop("user"),
    "two actions": lambda p: p["actions"].append(p["actions"][0]),
    "another type": lambda p: p.update(type="shortcut"),
}


@pytest.mark.parametrize("change", [*FORGED.values(), *BROKEN.values()], ids=[*FORGED, *BROKEN])
async def test_what_is_forged_changes_nothing_and_is_acknowledged(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    async with at_work(tmp_path) as desk:
        await desk.forge(change)
        assert await desk.incident() == incident()
        assert set(await desk.reasons()) <= {"refused"}
        assert not desk.sandbox.portal.ended_sessions


@pytest.mark.parametrize("name", [name for name in FORGED if name != "an incident that is not there"])
async def test_what_is_forged_is_recorded(tmp_path: Path, name: str) -> None:
    async with at_work(tmp_path) as desk:
        await desk.forge(FORGED[name])
        assert await desk.reasons() == ["refused"]


@pytest.mark.parametrize(
    ("responders", "user", "may"),
    [
        (None, CARLA, True),
        ([CARLA], CARLA, True),
        ([ANNA], CARLA, False),
        (["S0614TZR7"], BEN, True),
        (["S0614TZR7"], CARLA, False),
        ([], ANNA, False),
    ],
)
async def test_only_responders_and_members_of_their_groups_may(
    tmp_path: Path, responders: list[str] | None, user: str, may: bool
) -> None:
    async with at_work(tmp_path, responders=responders) as desk:
        await desk.press("acknowledge", user)
        assert await desk.reasons() == ["acknowledged" if may else "refused"]
        assert [(to, "You may not do that" in said) for to, said in desk.whispers] == ([] if may else [(user, True)])


async def test_a_stranger_in_a_shared_channel_may_only_if_named(tmp_path: Path) -> None:
    def from_elsewhere(payload: dict[str, Any]) -> None:
        payload["user"]["team_id"] = "T0PARTNER"

    async with at_work(tmp_path) as desk:
        await desk.forge(from_elsewhere)
        assert await desk.reasons() == ["refused"]
    named = tmp_path / "named"
    named.mkdir()
    async with at_work(named, responders=[ANNA]) as desk:
        await desk.forge(from_elsewhere)
        assert await desk.reasons() == ["acknowledged"]


async def test_members_that_cannot_be_read_are_a_refusal_that_says_so(tmp_path: Path) -> None:
    async with at_work(tmp_path, responders=["S0614TZR7"]) as desk:
        desk.slack.fault(method="usergroups.users.list", answer="status", status=500)
        await desk.press("acknowledge", BEN)
        assert "cannot be read now" in desk.whispers[0][1]
        await desk.press("acknowledge", BEN)
        assert await desk.reasons() == ["refused", "acknowledged"]


async def test_it_is_acknowledged_within_3_s_while_slack_and_the_portal_are_slow(tmp_path: Path) -> None:
    async with at_work(tmp_path, responders=["S0614TZR7"]) as desk:
        held = desk.slack.fault(method="usergroups.users.list", answer="ok", hold="before")
        answer = await desk.slack.hands.press(desk.message, "alertbot.acknowledge", user=BEN)
        assert answer.after_s < 1
        async with asyncio.timeout(5):
            await desk.slack.faults.until_held()
        desk.slack.faults.release(held)
        await desk.buttons.settle()
        assert await desk.reasons() == ["acknowledged"]


async def test_sessions_are_not_ended_by_who_is_not_named_or_of_nobody(tmp_path: Path) -> None:
    async with at_work(tmp_path, enders=(ANNA,)) as desk:
        await desk.press("end_sessions", BEN)
        assert "does not name you" in desk.whispers[0][1]
    unknown = tmp_path / "unknown"
    unknown.mkdir()
    async with at_work(unknown) as desk:
        await desk.in_store(
            desk.store.commit_poll,
            PollCommit(state=PortalState(name="main"), incidents=[incident(about=None)]),
        )
        await desk.press("end_sessions")
        assert "no account of the portal" in desk.whispers[0][1]
        assert not desk.sandbox.portal.ended_sessions


async def test_the_portals_refusal_is_told_recorded_and_can_be_tried_again(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        portal = desk.sandbox.portal
        before = portal.key
        portal.put_key(type(before)(permissions=("*:read",)))
        await desk.press("end_sessions")
        assert "The sessions go on" in desk.whispers[0][1]
        assert "write" in desk.whispers[0][1]
        portal.put_key(before)
        await desk.press("end_sessions", BEN)
        assert portal.ended_sessions == ["u-anna"]
        assert await desk.reasons() == ["sessions_asked", "sessions_kept", "sessions_asked", "sessions_ended"]


async def test_a_form_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        desk.slack.fault(method="views.open", error="internal_error")
        await desk.press("resolve", option="expected")
        assert "alertbot incidents resolve" in desk.whispers[0][1]


async def test_a_forged_form_changes_nothing(tmp_path: Path) -> None:
    async with at_work(tmp_path, responders=[ANNA]) as desk:
        await desk.press("silence")
        [form] = desk.slack.hands.forms.values()
        for change in (
            lambda p: p["user"].update(id=CARLA),
            lambda p: p["view"].update(private_metadata=p["view"]["private_metadata"].replace(desk.message.ts, "1.1")),
            lambda p: p["view"]["state"]["values"]["what"]["what"].update(selected_option={"value": "everything"}),
            lambda p: p["view"]["state"]["values"]["long"]["long"].update(selected_option={"value": "100y"}),
        ):
            payload = desk.slack.hands.sending(form, {"what": "rule", "long": "1h", "why": "known"})
            form.hash += "x"
            change(payload)
            await (await desk.slack.sockets.send(payload))
            await desk.buttons.settle()
        assert await desk.in_store(desk.store.silences) == []
        assert (await desk.incident()).silenced is None


async def test_a_form_silences_what_it_says_until_the_end_of_the_day_in_the_portals_zone(tmp_path: Path) -> None:
    async with at_work(tmp_path) as desk:
        await desk.press("silence")
        [form] = desk.slack.hands.forms.values()
        await desk.slack.hands.send(form, {"what": "rule", "long": "date", "until": "2026-01-20", "why": "migration"})
        await desk.buttons.settle()
        [silence] = await desk.in_store(desk.store.silences)
        assert (silence.rule, silence.reason, silence.by, silence.incident) == ("guessing", "migration", "anna", incident().id)
        assert datetime.fromtimestamp(silence.until_us / 1e6, ZONE) == datetime(2026, 1, 21, tzinfo=ZONE)
        held = (await desk.incident()).silenced
        assert held is not None
        assert (held.silence, held.told) == (silence.id, 5)


@pytest.mark.parametrize("until", ["", "soon", "2026-01-13", "2027-01-15"])
async def test_a_day_that_makes_no_sense_keeps_the_form_open(tmp_path: Path, until: str) -> None:
    async with at_work(tmp_path) as desk:
        await desk.press("silence")
        [form] = desk.slack.hands.forms.values()
        answer = await desk.slack.hands.send(form, {"what": "rule", "long": "date", "until": until, "why": "migration"})
        assert set(answer.payload["errors"]) == {"until"}
        assert form.id in desk.slack.hands.forms
        assert await desk.in_store(desk.store.silences) == []
