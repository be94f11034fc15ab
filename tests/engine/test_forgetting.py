"""State dies with its window: whatever the pattern, keys that went silent are let go."""

from __future__ import annotations

import pytest

from alertbot.engine import Engine
from alertbot.engine.state import Switch
from alertbot.engine.table import Table
from alertbot.rules.model import (
    Absence,
    Burst,
    Distinct,
    Dormant,
    FirstSeen,
    LearnedHours,
    Pattern,
    Rule,
    Sequence_,
    Source,
    Spike,
    Step,
    Temporal,
    Travel,
)
from tests.engine.build import ANY, FAILED, MINUTE, UTC, event, rule

DAY = 1440 * MINUTE
PATTERNS: list[tuple[Pattern, ...]] = [
    (Burst(2, 30 * MINUTE),),
    (Burst(2, 30 * MINUTE), Burst(3, 20 * MINUTE)),
    (Distinct(("ip",), 2, 30 * MINUTE),),
    (Distinct(("ip",), 2, 30 * MINUTE), Distinct(("ip",), 3, 20 * MINUTE)),
    (Sequence_(30 * MINUTE, (Step(3, FAILED), Step(1, ANY))),),
    (FirstSeen((("ip",),), 20 * MINUTE, 10 * MINUTE),),
    (Travel(20_037.0, 0.0, 60 * MINUTE),),
    (Spike(20 * MINUTE, 1.5, 40 * MINUTE, 1),),
    (Dormant(20 * MINUTE, 60 * MINUTE),),
    (Absence(60 * MINUTE, None),),
    (Temporal(1, 60 * MINUTE),),
]


def held(engine: Engine) -> int:
    """How many cells all tables of the settled fold hold, a table that rules share once."""
    found: dict[int, int] = {}
    for state in engine._settled.states:
        for owner in (state, getattr(state, "switch", None)):
            names = (name for kind in type(owner).__mro__ for name in getattr(kind, "__slots__", ()))
            for name in names if owner else ():
                value = getattr(owner, name)
                if isinstance(value, (Table, dict)):
                    found[id(value)] = len(value)
    return sum(found.values())


@pytest.mark.parametrize("patterns", PATTERNS, ids=lambda patterns: type(patterns[0]).__name__)
def test_keys_that_went_silent_are_let_go(patterns: tuple[Pattern, ...]) -> None:
    rules: list[Rule] = [
        rule(pattern, None if isinstance(pattern, Sequence_ | Temporal) else FAILED, name=f"rule {n}")
        for n, pattern in enumerate(patterns)
    ]
    if isinstance(patterns[0], Temporal):
        heard = rule(Burst(2, MINUTE), name="heard")
        rules = [heard, rule(patterns[0], None, sources=(Source("heard", ("account",)),))]
    engine = Engine(rules, "test", UTC)
    places = ((52.52, 13.41), (35.69, 139.69))
    engine.fold_all(
        event(4 * n + k, n * MINUTE, account=f"user {n}", ip=f"1.1.1.{k}", geo=places[k % 2])
        for n in range(1_000)
        for k in range(3)
    )
    assert 0 < held(engine) < 700


def test_hours_that_were_learned_long_ago_are_let_go() -> None:
    engine = Engine([rule(LearnedHours(10 * DAY, None))], "test", UTC)
    engine.fold_all(event(n, n * DAY, account=f"user {n}") for n in range(200))
    assert 0 < held(engine) <= 24


def test_what_goes_on_is_extended_for_as_long_as_the_window_and_not_held_longer() -> None:
    engine = Engine([rule(Burst(2, 10 * MINUTE))], "test", UTC)
    engine.fold_all(event(2 * n + k, n * MINUTE, account=f"user {n}") for n in range(200) for k in range(2))
    switch = engine._settled.states[0].switch  # type: ignore[attr-defined]
    assert isinstance(switch, Switch)
    assert len(switch.open) <= 20
