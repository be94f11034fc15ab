"""When the next call to Slack may leave."""

from __future__ import annotations

from datetime import timedelta

from alertbot.errors import SlackCredential, SlackNeverLeft, SlackNotNow, SlackPlace, SlackUnknownOutcome, SlackWait
from alertbot.outbox import Policy
from alertbot.slack.pace import Gate, Lanes, Pace


def sent(lanes: Lanes, lane: str, now: float) -> None:
    lanes.take(lane, f"{lane} at {now}", now)
    lanes.free(f"{lane} at {now}")


def test_a_channel_takes_a_short_burst_and_then_one_message_a_second() -> None:
    lanes, times, now = Lanes(Pace(burst=3)), [], 100.0
    for _ in range(6):
        now = lanes.closed(now).get("#a", now)
        times.append(now)
        sent(lanes, "#a", now)
    assert times == [100, 100, 100, 101, 102, 103]


def test_a_rest_fills_the_burst_again() -> None:
    lanes = Lanes(Pace(burst=2))
    for now in (0.0, 0.0, 10.0, 10.0):
        assert "#a" not in lanes.closed(now)
        sent(lanes, "#a", now)
    assert lanes.closed(10.0) == {"#a": 11.0}


def test_channels_do_not_wait_for_each_other() -> None:
    lanes = Lanes(Pace(burst=1))
    sent(lanes, "#a", 5.0)
    assert lanes.closed(5.0) == {"#a": 6.0}


def test_a_channel_has_one_call_at_a_time_until_that_one_is_slow() -> None:
    lanes = Lanes(Pace(burst=9, slow=timedelta(seconds=2)))
    lanes.take("#a", "o1", 5.0)
    assert lanes.closed(5.0) == {"#a": 7.0}
    assert lanes.closed(7.0) == {}
    lanes.take("#a", "o2", 7.0)
    lanes.free("o2")
    lanes.free("o1")
    assert lanes.closed(7.1) == {}


def test_the_gate_closes_for_what_concerns_everybody() -> None:
    gate = Gate(Policy())
    gate.answered(SlackWait("wait", timedelta(seconds=30)), 100)
    assert (gate.closed_until, gate.one_at_a_time) == (130, False)
    gate.answered(SlackUnknownOutcome("time-out", answered=False), 100)
    gate.answered(SlackPlace("no", "is_archived"), 100)
    assert (gate.closed_until, gate.one_at_a_time) == (130, False)


def test_an_outage_is_tried_at_once_and_then_with_patience_one_entry_at_a_time() -> None:
    gate, now, waits = Gate(Policy()), 100.0, []
    for _ in range(9):
        gate.answered(SlackNeverLeft("refused"), now)
        waits.append(max(gate.closed_until - now, 0))
        now = max(gate.closed_until, now)
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert gate.one_at_a_time
    gate.answered(None, now)
    assert not gate.one_at_a_time


def test_a_wrong_token_is_tried_ever_more_slowly() -> None:
    gate, now, waits = Gate(Policy()), 100.0, []
    for _ in range(11):
        gate.answered(SlackCredential("no", "invalid_auth"), now)
        waits.append(gate.closed_until - now)
        now = gate.closed_until
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    gate.answered(SlackNotNow("later"), now)
    assert gate.closed_until == now + 30
