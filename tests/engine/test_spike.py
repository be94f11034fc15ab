"""`spike` is its definition, and says what the documentation says."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.event import Event, id_of
from alertbot.rules.model import Selection, Spike
from tests.engine import reference
from tests.engine.build import MINUTE, UTC, event, firing_ids, found_by, rule, selection

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
USUAL = Spike(HOUR, 3.0, 7 * DAY, 5)

BUSY = selection(page="1")

moves = st.tuples(st.integers(0, 4), st.sampled_from(["anna", "anna", "ben"]))


@settings(deadline=None)
@given(
    st.lists(moves, max_size=10) | st.lists(moves, min_size=20, max_size=60),
    st.integers(1, 4),
    st.sampled_from([0.5, 1.0, 1.1, 2.5, 3.0]),
    st.integers(4, 20),
    st.integers(1, 5),
    st.sampled_from([None, None, BUSY]),
)
@example([(0, "ben"), (1, "anna"), (3, "ben"), (2, "anna"), (0, "ben")], 1, 0.5, 4, 1, None)
def test_spike_is_its_definition(
    steps: list[tuple[int, str]], within: int, factor: float, usual: int, count: int, only: Selection | None
) -> None:
    pattern = Spike(within * MINUTE, factor, usual * MINUTE, count)
    after, events = timedelta(), []
    for number, (minutes, account) in enumerate(steps):
        after += minutes * MINUTE
        events.append(event(number, after, account=account, page=f"{number % 2}"))
    expected = [
        found
        for matches in reference.by_key(events, lambda e: e.account).values()
        for found in reference.spike(pattern, matches, only.test if only else lambda e: True)
    ]
    found = found_by([rule(pattern, only=only)], events)
    as_reference = [(f.key[0], id_of(f.firing), tuple(map(id_of, f.events)), f.last_us, f.count) for f in found]
    assert sorted(as_reference) == sorted(expected)


def _week(every: timedelta) -> list[Event]:
    """Failures in equal steps for a week, the first one a week and an hour before the hour that counts."""
    return [event(n, -7 * DAY - HOUR + n * every) for n in range(int(7 * DAY / every))]


def _hour(times: int) -> list[Event]:
    return [event(10_000 + n, n * MINUTE / 10) for n in range(times)]


def test_it_fires_when_the_window_holds_factor_times_the_usual() -> None:
    # Two an hour are usual: the sixth within the hour is three times that.
    assert found_by([rule(USUAL)], _week(HOUR / 2) + _hour(5)) == []
    assert firing_ids(found_by([rule(USUAL)], _week(HOUR / 2) + _hour(6))) == [10_005]


def test_it_needs_count_however_little_is_usual() -> None:
    assert found_by([rule(USUAL)], _week(DAY) + _hour(4)) == []
    assert firing_ids(found_by([rule(USUAL)], _week(DAY) + _hour(5))) == [10_004]


def test_the_usual_is_not_rounded() -> None:
    # 169 in 168 windows are a little more than one each: three times that is more than three.
    pattern = Spike(HOUR, 3.0, 7 * DAY, 3)
    one_each = [*_week(HOUR), event(9_000, -3 * DAY + MINUTE)]
    more = [*one_each, event(9_001, -3 * DAY + MINUTE)]
    assert firing_ids(found_by([rule(pattern)], one_each + _hour(3))) == [10_002]
    assert firing_ids(found_by([rule(pattern)], more + _hour(3))) == []


def test_it_is_silent_until_the_first_match_is_as_old_as_the_usual_time() -> None:
    storm = [event(n, n * timedelta(seconds=1)) for n in range(10)]
    assert found_by([rule(USUAL)], storm) == []
    assert found_by([rule(USUAL)], [event(100, -7 * DAY + timedelta(seconds=10)), *storm]) == []
    assert firing_ids(found_by([rule(USUAL)], [event(100, -7 * DAY + timedelta(seconds=9)), *storm])) == [9]


def test_the_usual_time_has_its_start_and_not_the_window_s() -> None:
    # At 0 the window is -10 to 0 and the usual time -30 to -10, its end left out.
    pattern = Spike(10 * MINUTE, 4.0, 20 * MINUTE, 2)

    def fires(*minutes: int) -> bool:
        events = [event(n, minute * MINUTE) for n, minute in enumerate(minutes)]
        return len(minutes) - 1 in firing_ids(found_by([rule(pattern)], events))

    assert fires(-60, -30, -5, 0)
    assert not fires(-60, -30, -30, -5, 0)
    assert fires(-60, -31, -31, -5, 0)
    assert fires(-60, -30, -30, -10, -10, -10, 0)
    assert not fires(-60, -30, -30, -11, -11, -11, 0)


def test_it_is_extended_while_it_lasts_and_fires_again_after_it_was_over() -> None:
    found = found_by([rule(USUAL)], _week(DAY) + _hour(8) + [event(20_000 + n, 5 * HOUR + n * MINUTE) for n in range(6)])
    assert [(id_of(f.firing), f.count) for f in found] == [(10_004, 8), (20_004, 6)]


def test_a_key_that_is_hammered_for_days_stays_small() -> None:
    # A hundred failures in each of 2,000 seconds leave 2,000 pairs, not 200,000.
    pattern = Spike(10 * MINUTE / 10, 3.0, DAY, 5)
    engine = Engine([rule(pattern)], "test", UTC)
    engine.fold_all(event(n, timedelta(seconds=n // 100)) for n in range(200_000))
    cell = engine._settled.states[0].table.peek("anna")
    assert cell is not None
    assert len(cell) < 2 * 2_000 + 2 * 61 * 100 + 20_000
