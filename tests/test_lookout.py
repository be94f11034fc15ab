"""The lookout over keys: asked daily, told in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from alertbot.alarms import Post
from alertbot.lookout import Lookout
from alertbot.moments import to_us
from alertbot.portal.client import PortalClient, connect
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings
from alertbot.store.store import Store

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)


async def in_store(function: Any, *args: object, **named: object) -> Any:
    return function(*args, **named)


async def test_a_key_is_asked_about_daily_and_its_end_is_told_14_3_and_1_days_before_to_the_hour(tmp_path: Path) -> None:
    clock = SandboxClock(NOW, running=False)
    portal = SandboxPortal(clock)
    ends = NOW + timedelta(days=15, hours=5)
    portal.put_key(msgspec.structs.replace(portal.key, expires_at=ends))
    store = Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True)
    lookout = Lookout(store, in_store, Post(channel="#c"), on_commit=lambda: None, now_us=lambda: to_us(clock.now()))
    async with Server(portal):
        settings = PortalSettings.model_validate({"url": portal.url, "api_key": portal.key.token})
        async with connect([settings]) as http:
            await lookout.open([settings.name])
            lookout.add(settings, PortalClient(settings, http, clock=clock.now))
            told: list[int] = []
            while clock.now() < ends:
                clock.advance(timedelta(hours=1))
                await lookout.ask_about_keys()
                await lookout.look()
                clock.advance(timedelta(seconds=10))
                await lookout.look()
                if len([entry for entry in store.entries() if entry.update_of is None]) > len(told):
                    told.append((ends - clock.now()) // timedelta(hours=1))
    store.close()
    assert [-(-hours // 24) for hours in told] == [14, 3, 1]
    assert all(hours % 24 >= 22 for hours in told), told
    assert portal.asked == 16
