"""How soon commands are there: `python -m benchmarks.startup`.

Each runs as a process of its own, in turns with a Python that does nothing; told is the least CPU time of each: the
time that it takes on a machine that does nothing else.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Report

ROUNDS = 7
MOST_S = 0.4
RULES = Path(__file__).parents[1] / "rules"
COMMANDS = {
    "a Python that does nothing": ("-c", ""),
    "alertbot --help": ("-m", "alertbot", "--help"),
    "alertbot check rules/": ("-m", "alertbot", "check", str(RULES)),
}


def _seconds(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and tell; ends with 1 where a command takes too long."""
    report = Report()
    took = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            took[name] = min(took[name], _seconds(arguments))
    nothing, *commands = took
    report.figure(nothing, took[nothing], "s")
    for name in commands:
        report.figure(name, took[name], "s", most=MOST_S)
        report.figure(f"{name}, against {nothing}", took[name] / took[nothing], "times")
    report.end()


if __name__ == "__main__":
    main()
