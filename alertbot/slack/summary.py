"""Station 9: one message for many incidents: a storm, and what is too old to be news. Pure.

In come incidents; out go a summary, and the list for its thread. A storm's summary names the accounts and addresses that are
hit most; any other summary names no account in the channel.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from alertbot.incidents import Incident
from alertbot.incidents.storm import Storm
from alertbot.moments import iso
from alertbot.outbox import File, Message
from alertbot.rules.model import LEVELS, Level
from alertbot.slack import blocks, text, words

TOP = 5
RULES = 12
LINES = 30
ROWS = 20_000
"""So many incidents at most stand in a list; it says how many are left out."""

_COLUMNS = ("incident", "level", "rule", "account", "known", "role", "address", "place", "count", "first", "last", "state")

Why = Literal["old_news", "late", "quiet_hours"]


class Roundup(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of what was not told in time: the portal could not be read (`old_news`), Slack not reached (`late`), or people
    wanted to be left in peace (`quiet_hours`).
    """

    id: str
    portal: str
    why: Why
    incidents: tuple[str, ...] = ()
    revision: int = 0


def storm_summary(
    storm: Storm,
    incidents: Sequence[Incident],
    *,
    zone: ZoneInfo,
    portal_url: str,
    over: bool,
    singly: int,
    threaded: bool = True,
) -> Message:
    """The summary of a storm as it stands; `singly` of its incidents have messages of their own."""
    accounts = words.number(len({_account(one) for one in incidents}), "account")
    addresses = Counter(one.about.ip for one in incidents if one.about and one.about.ip)
    events = sum(one.count for one in incidents)
    first, last = _span(incidents, storm)
    times = words.between(first, last, zone)
    known = [one for one in incidents if one.about is not None and one.about.known]
    state = "over" if over else "goes on"
    line = " · ".join(
        (
            f"{storm.level.upper()}, storm{', over' if over else ''}",
            text.inline(storm.title, 150),
            f"{words.number(len(incidents), 'incident')}, {accounts}",
            f"{words.number(events, 'event')} from {words.number(len(addresses), 'address', 'addresses')}",
            times,
            text.inline(storm.portal, 60),
        )
    )
    top = sorted(incidents, key=lambda one: (not (one.about and one.about.known), -one.count, one.at_us, one.id))
    hit = "Accounts hit most" if all(one.is_personal for one in top[:TOP]) else "Hit most"
    fields = [
        ("Incidents", f"{len(incidents):,} of {accounts}\n{len(known):,} of people in the directory"),
        ("Events", f"{events:,} from {words.number(len(addresses), 'address', 'addresses')}"),
        (hit, "\n".join(f"{_named(one)} ({one.count:,})" for one in top[:TOP])),
        ("Addresses", "\n".join(f"{text.inline(ip, 60)} ({count:,})" for ip, count in addresses.most_common(TOP)) or "unknown"),
        ("When", f"{words.reader_time(first, last, zone)}\n{times}"),
    ]
    parts = [
        blocks.header(f"{words.SIGNS[storm.level]} {storm.level.upper()} · Storm: {storm.title}"),
        blocks.section(f"*The storm {'is over' if over else state}*: too many new incidents of one rule to tell one by one."),
        blocks.fields([(label, value) for label, value in fields if value]),
        blocks.section(
            "*What to do*\nStop the source: block the addresses. "
            f"A login among the failures is told in a message of its own; so far {words.number(singly, 'incident')} of this "
            f"storm stand in messages of their own.{' All of them are in the list in the thread.' if threaded else ''}\n"
            f"To settle the others, at a shell: {text.code(f'alertbot incidents resolve rule:{storm.rule} real', 200)}"
        ),
        _small_print(portal_url, storm.portal, f"rule {text.inline(storm.rule, 100)}"),
    ]
    return Message(text=line, blocks=tuple(parts), colour=words.COLOURS[storm.level])


def incident_list(incidents: Sequence[Incident], name: str) -> Message:
    """The list of a summary, as a file that a spreadsheet opens; what outsiders typed runs in none."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(_COLUMNS)
    for one in incidents[:ROWS]:
        about = one.about
        cells = (
            one.id,
            one.level,
            one.rule,
            (about.person if about else None) or " ".join(one.key),
            "yes" if about is not None and about.known else "no",
            (about.role if about else None) or "",
            (about.ip if about else None) or "",
            (about.place if about else None) or "",
            str(one.count),
            iso(one.first_us),
            iso(one.last_us),
            one.phase,
        )
        writer.writerow([text.csv_cell(cell) for cell in cells])
    left = len(incidents) - ROWS
    line = f"All {len(incidents):,} incidents so far as a list" + (f"; the file holds the first {ROWS:,}" if left > 0 else "")
    line += ". From a shell: alertbot incidents list"
    return Message(text=line, blocks=(blocks.section(line),), file=File(name, table.getvalue()))


def roundup(
    why: Why, incidents: Sequence[Incident], *, zone: ZoneInfo, portal_url: str, portal: str, threaded: bool = True
) -> Message:
    """The summary of what is no news any more: counts by level and rule, without anybody's name."""
    first, last = min(one.first_us for one in incidents), max(one.last_us for one in incidents)
    times = words.between(first, last, zone)
    because = _BECAUSE[why]
    going_on = sum(one.phase == "going_on" for one in incidents)
    reason = f"Told together after the quiet hours; {going_on:,} still going on" if why == "quiet_hours" else _NO_NEWS
    levels = _by_level(incidents)
    line = (
        f"{_worst(incidents).upper()}, summary · {words.number(len(incidents), 'incident')} {because} · {levels} · {times}"
        f" · {text.inline(portal, 60)}"
    )
    rules = Counter((one.level, one.title) for one in incidents)
    lines = [
        f"{words.SIGNS[level]} {level.upper()} · {count:,} × {text.inline(title, 120)}"
        for (level, title), count in sorted(rules.items(), key=lambda each: (-LEVELS.index(each[0][0]), -each[1], each[0][1]))
    ]
    if len(lines) > RULES:
        lines = [*lines[:RULES], f"and {len(lines) - RULES:,} more kinds"]
    head = words.number(len(incidents), "incident")
    parts = [
        blocks.header(f"{words.SIGNS[_worst(incidents)]} {head} {because}"),
        blocks.section(f"{times}. {reason}" + ("; who and where is in the thread." if threaded else ".")),
        *blocks.paragraphs(lines),
        blocks.section("*What to do*\nGo through the list, the most severe first; from a shell: alertbot incidents list"),
        _small_print(portal_url, portal),
    ]
    return Message(text=line, blocks=tuple(parts), colour=words.COLOURS[_worst(incidents)])


_NO_NEWS = "They are no news any more, so they are told together"
_BECAUSE: dict[Why, str] = {
    "old_news": "while alertbot could not read the portal",
    "late": "while Slack could not be reached",
    "quiet_hours": "in quiet hours",
}


def roundup_list(incidents: Sequence[Incident], zone: ZoneInfo) -> Message:
    """The incidents of a summary one by one, for its thread."""
    ordered = sorted(incidents, key=lambda one: (-LEVELS.index(one.level), one.at_us, one.id))
    lines = [
        f"{words.SIGNS[one.level]} {one.level.upper()} · {text.inline(one.title, 100)} · {_named(one)} ({one.count:,})"
        f"{_from(one)} · {words.between(one.first_us, one.last_us, zone)} · {text.inline(one.id, 40)}"
        for one in ordered[:LINES]
    ]
    if len(ordered) > LINES:
        lines.append(f"and {len(ordered) - LINES:,} more; from a shell: alertbot incidents list")
    line = f"The list: {words.number(len(incidents), 'incident')} · {_by_level(incidents)}"
    return Message(text=line, blocks=tuple(blocks.paragraphs(lines)))


def _by_level(incidents: Sequence[Incident]) -> str:
    counts = Counter(one.level for one in incidents)
    return ", ".join(f"{counts[level]:,} {level}" for level in reversed(LEVELS) if counts[level])


def _worst(incidents: Sequence[Incident]) -> Level:
    return max((one.level for one in incidents), key=LEVELS.index)


def _account(one: Incident) -> str:
    return (one.about.account if one.about else None) or " ".join(one.key)


def _named(one: Incident) -> str:
    return text.inline(one.subject or "no account", 100)


def _from(one: Incident) -> str:
    where = " ".join(part for part in (one.about.place, one.about.ip) if part) if one.about else ""
    return f" · {text.inline(where, 100)}" if where else ""


def _span(incidents: Sequence[Incident], storm: Storm) -> tuple[int, int]:
    if not incidents:
        return storm.since_us, storm.last_us
    return min(one.first_us for one in incidents), max(one.last_us for one in incidents)


def _small_print(portal_url: str, portal: str, *more: str) -> blocks.Block:
    page = f"{portal_url.rstrip('/')}/portal-settings/security/login-history"
    return blocks.context(" · ".join([blocks.link(page, "Login history"), f"portal {text.inline(portal, 60)}", *more]))
