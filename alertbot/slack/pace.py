"""When the next call to Slack may leave: a pace for each channel, and one gate before all of them.

In come moments and answers; out goes whether, and else from when. Moments are seconds of a clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from alertbot.errors import SlackCredential, SlackError, SlackNeverLeft, SlackNotNow, SlackUnknownOutcome, SlackWait
from alertbot.outbox import LONGEST_WAIT, Policy


@dataclass(frozen=True, slots=True)
class Pace:
    """Slack takes about one message a second in a channel, and short bursts (slack-facts: "Limits")."""

    each: timedelta = timedelta(seconds=1)
    burst: int = 4
    slow: timedelta = timedelta(seconds=2)
    """A call that takes longer holds up its channel no more."""


class Lanes:
    """The pace of every channel, one call at a time in each. Holds only channels that were used a moment ago."""

    def __init__(self, pace: Pace) -> None:
        self._each = pace.each.total_seconds()
        self._ahead = self._each * (pace.burst - 1)
        self._slow = pace.slow.total_seconds()
        self._paid_until: dict[str, float] = {}
        self._under_way: dict[str, tuple[str, float]] = {}

    def take(self, lane: str, call: str, now: float) -> None:
        """A call goes out."""
        self._paid_until[lane] = max(self._paid_until.get(lane, now), now) + self._each
        self._under_way[call] = (lane, now + self._slow)

    def free(self, call: str) -> None:
        """A call is over."""
        self._under_way.pop(call, None)

    def closed(self, now: float) -> dict[str, float]:
        """The lanes that have to wait, and until when."""
        self._paid_until = {lane: until for lane, until in self._paid_until.items() if until > now}
        waits = [(lane, until - self._ahead) for lane, until in self._paid_until.items()]
        closed: dict[str, float] = {}
        for lane, until in (*waits, *self._under_way.values()):
            if until > now:
                closed[lane] = max(until, closed.get(lane, until))
        return closed


class Gate:
    """What holds up all channels: Slack asks to wait, is away, or does not accept us. Then one entry at a time tries."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._failures = 0
        self.closed_until = 0.0

    @property
    def one_at_a_time(self) -> bool:
        """Whether the last answer was a failure that concerns everybody."""
        return self._failures > 0

    def answered(self, error: SlackError | None, now: float) -> None:
        """An answer came, or surely none."""
        match error:
            case SlackWait():
                self._close(min(error.retry_after, LONGEST_WAIT), now)
            case SlackUnknownOutcome():
                pass  # of one entry nobody knows; others find out for themselves
            case SlackNeverLeft():
                self._failures += 1  # at once again, and then with patience
                self._close(self._policy.back_off(self._failures - 1) if self._failures > 1 else timedelta(), now)
            case SlackNotNow():
                self._failures += 1
                self._close(self._policy.back_off(self._failures), now)
            case SlackCredential():
                self._failures += 1
                self._close(self._policy.back_off(self._failures, self._policy.slowly), now)
            case _:
                self._failures = 0

    def _close(self, span: timedelta, now: float) -> None:
        self.closed_until = max(self.closed_until, now + span.total_seconds())
