"""How much the sandbox portal takes: a sliding window of requests for each user, and a cap on requests at once.

In comes each request with the real time in seconds; out goes how long the caller must wait, or nothing. A refused request
does not count.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the portal allows each user; the numbers are those of the real one."""

    requests: int = 1500
    window_s: float = 60.0
    at_once: int = 50


class SlidingWindow:
    """One user's requests of the last window, and those being answered."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._open = 0

    def enter(self, limits: Limits, real_s: float) -> int | None:
        """Takes a request, or says for how many whole seconds its sender must wait."""
        while self._times and self._times[0] <= real_s - limits.window_s:
            self._times.popleft()
        if len(self._times) >= limits.requests:
            wait_s = self._times[0] + limits.window_s - real_s if self._times else limits.window_s
            return max(1, math.ceil(wait_s))
        if self._open >= limits.at_once:
            return 1
        self._times.append(real_s)
        self._open += 1
        return None

    def leave(self) -> None:
        """A request that was taken has been answered, or given up."""
        self._open -= 1
