"""Station 9: a rule's `respond`, what on-call should do, with what happened filled in once.

In come the rule editor's text and the firing event; out goes mrkdwn. The text is the editor's: it may format and link. The
values are not: each is made harmless, put in, and never looked at again, so a login `{email}` stays what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from alertbot.event import ATTRIBUTES, Event
from alertbot.slack import blocks, text

_PARTS = re.compile(r"\{([A-Za-z]{1,40})\}|(https?://[^\s<>{}|]{1,400}[^\s<>{}|.,;:!?)\]'\"*_~])")
_INSTEAD = {"name": ("name", "email", "login", "account"), "email": ("email", "login", "account")}
"""What stands for a person of whom less is known."""

_WRAPPED = re.compile(r"(?<=[^\n]{60})[ \t]*\n(?=[ \t]*[^\s\d*•>-])")
"""A line end after so long a line only keeps a file narrow: what follows belongs to the same paragraph."""

_ROOM = 2_400


def fill(respond: str, event: Event | None, more: Mapping[str, str]) -> str:
    """The text with `{field}` of the event or of `more` (text made for people) filled in; other braces stay as they are."""
    out: list[str] = []
    room = _ROOM
    for part in _parts(_WRAPPED.sub(" ", respond.strip()), event, more):
        room -= text.measure(part)
        if room < 0:
            out.append(text.CUT)
            break
        out.append(part)
    return "".join(out)


def _parts(respond: str, event: Event | None, more: Mapping[str, str]) -> Iterator[str]:
    end = 0
    for match in _PARTS.finditer(respond):
        yield from _own(respond[end : match.start()])
        end = match.end()
        if match[2]:
            yield blocks.bare_link(match[2])
        else:
            value = _value(match[1], event, more)
            yield text.inline(value, 150) if value is not None else match[0]
    yield from _own(respond[end:])


def _own(words: str) -> Iterator[str]:
    for grapheme in text.graphemes(words):
        if grapheme == "\n" or all(char.isprintable() for char in grapheme):
            yield text.escape(grapheme)


def _value(field: str, event: Event | None, more: Mapping[str, str]) -> str | None:
    if field in more:
        return more[field]
    if field not in ATTRIBUTES:
        return None
    if event is None:
        return f"({field} unknown)"
    values = (_show(getattr(event, ATTRIBUTES[name])) for name in _INSTEAD.get(field, (field,)))
    return next((value for value in values if value), f"({field} unknown)")


def _show(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(str(part) for part in value)
        case _:
            return str(value)
