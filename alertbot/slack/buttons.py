"""Station 9: what a press of a button does: who may, what it changes, what whoever pressed is told.

In come payloads from the socket; each is taken at once and worked on afterwards. Nothing in a payload is believed: team, app
and channel must be ours, the message must be one of the incident's, and the person must be among the responders. A refusal is
told to them alone, and recorded. The same press does its work once, however often it comes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

import structlog

from alertbot.errors import AlertbotError, PortalError, SlackError, UsageError
from alertbot.handling import RESOLUTIONS
from alertbot.moments import from_us, span_us, to_us
from alertbot.outbox import Place
from alertbot.portal.client import PortalClient
from alertbot.respond import Case, Desk
from alertbot.responses import (
    Action,
    Response,
    acknowledge,
    ask_to_end_sessions,
    elsewhere,
    refusal,
    reopen,
    sessions_answered,
    standing,
)
from alertbot.silences import scopes
from alertbot.slack import text
from alertbot.slack.actions import at_once, can_end_sessions, resolve_form, silence_form
from alertbot.slack.client import SlackClient
from alertbot.slack.press import Form, Press, Sender, day, faults, read
from alertbot.slack.roster import Roster
from alertbot.store.store import Store

REMEMBERED = 1_000
SESSIONS_WITHIN = timedelta(seconds=30)

T = TypeVar("T")
log = structlog.get_logger("alertbot.buttons")


class InStore(Protocol):
    """Runs a function of the store's in the one thread that speaks to it."""

    def __call__(self, function: Callable[..., T], *args: object, **named: object) -> Awaitable[T]: ...


@dataclass(slots=True)
class Door:
    """A portal as buttons need it. `may_write`: its key may end sessions."""

    client: PortalClient
    zone: ZoneInfo
    may_write: bool = False


class Refused(Exception):
    """They may not do this; the text says why. `aloud`: they are told so."""

    def __init__(self, why: str, *, aloud: bool = True) -> None:
        super().__init__(why)
        self.aloud = aloud


class Buttons:
    """Works on presses. `team` is the bot’s workspace, set before the first press; `on_step` is called after each commit."""

    def __init__(
        self,
        store: Store,
        in_store: InStore,
        desk: Desk,
        slack: SlackClient,
        *,
        responders: Roster,
        enders: Roster,
        doors: Mapping[str, Door],
        on_step: Callable[[], None],
        now_us: Callable[[], int],
    ) -> None:
        self._store = store
        self._in_store = in_store
        self._desk = desk
        self._slack = slack
        self.team = ""
        self._responders = responders
        self._enders = enders
        self._doors = doors
        self._on_step = on_step
        self._now_us = now_us
        self._known: OrderedDict[str, None] = OrderedDict()
        self._work: set[asyncio.Task[None]] = set()

    def take(self, payload: Mapping[str, object], app: str) -> Mapping[str, object] | None:
        """Begin to work on a payload; what the acknowledgement says: nothing, or what is wrong with a form."""
        wanted = read(payload)
        if wanted is None:
            log.warning("buttons.unreadable")
            return None
        if isinstance(wanted, Form):
            wrong = faults(wanted, from_us(self._now_us()).date())
            if wrong:
                return {"response_action": "errors", "errors": wrong}
        if wanted.key in self._known:
            return None
        self._known[wanted.key] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        task = asyncio.create_task(self._do(wanted, app))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return None

    async def settle(self) -> None:
        """Wait for what is under way."""
        while self._work:
            await asyncio.wait(set(self._work))

    async def _do(self, wanted: Press | Form, app: str) -> None:
        try:
            case = await self._allowed(wanted, app)
            said = await self._work_on(wanted, case)
        except Refused as refused:
            await self._refuse(wanted, refused)
        except AlertbotError as error:
            log.warning("buttons.failed", incident=wanted.incident, action=wanted.action, said=str(error))
            await self._whisper(wanted, f"That did not work: {error}")
        except Exception:
            log.exception("buttons.failed", incident=wanted.incident, action=wanted.action)
            await self._whisper(wanted, "That did not work, through a mistake of alertbot's own; its log says more.")
        else:
            if said:
                await self._whisper(wanted, said)

    async def _work_on(self, wanted: Press | Form, case: Case) -> str:
        """Do it; what whoever wants it is told. An alert that is told in another place is acted on there."""
        if gone := elsewhere(case.incident):
            return gone.said
        return await (self._press(wanted, case) if isinstance(wanted, Press) else self._form(wanted, case))

    # -- who may -------------------------------------------------------------------------------------------------------

    async def _allowed(self, wanted: Press | Form, app: str) -> Case:
        """The incident that is meant, if whoever sent this may do it."""
        sender = wanted.sender
        if not self.team or sender.team != self.team:
            raise Refused("it came from another workspace", aloud=False)
        if app and sender.app != app:
            raise Refused("it came from another app", aloud=False)
        case = await self._in_store(self._desk.case, wanted.incident)
        if case is None:
            raise Refused("there is no such incident any more")
        entries = await self._in_store(self._store.entries, incident=wanted.incident)
        if Place(wanted.channel, wanted.ts) not in {entry.place for entry in entries} | await self._inherited(case):
            raise Refused("that message is none of this incident's", aloud=False)
        if self._responders.is_open and sender.home != self.team:
            raise Refused("you belong to another workspace, and no responders are configured")
        if not await self._may(self._responders, sender):
            raise Refused("you are not among the responders of alertbot's configuration")
        if wanted.action is Action.END_SESSIONS:
            await self._may_end_sessions(case, sender)
        return case

    async def _inherited(self, case: Case) -> set[Place | None]:
        """Where messages stand that were another incident's before they became this one's."""
        names = [*([case.incident.message] if case.incident.message else []), *case.incident.copies]
        return {entry.place for entry in await self._in_store(self._store.entries, ids=names)}

    async def _may(self, roster: Roster, sender: Sender) -> bool:
        assert sender.who.id is not None, "a sender has an id"
        try:
            return await roster.holds(sender.who.id)
        except SlackError as error:
            raise Refused(f"the members of your groups cannot be read now ({error})") from None

    async def _may_end_sessions(self, case: Case, sender: Sender) -> None:
        door = self._doors.get(case.incident.portal)
        if not await self._may(self._enders, sender):
            raise Refused("`end_sessions` of the configuration does not name you")
        if door is None or not door.may_write:
            raise Refused("the portal's API key may not write (it needs the scope *:write)")
        if not can_end_sessions(case.incident) and case.incident.sessions is None:
            raise Refused("it is about no account of the portal")

    async def _refuse(self, wanted: Press | Form, refused: Refused) -> None:
        log.warning(
            "buttons.refused", user=wanted.sender.who.id, action=wanted.action, incident=wanted.incident, why=str(refused)
        )
        entry = refusal(wanted.incident, wanted.sender.who, self._now_us(), wanted.action, str(refused))
        if await self._in_store(self._store.incident, wanted.incident) is not None:
            await self._in_store(self._desk.note, entry)
        if refused.aloud:
            await self._whisper(wanted, f"You may not do that: {refused}.")

    # -- what it does --------------------------------------------------------------------------------------------------

    async def _press(self, press: Press, case: Case) -> str:
        who, now_us, number = press.sender.who, self._now_us(), case.incident.id
        match press.action:
            case Action.ACKNOWLEDGE:
                return await self._step(number, lambda incident: acknowledge(incident, who, now_us))
            case Action.REOPEN:
                return await self._step(number, lambda incident: reopen(incident, who, now_us))
            case Action.UNDO:
                return self._told(await self._in_store(self._desk.undo, number, who, now_us, press.turn))
            case Action.LIFT:
                return self._told(await self._in_store(self._desk.lift_at, number, who, now_us))
            case Action.END_SESSIONS:
                return await self._end_sessions(press, case)
            case Action.RESOLVE:
                resolution = at_once(press.choice)
                if resolution is not None:
                    return self._told(await self._in_store(self._desk.resolve, number, who, now_us, resolution))
                if case.incident.work == "resolved":
                    return f"Nothing changed: {standing(case.incident, text.inline)}."
                return await self._open(press, resolve_form(case.incident, _place(press), press.choice))
            case Action.SILENCE:
                choices = scopes(case.rule, case.incident.rule, case.event)
                return await self._open(press, silence_form(case.incident, _place(press), choices))

    async def _form(self, form: Form, case: Case) -> str:
        who, now_us, number = form.sender.who, self._now_us(), case.incident.id
        if form.action is Action.RESOLVE:
            resolution = next((one for one in RESOLUTIONS if one == form.answers.get("how")), None)
            if resolution is None:
                raise UsageError("the form does not say how it was settled")
            word = form.answers.get("word", "")
            return self._told(await self._in_store(self._desk.resolve, number, who, now_us, resolution, word))
        scope = next(
            (one for one in scopes(case.rule, case.incident.rule, case.event) if one.name == form.answers.get("what")), None
        )
        if scope is None:
            raise UsageError("the form does not say what is to be silent")
        until_us = self._until_us(form, case, now_us)
        return self._told(
            await self._in_store(self._desk.silence, number, scope, who, now_us, until_us, form.answers.get("why", ""))
        )

    def _until_us(self, form: Form, case: Case, now_us: int) -> int:
        """The end of a silence: in an hour, in eight, or with the end of a day in the portal's zone."""
        match form.answers.get("long"):
            case "1h":
                return now_us + span_us(timedelta(hours=1))
            case "8h":
                return now_us + span_us(timedelta(hours=8))
            case _:
                last = day(form.answers.get("until", ""))
                if last is None:
                    raise UsageError("the form does not say how long it is to be silent")
                door = self._doors.get(case.incident.portal)
                midnight = datetime.combine(last + timedelta(days=1), time(), door.zone if door else UTC)
                return to_us(midnight)

    async def _step(self, number: str, decide: Callable[..., Response]) -> str:
        return self._told(await self._in_store(self._desk.step, number, decide))

    def _told(self, response: Response | None) -> str:
        """What whoever pressed is told: nothing where the message itself will show it."""
        if response is None:
            return "There is no such incident any more."
        if response.changes:
            self._on_step()
            return ""
        return response.said

    async def _open(self, press: Press, view: Mapping[str, object]) -> str:
        try:
            await self._slack.call("views.open", trigger_id=press.trigger, view=view)
        except SlackError as error:
            log.warning("buttons.form_failed", said=str(error))
            command = (
                f"alertbot incidents resolve {press.incident}" if press.action is Action.RESOLVE else "alertbot silence add"
            )
            return f"The form could not be opened ({error}). Press again, or at a shell: {command}"
        return ""

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def _end_sessions(self, press: Press, case: Case) -> str:
        """Ask the portal, once: who claims it first asks, the others are told so."""
        who, number = press.sender.who, case.incident.id
        now_us = self._now_us()
        claimed = await self._in_store(self._desk.step, number, lambda one: ask_to_end_sessions(one, who, now_us))
        if claimed is None or not claimed.changes:
            return claimed.said if claimed is not None else "There is no such incident any more."
        about, door = case.incident.about, self._doors[case.incident.portal]
        account = about.account if about else None
        assert account is not None, "it was looked at before"
        try:
            async with asyncio.timeout(SESSIONS_WITHIN.total_seconds()):
                answer, ended = await door.client.end_sessions(account), True
        except PortalError as error:
            answer, ended = str(error), False
        except TimeoutError:
            answer, ended = "it did not answer in time", False
        log.info("sessions.ended" if ended else "sessions.kept", portal=case.incident.portal, incident=number, by=who.id)
        now_us = self._now_us()
        response = await self._in_store(
            self._desk.step, number, lambda one: sessions_answered(one, answer, now_us, ended=ended)
        )
        self._on_step()
        return response.said if response is not None else ""

    async def _whisper(self, wanted: Press | Form, words: str) -> None:
        """Tell whoever pressed, and nobody else."""
        assert wanted.sender.who.id is not None, "a sender has an id"
        try:
            await self._slack.whisper(Place(wanted.channel, wanted.ts), wanted.sender.who.id, text.inline(words, 1_500))
        except SlackError as error:
            log.warning("buttons.untold", user=wanted.sender.who.id, said=str(error))


def _place(press: Press) -> str:
    return f"{press.channel}-{press.ts}"
