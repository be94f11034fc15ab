"""A storm of 10,000 events a minute, over HTTP: within the portal's limits, nothing lost, and what is new is told in time."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime
from statistics import quantiles

from alertbot.moments import to_us
from alertbot.portal.client import PortalClient, connect
from alertbot.portal.history import HistoryReader
from alertbot.portal.ranges import Range
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.holdings import Settings
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.limits import Limits
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings

START = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
SECOND_US = 1_000_000
A_MINUTE = 10_000
POLL_S = 10.0
LATENCY_S = 0.05


def storm(first_s: int, last_s: int) -> list[Row]:
    """Events of whole seconds, as MySQL keeps them, 10,000 a minute; each second's are shown at its end."""
    rows = []
    for number in range(first_s * A_MINUTE // 60, last_s * A_MINUTE // 60):
        at_us = to_us(START) + number * 60 // A_MINUTE * SECOND_US
        rows.append(_row(1_000_000 + number, at_us, at_us + SECOND_US))
    return rows


def _row(number: int, at_us: int, appears_us: int) -> Row:
    return Row(id=number, at_us=at_us, appears_us=appears_us, action_id=1002, user_id="", fields={"login": f"u{number}"})


async def test_ten_thousand_events_a_minute_stay_within_the_limits_and_keep_nothing_waiting() -> None:
    """What is new waits for a poll and its pages, not for the deep read; what lies deep, for a minute and what it takes."""
    known, late = storm(-300, 0), [_row(n, to_us(START) - 280 * SECOND_US, to_us(START) + n * SECOND_US) for n in (1, 21)]
    portal = SandboxPortal(SandboxClock(START), settings=Settings(limits=Limits(requests=10**6)))
    passed = 0.0
    clock = portal.clock = SandboxClock(START, real=lambda: passed + LATENCY_S * portal.asked)
    portal.load([*known, *storm(0, 180), *late])

    def now_s() -> float:
        return (clock.now() - START).total_seconds()

    async def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    offered: dict[int, float] = {row.id: 0.0 for row in known}
    async with Server(portal):
        settings = PortalSettings.model_validate({"url": portal.url, "api_key": portal.key.token})
        async with connect([settings]) as http:
            client = PortalClient(settings, http, sleep=sleep, clock=clock.now, monotonic=now_s)
            covered = [Range(to_us(START) - 3_600 * SECOND_US, known[-1].at_us)]
            recent = [(row.id, row.at_us) for row in known]
            reader = HistoryReader(client, settings, "login", covered, recent, monotonic=now_s)
            due_s = 0.0
            while now_s() < 90:
                await sleep(max(0.0, due_s - now_s()))
                due_s = max(due_s + POLL_S, now_s())
                began_s = now_s()
                async for batch in reader.read():
                    for event in batch.events:
                        assert event.id not in offered, "an event was offered twice"
                        offered[event.id] = now_s()
                    reader.stored(batch)
                assert now_s() - began_s < POLL_S + 2, "new events wait for a deep read"
    waited = {
        row.id: offered.get(row.id, now_s()) - (row.appears_us - to_us(START)) / 1e6
        for row in portal.shown()
        if row.appears_us > to_us(START)
    }
    deciles = quantiles(waited.values(), n=10)
    assert (deciles[4] < POLL_S, deciles[8] < 2 * POLL_S) == (True, True), deciles
    assert max(waited[row.id] for row in late) < 60 + POLL_S, "they lie deep"
    asked = [to_us(one.portal_now) for one in portal.requests]
    assert max(number - bisect_left(asked, at_us - 60 * SECOND_US) for number, at_us in enumerate(asked, 1)) < 1_500
