"""A whole story without a clock or a socket: logins in, what stands in Slack's channel out.

The engine, the decision, the store and the outbox are the real ones; Slack is a list that takes what is due, or is down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alertbot.aftermath import Aftermath, Bureau
from alertbot.commit import Brought, Committer
from alertbot.engine import Engine
from alertbot.errors import SlackNeverLeft
from alertbot.event import Event
from alertbot.incidents import Incident, Watch
from alertbot.moments import span_us, to_us
from alertbot.outbox import Due, Message, OutboxEntry, Place, Policy, failed, shown, stands
from alertbot.rules.model import Rule
from alertbot.sandbox import slack_limits
from alertbot.settings import Route
from alertbot.silences import Scope, new_silence
from alertbot.slack.client import payload
from alertbot.store.records import PortalState
from alertbot.store.responses import PeopleCommit
from alertbot.store.store import Store
from alertbot.tell import Outlet
from tests.engine.build import START

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Shown:
    """A message as it stands in Slack."""

    id: str
    kind: str
    message: Message
    edits: int = 0
    thread: list[Shown] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def words(self) -> str:
        """All that its blocks say."""
        return "\n".join(part["text"] for part in slack_limits.text_objects(list(self.message.blocks)))


class Story:
    """One portal, watched. Times are minutes after START."""

    def __init__(self, store: Store, *rules: Rule, by_webhook: bool = False, routes: Sequence[Route] = ()) -> None:
        self.store = store
        self.rules = {rule.name: rule for rule in rules}
        self.channel: list[Shown] = []
        self.clock_us = to_us(START)
        self._places: dict[str, Shown] = {}
        self._engine = Engine(rules, "test", BERLIN)
        outlet = Outlet("test", "#security", BERLIN, "https://acme.example.com", by_webhook=by_webhook, routes=tuple(routes))
        self._committer = Committer(store, self._in_store, outlet, old_news=timedelta(hours=1), clock=lambda: self.clock_us)
        bureau = Bureau(outlet, self._committer.newsroom, self._committer.turn)
        self._aftermath = Aftermath(
            store, self._in_store, self.rules, {"test": bureau}, on_commit=lambda: None, now_us=lambda: self.clock_us
        )
        self._last_good_us: int | None = None

    async def _in_store(self, function: Any, *args: object, **named: object) -> Any:
        return function(*args, **named)

    async def poll(self, minute: float, *events: Event, deliver: bool = True) -> None:
        """The portal is read at this minute, and shows these events."""
        self.clock_us = to_us(START) + int(minute * span_us(timedelta(minutes=1)))
        difference = self._engine.propose(events)
        await self._committer.commit(
            PortalState(name="test", watching_since_us=0),
            self.rules,
            Watch(0),
            self.clock_us,
            brought=Brought(events),
            changed=difference.changed,
            gone=difference.gone,
            last_good_us=self._last_good_us,
        )
        self._engine.accept()
        self._last_good_us = self.clock_us
        if deliver:
            self.deliver()

    async def look(self, minute: float) -> None:
        """What follows on time is looked for at this minute, and told."""
        self.clock_us = to_us(START) + int(minute * span_us(timedelta(minutes=1)))
        await self._aftermath.look()
        self.deliver()

    def silence(self, account: str, minutes: int) -> None:
        """Somebody silences an account for a while."""
        scope = Scope("account", "", (("account", account),))
        until_us = self.clock_us + minutes * span_us(timedelta(minutes=1))
        one = new_silence(scope, portal=None, since_us=self.clock_us, until_us=until_us, by="ben", reason="expected")
        self.store.respond(PeopleCommit(silences=[one]))

    def deliver(self) -> None:
        """Slack takes all that is due, a few seconds later."""
        now_us = self.clock_us + span_us(timedelta(seconds=5))
        while due := self.store.claim(now_us):
            for each in due:
                self.store.settle([stands(each.entry, self._take(each), now_us)])

    def slack_is_down(self) -> None:
        """Slack is tried once, and does not answer at all."""
        now_us = self.clock_us + span_us(timedelta(seconds=5))
        for each in self.store.claim(now_us):
            self.store.settle([failed(each.entry, SlackNeverLeft("down"), now_us, Policy())])

    def _take(self, due: Due) -> Place:
        entry = due.entry
        addresses = {name: f"https://slack.example/{place.ts}" for name, place in due.links.items()}
        message = shown(entry, addresses=addresses)
        assert slack_limits.refusal(payload(message), update=entry.update_of is not None) is None
        if entry.update_of is not None and due.target is not None:
            standing = self._places[due.target.ts]
            standing.message, standing.edits = message, standing.edits + 1
            return due.target
        posted = Shown(entry.id, entry.kind, message)
        ts = f"{len(self._places) + 1}.0"
        self._places[ts] = posted
        if due.target is not None:
            self._places[due.target.ts].thread.append(posted)
        else:
            self.channel.append(posted)
        return Place("C1", ts)

    @property
    def texts(self) -> list[str]:
        """The first lines in the channel."""
        return [each.text for each in self.channel]

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.channel]

    def incidents(self) -> list[Incident]:
        return self.store.incidents(portal="test")

    def reasons(self, incident: Incident) -> list[str]:
        return [str(entry.reason) for entry in self.store.incident_log(incident.id)]

    def waiting(self) -> Sequence[OutboxEntry]:
        return self.store.entries(state="waiting")
