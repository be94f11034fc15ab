"""After an outage of days: what is there is read and told in one summary, what is not is a gap, and one sees how far it is."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from alertbot.config import load
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.standing import as_json, standing
from tests.endtoend.world import World, words, world

ATTACKED = [f"a{number}@example.com" for number in range(4)]


def portal_status(office: World) -> dict[str, Any]:
    """What `alertbot status --format json` says of the portal."""
    with office.store() as store:
        now = standing(load(office.folder / "alertbot.yaml", office.environment), store, time.time_ns() // 1_000)
    (portal,) = as_json(now)["portals"]
    return dict(portal)


async def test_after_days_away_old_news_are_one_summary_and_what_was_deleted_is_a_gap(tmp_path: Path) -> None:
    async with world(tmp_path, history=30) as office:
        office.configure(old_news="2s", portal={"max_skew": None})
        bot = await office.start()
        await office.first_told()
        await office.settled()
        await office.stop(bot)
        portal = office.portal
        portal.settings = msgspec.structs.replace(portal.settings, lifetime_days=7)
        portal.clock.advance(timedelta(days=10))
        for number in range(2_600):
            office.enter("ben@example.com", ago=120 + number * 60)
        for place, login in enumerate(ATTACKED):
            office.fail(login, 3, ago=600 + 300 * place)
        held = portal.faults.add(Fault(kind=FaultKind.HOLD, path="/filter", skip=22, times=None))
        bot = await office.start()
        await portal.faults.until_held()
        await office.until(lambda: bool(office.logged("catch_up")), "the log does not say how far it is")
        status = portal_status(office)
        assert status["catching_up"] is not None, status
        assert 0 < status["catching_up"]["done"] < 1
        assert (status["gaps"], status["plan"]) == ([], "audit")
        await office.kill(bot)
        portal.faults.release(held)
        bot = await office.start()
        summary = await office.told("while alertbot could not read the portal")
        await office.told("Gap in the login history")
        status = portal_status(office)
        assert status["catching_up"] is None
        assert len(status["gaps"]) == 1
        assert office.logged("catch_up.done")
        office.fail("new@example.com", 3)
        await office.told("new@example.com")
        await office.stop(bot)
        assert "4 incidents" in words(summary)
        told = [one.text for one in office.slack.space.of("#security") if "Password guessing" in one.text]
        assert len([text for text in told if "new@example.com" in text]) == 1
        assert not [login for login in ATTACKED if any(text.startswith("HIGH") and login in text for text in told)]
