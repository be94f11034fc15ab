"""What each pattern means, as the plainest definition over the list of a key's events: slow, and easy to be sure of.

Each function takes all events in order and returns the findings as (key, firing id, evidence ids, last moment, count).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from itertools import combinations

from alertbot.event import Event
from alertbot.moments import from_us, span_us
from alertbot.places import distance_km, place_of
from alertbot.rules.model import (
    Absence,
    Burst,
    Calendar,
    Distinct,
    Dormant,
    FirstSeen,
    LearnedHours,
    Sequence_,
    Spike,
    Temporal,
    Travel,
)

Found = tuple[str, int, tuple[int, ...], int, int]


def _all(event: Event) -> bool:
    return True


def by_key(events: Iterable[Event], key: Callable[[Event], str | None]) -> dict[str, list[Event]]:
    keys: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        if value := key(event):
            keys[value.lower()].append(event)
    return keys


def _switching(
    matches: Sequence[Event],
    evidence: Callable[[int], Sequence[Event]],
    wanted: Callable[[Event], bool],
    over: Callable[[int], bool] = lambda number: False,
) -> list[Found]:
    """Fires where a condition turns true at a match that is wanted, goes on while it is true, or until it is `over`."""
    found: list[Found] = []
    on = told = False
    for number, match in enumerate(matches):
        because = evidence(number)
        if because and (not on or over(number)):
            told = wanted(match)
            if told:
                shown = tuple(dict.fromkeys(e.id for e in because))
                found.append((match.account or "", match.id, shown, match.at_us, len(because)))
        elif because and told:
            key, firing, events, _, count = found[-1]
            found[-1] = (key, firing, events, match.at_us, count + 1)
        on = bool(because)
    return found


def burst(pattern: Burst, matches: list[Event], wanted: Callable[[Event], bool] = _all) -> list[Found]:
    def evidence(number: int) -> Sequence[Event]:
        within = [e for e in matches[: number + 1] if e.at_us >= matches[number].at_us - span_us(pattern.within)]
        return within[-pattern.count :] if len(within) >= pattern.count else ()

    return _switching(matches, evidence, wanted)


def distinct(
    pattern: Distinct, matches: list[Event], value: Callable[[Event], str | None], wanted: Callable[[Event], bool] = _all
) -> list[Found]:
    counted = [match for match in matches if value(match)]

    def evidence(number: int) -> Sequence[Event]:
        within = [e for e in counted[: number + 1] if e.at_us >= counted[number].at_us - span_us(pattern.within)]
        latest = {str(value(e)).lower(): e for e in within}
        by_age = sorted(latest.values(), key=lambda e: e.order)
        return by_age[-pattern.count :] if len(by_age) >= pattern.count else ()

    return _switching(counted, evidence, wanted)


def counted(
    pattern: Burst | Distinct | Temporal, firings: list[tuple[Event, object]], wanted: Callable[[Event], bool] = _all
) -> list[Found]:
    """Of firings of other rules, each with the thing that is counted: so many different ones, and not more."""

    def window(number: int) -> list[tuple[Event, object]]:
        start_us = firings[number][0].at_us - span_us(pattern.within)
        return [(e, thing) for e, thing in firings[: number + 1] if e.at_us >= start_us]

    def evidence(number: int) -> Sequence[Event]:
        things: list[object] = []
        latest: list[Event] = []
        for e, thing in reversed(window(number)):
            if thing not in things:
                things.append(thing)
                latest.insert(0, e)
        if pattern.at_most is None:
            return latest[-pattern.count :] if len(latest) >= pattern.count else ()
        return latest if pattern.count <= len(latest) <= pattern.at_most else ()

    return _switching([e for e, _ in firings], evidence, wanted, lambda number: len(window(number)) == 1)


def sequence(
    pattern: Sequence_, matches: list[Event], serves: Callable[[Event, int], bool], wanted: Callable[[Event], bool] = _all
) -> list[tuple[int, tuple[int, ...]]]:
    """(firing id, evidence ids) of each completion, by trying every choice of matches, those with the latest first."""
    found = []
    start = 0
    slots = [number for number, step in enumerate(pattern.steps) for _ in range(step.count)][::-1]
    for number, match in enumerate(matches):
        window = [e for e in matches[start:number] if e.at_us >= match.at_us - span_us(pattern.within)]
        for choice in combinations(window[::-1], len(slots) - 1):
            if all(serves(e, step) for e, step in zip((match, *choice), slots, strict=True)):
                found += [(match.id, tuple(e.id for e in (*choice[::-1], match)))] if wanted(match) else []
                start = number + 1
                break
    return found


def first_seen(
    pattern: FirstSeen,
    matches: list[Event],
    values: Callable[[Event], list[str | None]],
    fires: Callable[[Event], bool] = _all,
) -> list[int]:
    """The ids of the events that fire; those that may not teach all the same."""
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
        if new and match.at_us - counted[began].at_us >= learn and fires(match):
            found.append(match.id)
    return found


def spike(pattern: Spike, matches: list[Event], wanted: Callable[[Event], bool] = _all) -> list[Found]:
    within, usual = span_us(pattern.within), span_us(pattern.usual)

    def evidence(number: int) -> Sequence[Event]:
        at_us = matches[number].at_us
        began = number
        while began > 0 and matches[began].at_us - matches[began - 1].at_us <= within + usual:
            began -= 1
        window = [e for e in matches[: number + 1] if e.at_us >= at_us - within]
        before = [e for e in matches[:number] if at_us - within - usual <= e.at_us < at_us - within]
        average = Fraction(len(before)) / Fraction(usual, within)
        much = len(window) >= pattern.count and len(window) >= Fraction(str(pattern.factor)) * average
        return window if much and at_us - matches[began].at_us >= usual else ()

    return _switching(matches, evidence, wanted)


def dormant(
    pattern: Dormant, matches: list[Event], first: Event, fires: Callable[[Event], bool] = _all, *, by_account: bool = True
) -> list[int]:
    """The ids of the events that fire; those that may not end a silence all the same."""
    found = []
    for number, match in enumerate(matches):
        before = [e for e in matches[:number] if e.at_us >= match.at_us - span_us(pattern.memory)]
        if before:
            silent_since: int | None = before[-1].at_us
        else:
            silent_since = first.at_us if match.known and by_account else None
        if silent_since is not None and match.at_us - silent_since > span_us(pattern.after) and fires(match):
            found.append(match.id)
    return found


def learned_hours(
    pattern: LearnedHours, matches: list[Event], zone: tzinfo, fires: Callable[[Event], bool] = _all
) -> list[int]:
    """The ids of the events that fire; those that may not teach all the same."""
    found = []
    for number, match in enumerate(matches):
        now = from_us(match.at_us, zone)
        before = [from_us(e.at_us, zone) for e in matches[:number]]
        lately = [wall for wall in before if wall.date() > now.date() - pattern.learn]
        near = {wall.date() for wall in lately if (wall.hour - now.hour) % 24 in (23, 0, 1)}
        if len({wall.date() for wall in lately}) >= 10 and len(near) < 3 and fires(match):
            found.append(match.id)
    return found


def in_hours(calendar: Calendar, wall: datetime, holidays: Container[date]) -> bool:
    """Whether a time on the wall lies in a window of its day or of the day before."""
    now = wall.replace(tzinfo=None, fold=0)
    for day in (now.date(), now.date() - timedelta(days=1)):
        midnight = datetime.combine(day, time())
        free = day in calendar.closed or (day in holidays and day not in calendar.not_holidays)
        for window in calendar.hours:
            opens = midnight + timedelta(minutes=window.start_minute)
            closes = midnight + timedelta(minutes=window.end_minute)
            if closes <= opens:
                closes += timedelta(days=1)
            if not free and day.weekday() in window.days and opens <= now < closes:
                return True
    return False


def absence(
    pattern: Absence, matches: list[Event], zone: tzinfo, until_us: int, gaps: Sequence[tuple[int, int]] = ()
) -> list[tuple[int, int]]:
    """(firing id, moment) of each silence, minute by minute; everything happens at full minutes."""
    minute = 60_000_000
    found = []
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        end_us = until_us if following is None else following.at_us - 1
        silent, at_us = 0, match.at_us
        while at_us < end_us:
            if any(start < at_us + minute and at_us < end for start, end in gaps):
                silent = 0
            elif pattern.hours is None or in_hours(pattern.hours, from_us(at_us, pattern.hours.zone or zone), ()):
                silent += minute
            at_us += minute
            if silent == span_us(pattern.within):
                if at_us <= end_us:
                    found.append((match.id, at_us))
                break
    return found


def travel(pattern: Travel, matches: list[Event], wanted: Callable[[Event], bool] = _all) -> list[tuple[int, int]]:
    """(id of the login before, firing id) of each way that nobody can have travelled."""
    found = []
    located = [(match, place) for match in matches if (place := place_of(match)) is not None]
    for number, (match, place) in enumerate(located[1:], 1):
        last, left = located[number - 1]
        km, between_us = distance_km(left, place), match.at_us - last.at_us
        too_fast = between_us == 0 or km / (between_us / 3_600_000_000) > pattern.faster_than_kmh
        familiar = pattern.familiar is not None and any(
            known == place and e.at_us >= match.at_us - span_us(pattern.familiar) for e, known in located[:number]
        )
        if km > pattern.farther_than_km and too_fast and not familiar and wanted(match):
            found.append((last.id, match.id))
    return found
