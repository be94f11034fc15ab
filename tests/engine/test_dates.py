"""What is found does not depend on the date: neither at the first and the last of all nor where windows happen to be cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.moments import to_us
from alertbot.rules.model import (
    Absence,
    Burst,
    Distinct,
    Dormant,
    Each,
    FirstSeen,
    Rule,
    Sequence_,
    Source,
    Spike,
    Step,
    Temporal,
    Travel,
)
from tests.engine.build import ANY, FAILED, MINUTE, START, SUCCEEDED, found_by, rule
from tests.engine.histories import histories

PLACES = {"1.1.1.1": (52.52, 13.41), "2.2.2.2": (35.69, 139.69)}
RULES: list[Rule] = [
    rule(Each(), SUCCEEDED, name="each"),
    rule(Burst(3, 10 * MINUTE), name="burst"),
    rule(Distinct(("ip",), 2, 10 * MINUTE), ANY, name="distinct"),
    rule(Sequence_(20 * MINUTE, (Step(2, FAILED), Step(1, SUCCEEDED))), None, name="sequence"),
    rule(FirstSeen((("ip",),), 30 * MINUTE, 5 * MINUTE), ANY, name="new"),
    rule(Travel(900.0, 500.0, 30 * MINUTE), ANY, name="travel"),
    rule(Spike(5 * MINUTE, 1.5, 20 * MINUTE, 2), ANY, name="spike"),
    rule(Dormant(6 * MINUTE, 40 * MINUTE), ANY, name="dormant"),
    rule(Absence(5 * MINUTE, None), ANY, name="absence"),
    rule(Temporal(2, 8 * MINUTE, 2), None, name="both", sources=(Source("each", ("account",)), Source("burst", ("account",)))),
]
FIRST_US, LAST_US = (to_us(moment.replace(tzinfo=UTC)) for moment in (datetime.min, datetime.max))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@settings(deadline=None)
@given(histories(), st.sampled_from(["the first day", "1970", "the last day"]) | st.timedeltas(timedelta(), timedelta(days=2)))
def test_findings_move_with_the_events(events: list[Event], where: str | timedelta) -> None:
    events = [replace(e, geo=PLACES.get(e.ip or "")) for e in events]
    end_us = max((e.at_us for e in events), default=0)
    match where:
        case "the first day":
            later_us = FIRST_US - to_us(START)
        case "1970":
            later_us = to_us(EPOCH - 10 * MINUTE) - to_us(START)
        case "the last day":
            later_us = LAST_US - end_us
        case _:
            later_us = where // timedelta(microseconds=1)
    moved = [replace(e, at_us=e.at_us + later_us) for e in events]
    assert found_by(RULES, moved) == [_moved(found, later_us) for found in found_by(RULES, events)]


def _moved(found: Finding, later_us: int) -> Finding:
    return replace(found, first_us=found.first_us + later_us, at_us=found.at_us + later_us, last_us=found.last_us + later_us)
