"""The engine that is built beside the one at work knows what comes to be known while it is built."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from alertbot.engine.table import MOST_KEYS
from alertbot.feeds import Feeds, FeedState, Span, Stage
from alertbot.moments import span_us, to_us
from alertbot.rules.model import Absence
from alertbot.settings import PortalSettings
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from alertbot.successor import Succession, Successor
from alertbot.versions import Versions
from tests.engine.build import MINUTE, START, event, rule

SILENCE = {"silence": rule(Absence(30 * MINUTE, None), name="silence", by=("portal",))}
STATE = PortalState(name="main", watching_since_us=to_us(START), evaluated_to_us=to_us(START))
LONG_AGO, JUST_NOW = 100, 500
"""Minutes after START at which nothing comes for 40 minutes, before and after what is settled; the last event comes at 600."""


async def in_store(function: Any, *args: object, **named: object) -> Any:
    return function(*args, **named)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    silent = [range(LONG_AGO + 1, LONG_AGO + 40), range(JUST_NOW + 1, JUST_NOW + 40)]
    minutes = [minute for minute in range(601) if not any(minute in one for one in silent)]
    with Store.open(f"sqlite:///{tmp_path}/alertbot.db", write=True) as opened:
        events = [event(minute, minute * MINUTE, portal="main") for minute in minutes]
        opened.commit_poll(PollCommit(state=STATE, events=events))
        yield opened


def gap(minute: int) -> tuple[Span, ...]:
    return ((to_us(START + minute * MINUTE) + 1, to_us(START + (minute + 40) * MINUTE) - 1),)


async def built(store: Store, gaps: tuple[Span, ...], known_after: int) -> Succession:
    """What is so when an engine takes over, of which the gaps became known after so many of its pauses."""
    login = FeedState("login", None, is_new=False, stage=Stage.WHOLE)  # type: ignore[arg-type]
    feeds, settings = Feeds({"login": login}), PortalSettings(url="https://acme.example", api_key=SecretStr("k"))
    successor = Successor(settings, SILENCE, feeds, store, in_store, most_keys=MOST_KEYS)
    await successor.begin(STATE, Versions("main"))
    pauses = 0
    async for _ in successor.load():
        if pauses == known_after:
            login.gaps = gaps
        pauses += 1
    if known_after == AT_THE_END:
        login.gaps = gaps
    else:
        assert pauses > known_after
    successor.engine.advance_to(to_us(START + 600 * MINUTE), "login")
    return await successor.succeed(STATE, Versions("main"))


AT_THE_END = 1_000


def silences(succession: Succession) -> list[int]:
    """At which minutes silences fired."""
    return [(found.at_us - to_us(START)) // span_us(timedelta(minutes=1)) for found in succession.difference.changed]


@pytest.mark.parametrize("known_after", [0, 3, 5, AT_THE_END])
async def test_no_silence_goes_across_what_turned_out_meanwhile_not_to_have_been_read(store: Store, known_after: int) -> None:
    succession = await built(store, gap(JUST_NOW), known_after)
    assert silences(succession) == [LONG_AGO + 30]
    assert succession.owed_us == {"login": None}


async def test_a_gap_before_what_is_settled_is_owed_and_the_next_one_knows_it(store: Store) -> None:
    succession = await built(store, gap(LONG_AGO), AT_THE_END)
    assert silences(succession) == [LONG_AGO + 30, JUST_NOW + 30]
    assert succession.owed_us == {"login": gap(LONG_AGO)[0][0]} == {"login": succession.state.rebuild_from_us}
