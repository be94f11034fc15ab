"""Measuring on a machine that has other things to do: CPU time of this process, in turns, the best of several rounds.

In come functions that do the same work in different ways, out goes the least CPU time of each. They take turns, so whatever
slows the machine down slows all of them; the garbage collector starts each turn with nothing to do and with everything that was
there before out of its sight, as `alertbot run` has it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any


def fastest(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each."""
    return fastest_prepared({name: (_nothing, _without(work)) for name, work in contestants.items()}, rounds)


def fastest_prepared(
    contestants: Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]], rounds: int
) -> dict[str, float]:
    """The least CPU seconds of each; what its first function makes for every round is not counted."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, (prepare, work) in contestants.items():
            best[name] = min(best[name], cpu_seconds(partial(work, prepare())))
    return best


def _nothing() -> None:
    return None


def _without(work: Callable[[], object]) -> Callable[[None], object]:
    return lambda _: work()


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU seconds of one call."""
    gc.collect()
    gc.freeze()
    before = time.process_time()
    kept = work()
    took = time.process_time() - before
    del kept
    gc.unfreeze()
    return took


@dataclass
class Report:
    """Lines of figures; a demand that is missed makes the run fail."""

    missed: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A line that demands nothing."""
        print(text, flush=True)

    def figure(self, what: str, value: float, unit: str, *, most: float | None = None, least: float | None = None) -> None:
        """One figure, beside what is demanded of it."""
        good = (most is None or value <= most) and (least is None or value >= least)
        demanded = (
            f"  (demanded: at most {most:g})" if most is not None else f"  (demanded: at least {least:g})" if least else ""
        )
        self.say(f"  {what:<66}{value:>9,.2f} {unit}{demanded}{'' if good else '  MISSED'}")
        if not good:
            self.missed.append(what)

    def end(self) -> None:
        """Say what was missed, and end accordingly."""
        if self.missed:
            self.say(f"\nMissed: {'; '.join(self.missed)}")
            sys.exit(1)
