"""Station 9: what is said beside an incident’s own message: who is called, that nobody looks, that a silence ends.

Pure. A remark is short and links to the message that it is about: that one says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from alertbot.incidents import Incident
from alertbot.outbox import Message, link_to
from alertbot.silences import Silence
from alertbot.slack import blocks, text, words
from alertbot.slack.actions import person

LISTED = 5


def uncalled(message: Message, _names: Sequence[str]) -> Message:
    """Calls nobody: where no name could be resolved."""
    return message


def caller(tags: Mapping[str, str]) -> Callable[[Message, Sequence[str]], Message]:
    """What calls people by the names of the configuration; `tags` are their mentions. A name without one is left out."""

    def call(message: Message, names: Sequence[str]) -> Message:
        found = " ".join(tags[name] for name in names if name in tags)
        if not found:
            return message
        heads = [number for number, block in enumerate(message.blocks) if block.get("type") == "header"]
        at = heads[0] + 1 if heads else 0
        parts = (*message.blocks[:at], blocks.section(found), *message.blocks[at:]) if message.blocks else ()
        return msgspec.structs.replace(message, text=f"{message.text} · {found}", blocks=parts)

    return call


def escalation(incident: Incident, told_us: int, now_us: int, zone: ZoneInfo) -> Message:
    """Nobody has looked at an incident for so long."""
    line = f"Nobody has looked for {words.span(told_us, now_us)}: {_named(incident, zone)}"
    over = " It is over by now, and still open work." if incident.phase == "over" else ""
    shown = (
        f"{words.SIGNS[incident.level]} *Nobody has looked for {words.span(told_us, now_us)}*\n{_linked(incident, zone)}{over}"
    )
    return Message(text=line, blocks=(blocks.section(shown),), colour=words.COLOURS[incident.level], links=_links([incident]))


def silence_over(silence: Silence, held: Sequence[Incident]) -> Message:
    """A silence has ended: what it held back, and what of it goes on. The incident that it was asked for at may be named."""
    going_on = [one for one in held if one.phase == "going_on" and one.work != "resolved"]
    count = sum(max(one.count - one.silenced.told, 0) for one in held if one.silenced is not None)
    what = text.inline(silence.what, 200)
    ended = f"lifted by {text.inline(silence.lifted_by, 80)}" if silence.lifted_by else "over"
    back = f"{words.number(len(held), 'incident')}, {words.number(count, 'event')}" if held else "nothing"
    line = f"Silence {ended}: {what} · held back: {back} · {len(going_on):,} still going on"
    lines = [
        f"🔔 *Silence {ended}*: {what}",
        f"Asked for by {person(silence.by, silence.by_id)}: {text.inline(silence.reason, 300)}",
        f"Held back: {back}; {len(going_on):,} still going on.",
    ]
    told = [one for one in going_on if one.message is not None]
    lines += [f"• {link_to(one.message, text.inline(one.title, 120))} goes on" for one in told[:LISTED] if one.message]
    if len(told) > LISTED:
        lines.append(f"and {len(told) - LISTED:,} more")
    return Message(text=line, blocks=tuple(blocks.paragraphs(lines)), links=_links(told[:LISTED]))


def _named(incident: Incident, zone: ZoneInfo) -> str:
    who = text.inline(incident.subject, 120)
    times = words.between(incident.first_us, incident.last_us, zone)
    parts = (incident.level.upper(), text.inline(incident.title, 150), who, times, text.inline(incident.portal, 60))
    return " · ".join(part for part in parts if part)


def _linked(incident: Incident, zone: ZoneInfo) -> str:
    named = _named(incident, zone)
    return link_to(incident.message, named) if incident.message else named


def _links(incidents: Sequence[Incident]) -> tuple[str, ...]:
    return tuple(one.message for one in incidents if one.message)
