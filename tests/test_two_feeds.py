"""The lookout joins what the polls of a portal's two feeds come to: what is well and what is not is said of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alertbot.alarms import Post
from alertbot.errors import PortalTransient, PortalUnreachable
from alertbot.lookout import Lookout
from alertbot.moments import span_us
from alertbot.portal.client import PortalClient
from alertbot.portal.notes import deleted
from alertbot.settings import PortalSettings
from alertbot.store.store import Store

BROKEN = PortalTransient("The portal main has trouble of its own (500).")
GONE = PortalUnreachable("The portal main did not answer in time.")


class Watched:
    """A lookout over one portal, and a time that the test passes in."""

    def __init__(self, store: Store) -> None:
        self.now_us = 1_768_471_200_000_000
        self.store = store
        self.lookout = Lookout(store, _in_store, Post(channel="#security"), on_commit=lambda: None, now_us=lambda: self.now_us)
        settings = PortalSettings.model_validate({"url": "https://portal.example", "api_key": "k"})
        self.lookout.add(settings, PortalClient(settings, httpx.AsyncClient()))

    async def pass_(self, span: timedelta, *polls: Callable[[], None]) -> None:
        """Let time pass, with polls every ten seconds."""
        until_us = self.now_us + span_us(span)
        while self.now_us < until_us:
            for poll in polls:
                poll()
            self.now_us += span_us(timedelta(seconds=10))
            await self.lookout.look()

    def login(self, error: Any = None) -> Callable[[], None]:
        """A poll of the logins."""
        return lambda: self.lookout.failed("main", "login", error) if error else self.lookout.succeeded("main", "login")

    def audit(self, error: Any = None) -> Callable[[], None]:
        """A poll of the audit trail."""
        return lambda: self.lookout.failed("main", "audit", error) if error else self.lookout.succeeded("main", "audit")

    @property
    def told(self) -> list[str]:
        """What people were told, without changes of it."""
        return [entry.message.text.split(" · ")[1 if entry.kind == "self" else 0] for entry in self.store.entries()]


async def _in_store(function: Callable[..., Any], *args: object, **named: object) -> Any:
    return function(*args, **named)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as store:
        yield Watched(store)


async def test_an_audit_trail_that_fails_alone_is_told_though_the_logins_are_read(watched: Watched) -> None:
    await watched.pass_(timedelta(minutes=6), watched.login(), watched.audit(BROKEN))
    assert watched.told == ["Audit trail cannot be read"]
    await watched.pass_(timedelta(minutes=2), watched.login(), watched.audit())
    assert watched.told == ["Audit trail cannot be read", "Over: Audit trail cannot be read"]


async def test_a_portal_that_is_away_is_one_trouble(watched: Watched) -> None:
    await watched.pass_(timedelta(minutes=20), watched.audit(GONE), watched.login(GONE))
    assert watched.told == ["Portal cannot be read"]


async def test_an_audit_trail_that_is_read_does_not_end_what_keeps_the_logins_from_being_seen(watched: Watched) -> None:
    await watched.pass_(timedelta(minutes=6), watched.audit(), watched.login(BROKEN))
    assert watched.told == ["Portal cannot be read"]


async def test_a_feed_that_no_rule_looks_at_any_more_has_no_trouble(watched: Watched) -> None:
    await watched.pass_(timedelta(minutes=6), watched.login(), watched.audit(BROKEN))
    await watched.pass_(timedelta(minutes=20), watched.login(), lambda: watched.lookout.left("main", "audit"))
    assert watched.told == ["Audit trail cannot be read", "Over: Audit trail cannot be read"]


async def test_a_feed_that_is_read_for_long_lags_though_the_other_is_up_to_date(watched: Watched) -> None:
    await watched.pass_(timedelta(minutes=1), watched.login(), watched.audit())
    await watched.pass_(timedelta(minutes=3), watched.login())
    assert watched.told == ["Reading lags behind"]


async def test_gaps_are_told_of_each_feed_by_its_name(watched: Watched) -> None:
    for feed, start_us in (("login", 9_000_000), ("audit", 1_000_000)):
        await watched.lookout.noted("main", [deleted("main", feed, start_us, start_us + 1_000_000)])  # type: ignore[arg-type]
    await watched.pass_(timedelta(minutes=1), watched.login(), watched.audit())
    assert watched.told == ["Gap in the login history", "Gap in the audit trail"]
