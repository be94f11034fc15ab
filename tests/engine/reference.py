"""What each pattern means, as the plainest definition over the list of a key's events: slow, and easy to be sure of.

Each function takes all events in order and returns the findings as (key, firing id, evidence ids, last moment, count).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from alertbot.event import Event
from alertbot.moments import span_us
from alertbot.rules.model import Burst, Distinct, FirstSeen, Sequence_

Found = tuple[str, int, tuple[int, ...], int, int]


def by_key(events: Iterable[Event], key: Callable[[Event], str | None]) -> dict[str, list[Event]]:
    keys: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        if value := key(event):
            keys[value.lower()].append(event)
    return keys


def _switching(matches: list[Event], evidence: Callable[[int], Sequence[Event]]) -> list[Found]:
    found: list[Found] = []
    on = False
    for number, match in enumerate(matches):
        because = evidence(number)
        if because and on:
            key, firing, events, _, count = found[-1]
            found[-1] = (key, firing, events, match.at_us, count + 1)
        elif because:
            found.append((match.account or "", match.id, tuple(e.id for e in because), match.at_us, len(because)))
        on = bool(because)
    return found


def burst(pattern: Burst, matches: list[Event]) -> list[Found]:
    def evidence(number: int) -> Sequence[Event]:
        within = [e for e in matches[: number + 1] if e.at_us >= matches[number].at_us - span_us(pattern.within)]
        return within[-pattern.count :] if len(within) >= pattern.count else ()

    return _switching(matches, evidence)


def distinct(pattern: Distinct, matches: list[Event], value: Callable[[Event], str | None]) -> list[Found]:
    counted = [match for match in matches if value(match)]

    def evidence(number: int) -> Sequence[Event]:
        within = [e for e in counted[: number + 1] if e.at_us >= counted[number].at_us - span_us(pattern.within)]
        latest = {str(value(e)).lower(): e for e in within}
        by_age = sorted(latest.values(), key=lambda e: e.order)
        return by_age[-pattern.count :] if len(by_age) >= pattern.count else ()

    return _switching(counted, evidence)


def sequence(pattern: Sequence_, matches: list[Event], serves: Callable[[Event, int], bool]) -> list[tuple[int, int]]:
    """(firing id, number of matches needed) of each completion, by trying every choice of matches."""
    found = []
    start = 0
    wanted = [number for number, step in enumerate(pattern.steps) for _ in range(step.count)]
    for number, match in enumerate(matches):
        window = [e for e in matches[start:number] if e.at_us >= match.at_us - span_us(pattern.within)]
        if serves(match, len(pattern.steps) - 1) and any(
            all(serves(e, step) for e, step in zip((*choice, match), wanted, strict=True))
            for choice in combinations(window, len(wanted) - 1)
        ):
            found.append((match.id, len(wanted)))
            start = number + 1
    return found


def first_seen(pattern: FirstSeen, matches: list[Event], values: Callable[[Event], list[str | None]]) -> list[int]:
    """The ids of the events that fire."""
    memory, learn = span_us(pattern.memory), span_us(pattern.learn)
    found = []
    counted = [match for match in matches if all(values(match))]
    for number, match in enumerate(counted):
        began = number
        while began > 0 and counted[began].at_us - counted[began - 1].at_us <= memory:
            began -= 1
        before = [e for e in counted[:number] if e.at_us >= match.at_us - memory]
        seen = [{str(values(e)[group]).lower() for e in before} for group in range(len(pattern.each))]
        new = all(str(value).lower() not in seen[group] for group, value in enumerate(values(match)))
        if new and match.at_us - counted[began].at_us >= learn:
            found.append(match.id)
    return found
