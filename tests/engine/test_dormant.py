"""`dormant` is its definition, and says what the documentation says."""

from __future__ import annotations

from datetime import UTC, date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.rules.model import Dormant, Exemption
from tests.engine import reference
from tests.engine.build import ANY, FAILED, MINUTE, SUCCEEDED, event, firing_ids, found_by, rule
from tests.engine.histories import Spared, spared

DAY = timedelta(days=1)
MONTH = Dormant(30 * DAY, 180 * DAY)

moves = st.tuples(st.integers(0, 9), st.sampled_from(["anna", "ben", "eve"]), st.sampled_from(["failure", "success"]))


@settings(deadline=None)
@given(
    st.lists(moves, max_size=10) | st.lists(moves, min_size=20, max_size=40),
    st.integers(1, 8),
    st.integers(4, 20),
    st.booleans(),
    spared,
)
def test_dormant_is_its_definition(
    steps: list[tuple[int, str, str]], silence: int, memory: int, by_account: bool, left: Spared
) -> None:
    pattern = Dormant(silence * MINUTE, memory * MINUTE)
    after, events = timedelta(), []
    for number, (minutes, account, outcome) in enumerate(steps):
        after += minutes * MINUTE
        more = {"known": account != "eve", "name": account, "country": ("Germany", "Japan")[number % 2]}
        events.append(event(number, after, outcome, account=account, ip=f"{1 + number % 3}.1.1.1", **more))
    successes = reference.by_key([e for e in events if e.outcome == "success"], lambda e: e.account)
    expected = [
        fired
        for matches in successes.values()
        for fired in reference.dormant(pattern, matches, events[0], left.fires, by_account=by_account)
    ]
    by = ("account",) if by_account else ("name",)
    assert firing_ids(found_by([rule(pattern, SUCCEEDED, by=by, **left.settings)], events)) == sorted(expected)


def test_it_fires_after_a_silence_longer_than_after_and_not_after_one_as_long() -> None:
    first = event(1, 0 * DAY, "success")
    assert found_by([rule(MONTH, ANY)], [first, event(2, 30 * DAY, "success")]) == []
    assert firing_ids(found_by([rule(MONTH, ANY)], [first, event(2, 30 * DAY + MINUTE, "success")])) == [2]


def test_it_fires_once_for_a_silence() -> None:
    back = [event(n, 40 * DAY + n * MINUTE, "success") for n in (2, 3)]
    assert firing_ids(found_by([rule(MONTH, ANY)], [event(1, 0 * DAY), *back])) == [2]


def test_an_account_of_the_directory_without_a_match_was_silent_since_the_first_event_of_all() -> None:
    somebody = event(1, 0 * DAY, "failure", account="ben")
    late = event(2, 31 * DAY, "success", account="anna", known=True)
    early = event(2, 30 * DAY, "success", account="anna", known=True)
    assert firing_ids(found_by([rule(MONTH, SUCCEEDED)], [somebody, late])) == [2]
    assert found_by([rule(MONTH, SUCCEEDED)], [somebody, early]) == []


def test_an_account_outside_the_directory_without_a_match_is_new_and_not_dormant() -> None:
    somebody = event(1, 0 * DAY, "failure", account="ben")
    assert found_by([rule(MONTH, SUCCEEDED)], [somebody, event(2, 90 * DAY, "success", account="guest")]) == []


def test_what_is_older_than_memory_is_forgotten() -> None:
    guest = [event(1, 0 * DAY, "success"), event(2, 180 * DAY + MINUTE, "success")]
    assert found_by([rule(MONTH, ANY)], guest) == []
    assert firing_ids(found_by([rule(MONTH, ANY)], [guest[0], event(2, 180 * DAY, "success")])) == [2]


def test_an_exempt_event_ends_a_silence_without_firing() -> None:
    exempt = rule(MONTH, ANY, exemptions=(Exemption(FAILED, "a test of the monitoring", None),))
    events = [event(1, 0 * DAY, "success"), event(2, 40 * DAY, "failure"), event(3, 41 * DAY, "success")]
    assert found_by([exempt], events) == []
    ended = rule(MONTH, ANY, exemptions=(Exemption(FAILED, "a test", date(2026, 1, 20)),), zone=UTC)
    assert firing_ids(found_by([ended], events)) == [2]
