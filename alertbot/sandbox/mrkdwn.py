"""Slack's mrkdwn, read as Slack reads it: for the sandbox's page and for the terminal.

In comes the text of a text object; out go spans that say what each part is. What Slack would turn into a mention, a link or a
format shows as one here too, so that an outsider's text that got through would be seen.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["text", "code", "block", "link", "mention", "date", "emoji"]

EMOJI = {"tada": "🎉", "warning": "⚠️", "white_check_mark": "✅", "x": "❌", "fire": "🔥", "eyes": "👀", "rotating_light": "🚨"}

_FENCE = re.compile(r"```\n?(.+?)\n?```", re.S)
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|<(?P<token>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>(?=\S)[^*\n]*[^\s*])\*(?![\w*])"
    r"|(?<!\w)_(?P<italic>(?=\S)[^_\n]*[^\s_])_(?!\w)"
    r"|(?<![\w~])~(?P<strike>(?=\S)[^~\n]*[^\s~])~(?![\w~])"
    r"|:(?P<emoji>[a-z0-9_+'-]{1,60}):"
)
_BARE = re.compile(r"(?P<link>https?://[^\s<>|]+)|(?P<mention>@(?:here|channel|everyone)\b)")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text. `target`: a link's address, a mention's token, or a date's `seconds^format`."""

    text: str
    kind: Kind = "text"
    target: str = ""
    styles: frozenset[str] = field(default_factory=frozenset)


def spans(text: str, *, verbatim: bool = False) -> Iterator[Span]:
    """The parts of a mrkdwn text, in order. Without `verbatim`, bare links and `@here` become links and mentions."""
    end = 0
    for match in _FENCE.finditer(text):
        yield from _inline(text[end : match.start()].removesuffix("\n"), frozenset(), verbatim)
        yield Span(html.unescape(match[1]), "block")
        end = match.end() + (text[match.end() : match.end() + 1] == "\n")
    yield from _inline(text[end:], frozenset(), verbatim)


def plain(text: str) -> Span:
    """The one part of a plain_text object."""
    return Span(html.unescape(text))


def mentions(text: str, *, verbatim: bool = False) -> list[str]:
    """Whom a mrkdwn text would call: `!channel`, `@U1`, `!subteam^S1`."""
    return [span.target for span in spans(text, verbatim=verbatim) if span.kind == "mention"]


def _inline(text: str, styles: frozenset[str], verbatim: bool) -> Iterator[Span]:
    end = 0
    for match in _INLINE.finditer(text):
        yield from _bare(text[end : match.start()], styles, verbatim)
        end = match.end()
        kind = match.lastgroup or ""
        inner = match[kind]
        if kind == "code":
            yield Span(html.unescape(inner), "code", styles=styles)
        elif kind == "token":
            yield replace(_token(inner), styles=styles)
        elif kind == "emoji":
            yield Span(EMOJI.get(inner, match[0]), "emoji" if inner in EMOJI else "text", styles=styles)
        else:
            yield from _inline(inner, styles | {kind}, verbatim)
    yield from _bare(text[end:], styles, verbatim)


def _bare(text: str, styles: frozenset[str], verbatim: bool) -> Iterator[Span]:
    end = 0
    for match in () if verbatim else _BARE.finditer(text):
        if match.start() > end:
            yield Span(html.unescape(text[end : match.start()]), styles=styles)
        kind: Kind = "link" if match["link"] else "mention"
        yield Span(html.unescape(match[0]), kind, html.unescape(match[0]), styles)
        end = match.end()
    if end < len(text):
        yield Span(html.unescape(text[end:]), styles=styles)


def _token(inner: str) -> Span:
    target, bar, label = inner.partition("|")
    target, label = html.unescape(target), html.unescape(label)
    if target.startswith("!date^"):
        return Span(label or target, "date", target.removeprefix("!date^"))
    if target[:1] in ("@", "#", "!"):
        return Span(label or ("@" + target[1:] if target[0] == "!" else target), "mention", target)
    if target.startswith(("http://", "https://", "mailto:")):
        return Span(label if bar else target.removeprefix("mailto:"), "link", target)
    return Span(html.unescape(f"<{inner}>"))
