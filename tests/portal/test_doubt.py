"""The night when summer time ends: the portal dates events an hour off, and none is lost, doubled, or in the way of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alertbot.event import Event
from alertbot.moments import from_us
from alertbot.portal.client import PortalClient, connect
from alertbot.portal.history import HistoryReader
from alertbot.rows import parse_row, to_public
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.envelope import Dialect
from alertbot.sandbox.holdings import Settings
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
"""An hour and a half before the first 02:30 of the night."""


@pytest.mark.parametrize("dates", ["text", "object"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
async def test_events_of_the_repeated_hour_are_kept_marked_and_in_nobodys_way(dates: str, zone: str) -> None:
    """Whether or not the configuration names the portal's zone, each event is read once, and at once."""
    clock = SandboxClock(EVENING, running=False)
    dialect = Dialect(repeated_hour="off", dates=dates)  # type: ignore[arg-type]
    portal = SandboxPortal(clock, zone=BERLIN, settings=Settings(dialect=dialect))
    passed = 0.0
    found: list[Event] = []
    async with Server(portal):
        settings = PortalSettings.model_validate({"url": portal.url, "api_key": portal.key.token, "zone": zone})
        async with connect([settings]) as http:
            client = PortalClient(settings, http, clock=clock.now)
            reader = HistoryReader(client, settings, "login", [], [], monotonic=lambda: passed)
            for _ in range(24):
                clock.advance(timedelta(minutes=10))
                passed += 600
                portal.add({"login": "anna@example.com", "actionId": 1002})
                before = len(found)
                async for batch in reader.read():
                    found += batch.events
                    reader.stored(batch)
                assert len(found) == before + 1, from_us(found[-1].at_us)
    assert sorted(event.id for event in found) == sorted(row.id for row in portal.shown())
    real = {row.id: row.at_us for row in portal.shown()}
    off = [event for event in found if event.at_us != real[event.id]]
    assert len(off) == 6
    assert all(event.hour_doubtful for event in off)
    sure = [event for event in found if not event.hour_doubtful]
    assert len(sure) == (12 if zone == "Europe/Berlin" else 18)
    assert all("hourDoubtful" not in to_public(event) for event in sure)
    assert all(parse_row(to_public(event), "main").hour_doubtful for event in off)
