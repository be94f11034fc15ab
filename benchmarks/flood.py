"""How large the process grows when somebody makes up a million logins and addresses within an hour.

    python -m benchmarks.flood [--every-pattern] [RULES ...]

Every failure brings a login and an address that were never seen before, every hundredth tries a person of the directory; they
come in polls of ten seconds, as from a portal. The rules are the shipped ones, or those named; `--every-pattern` puts
one of each pattern beside them that keeps something by account or address. The whole service is imported, for its size counts.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import alertbot.service  # noqa: F401
from alertbot.engine import Engine
from alertbot.event import GUEST_ID, Event
from alertbot.identity import Directory, enrich
from alertbot.portal.people import Person
from alertbot.rules.load import load_rules
from alertbot.rules.model import Rule
from benchmarks.measure import Report

EVENTS = 1_000_000
POLL = 2_778
START_US = 1_767_222_000_000_000
PEOPLE = [
    Person(id=f"{number:08d}-0000-4000-8000-000000000000", email=f"person{number}@example.com") for number in range(1_000)
]

MORE = """
title: Flood, spike
name: flood-spike
detection: {failed: {outcome: failure}}
spike: {within: 10m, factor: 3, count: 5, usual: 7d}
---
title: Flood, dormant
name: flood-dormant
detection: {any: {feed: login}}
dormant: {after: 30d}
---
title: Flood, hours
name: flood-hours
detection: {any: {feed: login}}
hours: {learn: 30d}
---
title: Flood, travel
name: flood-travel
detection: {any: {feed: login}}
travel: {familiar: 30d}
---
title: Flood, new-address
name: flood-new-address
detection: {any: {feed: login}}
first_seen: {of: ip}
---
title: Flood, absence
name: flood-absence
detection: {any: {feed: login}}
by: account
absence: {within: 1d}
---
title: Flood, sequence
name: flood-sequence
detection: {failed: {outcome: failure}, entered: {outcome: success}}
by: ip
sequence: {within: 1d, steps: [{match: failed, count: 3}, {match: entered}]}
"""


def made_up() -> Iterator[Event]:
    """The flood, in order."""
    directory = Directory(PEOPLE)
    countries = ("Russia", "China", "Brazil", "United States", "Viet Nam")
    for number in range(EVENTS):
        person = PEOPLE[number // 100 % len(PEOPLE)].email if number % 100 == 0 else None
        login = person or f"made.up.{number:07d}@attacker{number % 977}.example"
        event = Event(
            portal="flood",
            id=number,
            at_us=START_US + number * 3_600_000_000 // EVENTS,
            action_id=1002,
            event="LoginFailInvalidCombination",
            outcome="failure",
            method="password",
            reason="bad_credentials",
            user=login,
            user_id=GUEST_ID,
            login=login,
            ip=f"{11 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.{number % 251}",
            country=countries[number % 5],
            browser=f"Bot {number % 5000}",
            platform="Linux",
        )
        yield enrich(event, directory)


def rules(paths: list[Path], scratch: Path | None) -> list[Rule]:
    """The rules named, and where it is wanted one of every pattern beside them."""
    if scratch is not None:
        more = scratch / "more.yml"
        more.write_text(MORE)
        paths = [*paths, more]
    return [rule for path in paths for rule in load_rules([path]).rules]


def megabytes() -> float:
    """The most that the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    arguments = sys.argv[1:]
    every = "--every-pattern" in arguments
    paths = [Path(name) for name in arguments if name != "--every-pattern"] or [Path(__file__).parent.parent / "rules"]
    with tempfile.TemporaryDirectory() as scratch:
        judged = rules(paths, Path(scratch) if every else None)
    engine = Engine(judged, "flood", UTC, timedelta(minutes=5))
    before, began = megabytes(), time.perf_counter()
    poll: list[Event] = []
    findings = 0
    for event in made_up():
        poll.append(event)
        if len(poll) == POLL:
            findings += len(engine.propose(poll).changed)
            engine.accept()
            poll = []
    taken = time.perf_counter() - began
    report = Report()
    report.say(
        f"{len(judged)} rules, {EVENTS:,} made-up logins within an hour, {findings:,} changes of findings, {taken:.0f} s"
    )
    report.figure("the process before", before, "MB")
    report.figure("the process at its largest", megabytes(), "MB", most=500)
    for name, count in sorted(engine.dropped.items()):
        report.figure(f"let go of before their time by {name}", count, "keys")
    report.end()


if __name__ == "__main__":
    main()
