"""Stations 2 and 3 for one portal: its directory, kept fresh, and who and where of the events that come.

In come the events of both feeds; out go the same with account, person and place. The directory is read every quarter of an
hour, and when somebody acts whom it does not know; where it cannot be read, the one that is known serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import msgspec
import structlog

from alertbot.errors import PortalError, PortalTransient
from alertbot.event import Event
from alertbot.identity import Directory, enrich, needs_lookup
from alertbot.portal.client import PortalClient
from alertbot.portal.people import Person, read_people
from alertbot.store.records import StoredPerson

PEOPLE_EVERY = timedelta(minutes=15)
PEOPLE_AGAIN = timedelta(minutes=1)
"""How soon the directory is asked for again after it could not be read."""

log = structlog.get_logger("alertbot.enrichment")


class Enrichment:
    """Who and where. `people`, once they were read anew, are to be stored with the next commit, and then `stored` is called."""

    def __init__(self, client: PortalClient, monotonic: Callable[[], float]) -> None:
        self.people: list[StoredPerson] | None = None
        self._client = client
        self._monotonic = monotonic
        self._directory = Directory(())
        self._due = 0.0
        self._unknown: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    def take_up(self, stored: Iterable[StoredPerson]) -> None:
        """The directory as it was read last."""
        self._directory = Directory(msgspec.json.decode(person.body, type=Person) for person in stored)

    def stored(self, people: list[StoredPerson] | None) -> None:
        """These were committed; others may have been read meanwhile."""
        if self.people is people:
            self.people = None

    async def refresh(self) -> None:
        """Read the directory if it is time.

        With none at all PortalTransient is raised: what is stored without knowing anybody stays so.
        """
        async with self._one_at_a_time:
            if self._monotonic() < self._due:
                return
            error = await self._read()
            if error is None:
                self._unknown.clear()
            elif isinstance(error, PortalTransient) and not len(self._directory):
                self._due = 0.0
                raise error

    async def enrich(self, events: Sequence[Event]) -> list[Event]:
        """The events with who and where."""
        async with self._one_at_a_time:
            unknown = needs_lookup(events, self._directory) - self._unknown
            if unknown and await self._read() is None:
                self._unknown |= unknown  # the directory does not have them: asking again would not help
        return [enrich(event, self._directory) for event in events]

    async def _read(self) -> PortalError | None:
        name = self._client.portal.name
        try:
            people = await read_people(self._client)
        except PortalError as exc:
            log.warning("people.unread", portal=name, error=str(exc))
            self._due = self._monotonic() + PEOPLE_AGAIN.total_seconds()
            return exc
        self._directory = Directory(people)
        self.people = [StoredPerson(person.id, msgspec.json.encode(person)) for person in people]
        self._due = self._monotonic() + PEOPLE_EVERY.total_seconds()
        log.debug("people.read", portal=name, people=len(people))
        return None
