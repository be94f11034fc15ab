"""Station 9: what else is known, for the thread of an incident. Pure.

In come the account's logins before, and other incidents; out goes a reply: its last logins, its usual places and hours, and
what else goes on with the same account or address. Where an incident is about many accounts and none in particular, it says
which. A thread may name other accounts, the channel may not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from alertbot.event import Event
from alertbot.incidents import Incident
from alertbot.moments import span_us
from alertbot.outbox import Message, link_to
from alertbot.slack import blocks, text, words
from alertbot.slack.blocks import Block

LAST = 10
PLACES = 3
OTHERS = 8
ACCOUNTS = 20
QUICKLY = timedelta(minutes=10)
"""The same again within so long is one row, with how often."""


def background(
    incident: Incident,
    before: Sequence[Event],
    others: Sequence[Incident],
    zone: ZoneInfo,
    crowd: Sequence[Event] = (),
    done: Sequence[Event] = (),
) -> Message | None:
    """What else is known; None where that is nothing. `before` are the account's events up to the incident, newest first;
    `crowd` is the evidence of an incident of many accounts, `done` what of the evidence is of the audit trail, oldest first.
    """
    parts = [*_done(done, zone)]
    parts += [*_accounts(crowd)] if crowd else [*_last(before, zone), *_usual(before, zone)]
    parts += _others(incident, others, zone)
    if not parts:
        return None
    links = tuple(one.message for one in others[:OTHERS] if one.message)
    return Message(text=_line(before, others, crowd, done), blocks=tuple(parts), links=links)


def familiar(place: Event, before: Sequence[Event]) -> bool | None:
    """Whether the account logged in from this address or place before; None where nothing is known of it."""
    logins = _logins(before)
    if not logins or not place.ip:
        return None
    here = words.place(place)
    return any(each.ip == place.ip or (bool(here) and words.place(each) == here) for each in logins)


def _line(before: Sequence[Event], others: Sequence[Incident], crowd: Sequence[Event], done: Sequence[Event]) -> str:
    parts = ["what was done"] if done else []
    parts += ["which accounts"] if crowd else ["when and where the account logged in before"] if before else []
    if others:
        parts.append(words.number(len(others), "other open incident"))
    return f"What else is known: {' · '.join(parts)}"


def _done(done: Sequence[Event], zone: ZoneInfo) -> Iterable[Block]:
    """What was done in the portal, in its own words: to what, and to whom."""
    said = [(_time(each, zone), each.action or each.event) for each in done[-LAST:]]
    lines = [f"{when}  {text.inline(action, 250)}" for when, action in said if action]
    if lines:
        rest = [f"and {len(done) - LAST:,} before that"] if len(done) > LAST else []
        yield from blocks.paragraphs(["*What was done*", *rest, *lines])


def _accounts(crowd: Sequence[Event]) -> Iterable[Block]:
    """The accounts of an incident of many, those of the directory apart from what was only typed."""
    for title, known in (("In the directory", True), ("Typed, no account of this portal", False)):
        counts = Counter(
            (each.email or each.name or each.account) if known else (each.login or each.user or each.account)
            for each in crowd
            if each.account and each.known is known
        )
        named = [f"{text.inline(who or '', 100)} ({count:,})" for who, count in counts.most_common(ACCOUNTS)]
        if rest := len(counts) - len(named):
            named.append(f"and {rest:,} more")
        if named:
            yield blocks.section(f"*{title}*\n{', '.join(named)}")


def _last(before: Sequence[Event], zone: ZoneInfo) -> Iterable[Block]:
    """The last events, a quick row of the same as one: a burst of failures hides nothing."""
    alike: list[list[Event]] = []
    for event in before:
        if alike and _goes_with(event, alike[-1][-1]):
            alike[-1].append(event)
        else:
            alike.append([event])
    if not alike:
        return
    rows = [
        (
            _time(run[-1], zone),
            words.result(run[0]) + (f" ×{len(run):,}" if len(run) > 1 else ""),
            words.address(run[0]),
            words.place(run[0]),
        )
        for run in reversed(alike[:LAST])
    ]
    yield blocks.section(f"*What the account did before this*\n{blocks.table(rows)}")


def _goes_with(event: Event, later: Event) -> bool:
    """Whether two events, one after the other, are the same again within minutes."""
    here, there = ((words.result(each), words.address(each), words.place(each)) for each in (event, later))
    return here == there and later.at_us - event.at_us <= span_us(QUICKLY)


def _usual(before: Sequence[Event], zone: ZoneInfo) -> Iterable[Block]:
    logins = _logins(before)
    if not logins:
        if before:
            yield blocks.section("It has not logged in before, as far as alertbot knows.")
        return
    places = Counter(words.place(each) or words.address(each) for each in logins)
    shown = [f"{text.inline(place, 80)} ({count:,})" for place, count in places.most_common(PLACES)]
    rest = len(places) - len(shown)
    lines = [f"*Usual places*  {', '.join(shown)}" + (f" and {rest:,} more" if rest > 0 else "")]
    hours = Counter(words.local(each.at_us, zone).hour for each in logins)
    days = {words.local(each.at_us, zone).date() for each in logins}
    if len(days) > 2:
        zone_name = words.zone_name(words.local(logins[0].at_us, zone))
        lines.append(f"*Usual hours*  {_spans(sorted(hours))} {zone_name}, on {words.number(len(days), 'day')}")
    yield blocks.section("\n".join(lines))


def _others(incident: Incident, others: Sequence[Incident], zone: ZoneInfo) -> Iterable[Block]:
    if not others:
        return
    lines = [_other(incident, one, zone) for one in others[:OTHERS]]
    if len(others) > OTHERS:
        lines.append(f"and {len(others) - OTHERS:,} more")
    yield blocks.section("*Open besides this*")
    yield from blocks.paragraphs(lines)


def _other(incident: Incident, one: Incident, zone: ZoneInfo) -> str:
    mine, about = incident.about, one.about
    same_account = mine is not None and about is not None and mine.account is not None and mine.account == about.account
    title = text.inline(one.title, 100)
    named = link_to(one.message, title) if one.message else title
    what = (
        "same account" if same_account else f"same address, {text.inline(about.person, 100) if about and about.person else '?'}"
    )
    return f"{words.SIGNS[one.level]} {one.level.upper()} · {named} · {what} · {words.between(one.first_us, one.last_us, zone)}"


def _logins(events: Iterable[Event]) -> list[Event]:
    return [each for each in events if each.outcome == "success"]


def _time(event: Event, zone: ZoneInfo) -> str:
    when = words.local(event.at_us, zone)
    return f"{words.day(when)} {when:%H:%M}"


def _spans(hours: Sequence[int]) -> str:
    """`08–18`, `07–09, 22–23`: hours of day, each as long as it lasts."""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and hour == spans[-1][1]:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return ", ".join(f"{first:02}:00–{last:02}:00" for first, last in spans[:6])
