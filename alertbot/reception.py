"""Where people come in: who is who in Slack, the socket and its buttons, and what follows on what they do.

In come the settings and the portals as they are watched; out go the tasks that serve people. Nothing here keeps alerts from
going out: where Slack cannot be asked, nobody is called and no button works until it can, and that is said. Only a name that
the workspace does not know ends the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Protocol, TypeVar

import msgspec
import structlog

from alertbot.aftermath import Aftermath, Bureau
from alertbot.commit import Committer
from alertbot.config import PortalSettings, Settings
from alertbot.errors import ConfigError, LostOwnership, Mistake, PortalError, SlackError, StoreBusy
from alertbot.portal.client import PortalClient
from alertbot.respond import Desk
from alertbot.routing import names
from alertbot.rules.model import Rule
from alertbot.slack.actions import Hands
from alertbot.slack.buttons import Buttons, Door
from alertbot.slack.client import SlackClient
from alertbot.slack.remarks import caller
from alertbot.slack.roster import Mention, Roster, UnknownNames, known_id, resolve
from alertbot.slack.socket import Socket, new_address
from alertbot.slack.trouble import SocketState
from alertbot.store.store import Store
from alertbot.tell import Outlet

NAMES_WITHIN = timedelta(seconds=10)
AGAIN = timedelta(minutes=1)
AFTER_A_MISTAKE = timedelta(seconds=5)
KEYS_EVERY = timedelta(minutes=15)
NAMES = "slack.names"
"""Where the store keeps the ids of names, for a start while Slack does not answer."""

T = TypeVar("T")
log = structlog.get_logger("alertbot.reception")


class InStore(Protocol):
    """Runs a function of the store's in the one thread that speaks to it."""

    def __call__(self, function: Callable[..., T], *args: object, **named: object) -> Awaitable[T]: ...


class Reception:
    """Serves people for one service. `open` first, then `add` every portal, then run the `tasks`."""

    def __init__(self, settings: Settings, rules: Sequence[Rule], store: Store, in_store: InStore) -> None:
        self._settings = settings
        self._slack = settings.need_slack()
        self._rules = {rule.name: rule for rule in rules}
        self._store = store
        self._in_store = in_store
        self._tags: dict[str, str] = {}
        self._mentions: dict[str, Mention] = {}
        self._unresolved = False
        self._bureaus: dict[str, Bureau] = {}
        self._doors: dict[str, Door] = {}
        self._hands: dict[str, Hands] = {}
        self._bot: SlackClient | None = None
        self._app: SlackClient | None = None
        self._states: asyncio.Queue[SocketState] = asyncio.Queue()
        self.call = caller(self._tags)

    def change_rules(self, rules: Sequence[Rule]) -> None:
        """Go by other rules from now on."""
        self._rules.clear()
        self._rules.update({rule.name: rule for rule in rules})

    async def open(self, stack: AsyncExitStack) -> None:
        """Find out who is who. Raises ConfigError where the workspace does not know a name."""
        slack = self._slack
        if slack.token is not None:
            bot = SlackClient(slack.token.get_secret_value(), api_url=slack.api_url)
            self._bot = await stack.enter_async_context(bot)
            if slack.app_token is not None:
                app = SlackClient(slack.app_token.get_secret_value(), api_url=slack.api_url)
                self._app = await stack.enter_async_context(app)
        elif unknown := sorted(name for name in self._wanted() if known_id(name) is None):
            raise self._mistake(unknown, "can only be called by an id (U… or S…) through a webhook")
        await self._find_names()

    def hands(self, portal: str) -> Hands:
        """What can be done at this portal's messages; it changes as that becomes known."""
        return self._hands.setdefault(portal, Hands(buttons=self._app is not None))

    def add(self, portal: PortalSettings, client: PortalClient, committer: Committer, outlet: Outlet) -> None:
        """Serve people of a portal's incidents."""
        self._bureaus[portal.name] = Bureau(outlet, committer.newsroom, committer.turn)
        self._doors[portal.name] = Door(client, portal.zone)

    def tasks(self, on_commit: Callable[[], None]) -> list[asyncio.Task[None]]:
        """Everything that serves people; each ends only when it is cancelled."""
        aftermath = Aftermath(self._store, self._in_store, self._rules, self._bureaus, on_commit=on_commit, now_us=_now_us)
        tasks = [asyncio.create_task(_kept_up(aftermath.run, "aftermath"), name="aftermath")]
        if self._unresolved:
            tasks.append(asyncio.create_task(_kept_up(self._find_names_later, "names"), name="names"))
        if self._bot is not None and self._app is not None:
            tasks += self._button_tasks(self._bot, self._app, aftermath)
        return tasks

    # -- who is who ----------------------------------------------------------------------------------------------------

    def _wanted(self) -> set[str]:
        """Everybody whom the configuration names."""
        return names(self._settings.routes) | {*(self._slack.responders or ()), *self._slack.end_sessions}

    async def _find_names(self) -> None:
        wanted = self._wanted()
        self._learn({name: mention for name in wanted if (mention := known_id(name)) is not None})
        if not wanted or self._bot is None:
            return
        try:
            async with asyncio.timeout(NAMES_WITHIN.total_seconds()):
                found = await resolve(self._bot, wanted)
        except UnknownNames as unknown:
            raise self._mistake(unknown.names, "is no user and no user group of the Slack workspace") from None
        except (SlackError, TimeoutError) as error:
            said = str(error) or "Slack does not answer in time"
            kept = await self._in_store(self._store.meta, NAMES)
            known: dict[str, str] = msgspec.json.decode(kept, type=dict[str, str]) if kept else {}
            self._learn({name: Mention(known[name]) for name in wanted if name in known})
            self._unresolved = True
            log.warning("names.unresolved", said=said, names=sorted(wanted - self._mentions.keys()))
            return
        self._learn(found)
        self._unresolved = False
        kept = msgspec.json.encode({name: mention.id for name, mention in found.items()}).decode()
        await self._in_store(self._store.set_meta, NAMES, kept)

    def _learn(self, found: Mapping[str, Mention]) -> None:
        self._mentions.update(found)
        self._tags.update({name: mention.tag for name, mention in found.items()})

    async def _find_names_later(self) -> None:
        while self._unresolved:
            await asyncio.sleep(AGAIN.total_seconds())
            try:
                await self._find_names()
            except ConfigError as error:
                log.error("names.unknown", said=str(error))  # noqa: TRY400 -- a sentence for people
                return

    def _mistake(self, unknown: Sequence[str], why: str) -> ConfigError:
        where = str(self._settings.path) if self._settings.path else "the environment"
        return ConfigError([Mistake(where, 0, 0, f"slack: {name} {why}") for name in unknown])

    # -- buttons -------------------------------------------------------------------------------------------------------

    def _button_tasks(self, bot: SlackClient, app: SlackClient, aftermath: Aftermath) -> list[asyncio.Task[None]]:
        slack = self._slack
        buttons = Buttons(
            self._store,
            self._in_store,
            Desk(self._store, self._rules),
            bot,
            responders=Roster(bot, None if slack.responders is None else self._those(slack.responders)),
            enders=Roster(bot, self._those(slack.end_sessions)),
            doors=self._doors,
            on_step=aftermath.wake,
            now_us=_now_us,
        )

        async def address() -> str:
            if not buttons.team:
                buttons.team = (await bot.identity()).team_id
            return await new_address(app)

        socket = Socket(address, buttons.take, on_change=self._noticed)
        work = {"socket": socket.run, "socket state": self._note_states}
        if slack.end_sessions:
            work["keys"] = self._look_at_keys
        return [asyncio.create_task(_kept_up(each, name), name=name) for name, each in work.items()]

    def _those(self, wanted: Sequence[str]) -> Callable[[], list[Mention]]:
        """Those of a list who are known by now."""
        return lambda: [self._mentions[name] for name in wanted if name in self._mentions]

    def _noticed(self, connected: bool, said: str) -> None:
        self._states.put_nowait(SocketState(open=connected, since_us=_now_us(), said=said))

    async def _note_states(self) -> None:
        """Keep in the store how the socket stands, for `status`."""
        while True:
            state = await self._states.get()
            await self._in_store(self._store.set_meta, SocketState.KEY, msgspec.json.encode(state).decode())

    async def _look_at_keys(self) -> None:
        """Which portals' keys may end sessions: only there is a button for it."""
        while True:
            wait = KEYS_EVERY
            for name, door in self._doors.items():
                try:
                    key = (await door.client.key()).content
                except PortalError as error:
                    log.debug("keys.unread", portal=name, said=str(error))
                    wait = AGAIN
                    continue
                permissions = key.get("permissions")
                door.may_write = isinstance(permissions, list) and not {"*", "*:write"}.isdisjoint(map(str, permissions))
                self.hands(name).end_sessions = door.may_write
            await asyncio.sleep(wait.total_seconds())


async def _kept_up(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Do something that shall not end by a mistake of ours, nor take anything else with it."""
    while True:
        try:
            return await work()
        except (LostOwnership, StoreBusy):
            raise
        except Exception:
            log.exception("reception.failed", task=name)
            await asyncio.sleep(AFTER_A_MISTAKE.total_seconds())


def _now_us() -> int:
    return time.time_ns() // 1_000
