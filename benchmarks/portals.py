"""A thousand portals in one process, each polled every 30 seconds: `python -m benchmarks.portals [--portals N] [--minutes N]`.

A sandbox in a process of its own plays all of them and shows a new login to each every half minute; `alertbot run`, as it is,
watches them with the shipped rules and an SQLite store. Told is how far the portal that was polled longest ago lies behind
(its lag: by how much its last poll is older than the interval), and the CPU time of a poll.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.holdings import Settings
from alertbot.sandbox.intake import parse_member
from alertbot.sandbox.limits import Limits
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Sandbox
from alertbot.store.store import Store
from benchmarks.measure import Report

INTERVAL_S = 30
_PEOPLE = 50
_HISTORY = 200


async def serve() -> None:
    """Play all portals: one that answers under every name. Says its environment, then shows a login every half minute."""
    people = [
        parse_member({"id": f"u-{n}", "email": f"person.{n}@example.com", "displayName": f"P {n}"}) for n in range(_PEOPLE)
    ]
    clock = SandboxClock(datetime.now(UTC))
    limits = Limits(requests=1_000_000, at_once=10_000)  # those of a portal are each its own
    portal = SandboxPortal(clock, people=people, settings=Settings(limits=limits))
    for number in range(_HISTORY):
        _log_in(portal, number, ago=timedelta(minutes=_HISTORY - number))
    clock.resume()
    async with Sandbox(portal) as both:
        print(json.dumps(both.environment()), flush=True)
        number = _HISTORY
        while True:
            await asyncio.sleep(INTERVAL_S)
            number += 1
            _log_in(portal, number)


def _log_in(portal: SandboxPortal, number: int, ago: timedelta = timedelta()) -> None:
    date = (portal.clock.now() - ago).isoformat()
    person = f"person.{number % _PEOPLE}@example.com"
    portal.add({"login": person, "actionId": 1029, "ip": "198.51.100.1", "country": "Germany", "city": "Berlin", "date": date})


def main() -> None:
    """Start both, wait until every portal was read, then look on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portals", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=3)
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = subprocess.Popen([sys.executable, "-m", "benchmarks.portals", "--serve"], stdout=subprocess.PIPE, text=True)
        assert sandbox.stdout is not None
        environment = {**os.environ, **json.loads(sandbox.stdout.readline())}
        config = _configure(Path(folder), given.portals, environment["DOCSPACE_URL"])
        began = time.monotonic()
        command = [sys.executable, "-m", "alertbot", "run", "--config", str(config)]
        with Path(folder, "log").open("w") as log:
            bot = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        try:
            _measure(report, Path(folder, "bench.db"), bot, given, began)
        finally:
            for process in (bot, sandbox):
                process.send_signal(signal.SIGTERM)
            bot.wait(30)
            sandbox.kill()
            troubles = [line for line in Path(folder, "log").read_text().splitlines() if '"info"' not in line]
            report.say("\n".join([f"Its log holds {len(troubles)} warnings and errors", *troubles[:5]]))
    report.end()


def _configure(folder: Path, portals: int, url: str) -> Path:
    """JSON is YAML."""
    named: list[dict[str, Any]] = [
        {"name": f"portal-{n}", "url": url, "api_key": "${DOCSPACE_API_KEY}", "poll": f"{INTERVAL_S}s"} for n in range(portals)
    ]
    path = folder / "alertbot.yaml"
    store = f"sqlite:///{folder}/bench.db"
    path.write_text(json.dumps({"portals": named, "store": store, "health": {"listen": "127.0.0.1:0"}}))
    return path


def _measure(report: Report, path: Path, bot: subprocess.Popen[bytes], given: argparse.Namespace, began: float) -> None:
    while not path.exists() and bot.poll() is None:
        time.sleep(0.5)
    time.sleep(2)  # it makes its tables
    store = Store.open(f"sqlite:///{path}", write=False)
    while len(polled := _polled(store)) < given.portals:
        if bot.poll() is not None or time.monotonic() - began > 600:
            sys.exit(f"alertbot did not come to watch: {len(polled)} portals were read")
        time.sleep(1)
    first_s = time.monotonic() - began
    time.sleep(INTERVAL_S)
    start_cpu, start = _cpu(bot.pid), time.monotonic()
    behind, polls, before = [], 0, _polled(store)
    while time.monotonic() - start < given.minutes * 60:
        time.sleep(1)
        polled = _polled(store)
        behind.append(time.time() - min(polled.values()) / 1e6 - INTERVAL_S)
        polls += sum(polled[name] != before[name] for name in polled)
        before = polled
    took, passed = _cpu(bot.pid) - start_cpu, time.monotonic() - start
    report.say(f"{given.portals:,} portals, polled every {INTERVAL_S} s, in one process, over {passed / 60:.1f} minutes")
    report.figure("all of them read for the first time after", first_s, "s")
    report.figure("polls", polls / passed, "a second")
    report.figure("CPU time of a poll, with what follows from it", took / max(polls, 1) * 1e3, "ms")
    report.figure("CPU time, of one core", took / passed * 100, "%")
    report.figure("lag of the portal that is the farthest behind", max(behind), "s", most=INTERVAL_S)


def _polled(store: Store) -> dict[str, int]:
    return {state.name: state.last_poll_us for state in store.portals() if state.last_poll_us is not None}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        asyncio.run(serve())
    else:
        main()
