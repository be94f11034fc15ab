"""The sandbox's time: it starts where it is told, and may run many times as fast as the real one.

In come a start and a speed; out goes the moment that the sandbox takes for now. Nothing else in the sandbox asks for the
time of day, so 24 days of history can be played in a minute, and a test can stop the time or push it on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from alertbot.moments import to_us


class SandboxClock:
    """Virtual time that runs `speed` times as fast as `real`, which counts seconds. It never goes back by itself."""

    def __init__(
        self,
        start: datetime,
        speed: float = 1.0,
        *,
        running: bool = True,
        real: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = start.astimezone(UTC)
        self._speed = _checked(speed)
        self._real = real
        self._since: float | None = real() if running else None

    @property
    def speed(self) -> float:
        """How many virtual seconds pass in a real one while the clock runs."""
        return self._speed

    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        return self._since is not None

    def now(self) -> datetime:
        """The moment that the sandbox takes for now, in UTC."""
        if self._since is None:
            return self._base
        return self._base + timedelta(seconds=(self._real() - self._since) * self._speed)

    def now_us(self) -> int:
        """Now, in microseconds since 1970."""
        return to_us(self.now())

    def pause(self) -> None:
        """Stops the time where it is."""
        self._base, self._since = self.now(), None

    def resume(self) -> None:
        """Lets the time go on from where it stands."""
        self._base, self._since = self.now(), self._real()

    def advance(self, span: timedelta) -> None:
        """Pushes the time on, running or not."""
        self._base += span

    def set(self, moment: datetime) -> None:
        """Puts the clock to a moment, running or not; back as well."""
        self._base = moment.astimezone(UTC)
        self._since = None if self._since is None else self._real()

    def run_at(self, speed: float) -> None:
        """Changes the speed from now on."""
        checked = _checked(speed)
        running = self.running
        self.pause()
        self._speed = checked
        if running:
            self.resume()


def _checked(speed: float) -> float:
    if not 0 < speed < 1e9:
        raise ValueError("a clock's speed must be more than 0")
    return speed
