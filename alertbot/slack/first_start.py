"""Station 9: the one message of the first start: what is watched now, and what the rules would have found before. Pure.

In come the portals that are ready and the counts of what their history holds; out go a message and, for its thread, the
list by rule and level. History itself is never sent: no account and no address stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alertbot.outbox import Message
from alertbot.rules.model import LEVELS, Level
from alertbot.slack import blocks, text, words
from alertbot.slack.blocks import Block

_LISTED = 40
_COLOUR = "#2f9e6e"


@dataclass(frozen=True, slots=True)
class Watched:
    """A portal that is watched now, and the history that was read of it (None: it has none)."""

    portal: str
    events: int
    from_us: int | None
    to_us: int | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule would have found in that history."""

    rule: str
    title: str
    level: Level
    count: int


def first_start(
    watched: Sequence[Watched],
    rules: int,
    found: Sequence[Found],
    *,
    missing: Sequence[str] = (),
    with_list: bool = False,
) -> Message:
    """The message: portals, rules, history, counts by level; `missing` are portals that do not answer yet."""
    portals = words.listing([text.inline(each.portal, 60) for each in watched]) if watched else "no portal yet"
    levels = _by_level(found)
    read = sum(each.events for each in watched)
    summary = f"{levels} found in that time, none of it sent" if levels else "nothing to alert on in that time"
    line = (
        f"alertbot now watches {portals} with {words.number(rules, 'rule')}"
        f" · read {words.number(read, 'event')} of the past{_age(watched)} · {summary}"
    )
    if missing:
        line += f" · no answer yet from {words.listing([text.inline(name, 60) for name in missing])}"
    parts = [
        blocks.header("alertbot is watching"),
        blocks.section(f"*{portals}* with {words.number(rules, 'rule')}. From now on each incident is told here, once."),
        *_histories(watched),
        blocks.section(f"*What the rules would have found in that time*\n{levels or 'Nothing.'}"),
        *(_lines(found) if with_list else ()),
        blocks.context(_small_print(found, missing, with_list=with_list)),
    ]
    return Message(text=line, blocks=tuple(parts), colour=_COLOUR)


def first_start_list(found: Sequence[Found]) -> Message:
    """What the rules would have found, one line each, for the thread."""
    total = words.number(sum(each.count for each in found), "finding")
    line = f"What the rules would have found: {total} · {_by_level(found) or 'nothing'}"
    return Message(text=line, blocks=tuple(_lines(found)) or (blocks.section("Nothing."),))


def _histories(watched: Sequence[Watched]) -> Iterable[Block]:
    """A field for each portal; of many portals the first ones."""
    pairs = [(text.inline(each.portal, 60), _history(each)) for each in watched[: blocks.FIELDS]]
    if pairs:
        yield blocks.fields(pairs)
    if len(watched) > len(pairs):
        yield blocks.context(f"and {words.number(len(watched) - len(pairs), 'more portal', 'more portals')}")


def _history(each: Watched) -> str:
    events = words.number(each.events, "event")
    if each.from_us is None or each.to_us is None:
        return f"{events} read: no history yet"
    first, last = words.local(each.from_us, each.zone), words.local(each.to_us, each.zone)
    return f"{events} read\n{words.day(first)} {first.year} – {words.day(last)} {last.year}"


def _age(watched: Sequence[Watched]) -> str:
    starts = [each.from_us for each in watched if each.from_us is not None]
    ends = [each.to_us for each in watched if each.to_us is not None]
    return f" {words.days_of(min(starts), max(ends))}" if starts and ends else ""


def _by_level(found: Sequence[Found]) -> str:
    counts = {level: sum(each.count for each in found if each.level == level) for level in reversed(LEVELS)}
    return ", ".join(f"{count:,} {level}" for level, count in counts.items() if count)


def _lines(found: Sequence[Found]) -> list[Block]:
    ordered = sorted(
        (each for each in found if each.count), key=lambda each: (-LEVELS.index(each.level), -each.count, each.rule)
    )
    lines = [_line(each) for each in ordered[:_LISTED]]
    if len(ordered) > _LISTED:
        rest = ordered[_LISTED:]
        lines.append(f"and {sum(each.count for each in rest):,} of {words.number(len(rest), 'more rule', 'more rules')}")
    return blocks.paragraphs(lines)


def _line(each: Found) -> str:
    title = f"{text.inline(each.title, 120)} ({text.code(each.rule, 80)})"
    return f"{words.SIGNS[each.level]} {each.level.upper()} · {each.count:,} × {title}"


def _small_print(found: Sequence[Found], missing: Sequence[str], *, with_list: bool) -> str:
    parts = []
    if any(each.count for each in found):
        parts.append("History is never sent." if with_list else "History is never sent; the list by rule is in the thread.")
    if missing:
        names = words.listing([text.inline(name, 60) for name in missing])
        parts.append(f"No answer yet from {names}; told as soon as there is one.")
    return " ".join(parts) or "Nothing of the past is sent."
