"""A Slack message in a terminal, as Slack would show it: for the demo.

In comes a message as it stands in the sandbox Slack; out goes something that rich prints: the coloured bar, bold labels, the
table of logins. No control character of a message reaches the terminal, and none of its text is markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from rich.box import Box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from alertbot.sandbox import mrkdwn
from alertbot.sandbox.slack_workspace import Posted
from alertbot.slack.text import terminal

_BAR = Box("\n".join(("    ", "▌   ", "    ", "▌   ", "    ", "    ", "▌   ", "    ")) + "\n")
_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})\Z")
_STYLES = {"bold": "bold", "italic": "italic", "strike": "strike"}
_KINDS = {"code": "bold red", "link": "underline blue", "mention": "bold yellow"}
_SHOWN = {"date": "%b %-d, %Y", "time": "%H:%M", "time_secs": "%H:%M:%S"}
_WIDE_ENOUGH_FOR_TWO = 76


def render_terminal(message: Posted, *, zone: tzinfo = UTC, width: int = 80) -> RenderableType:
    """The message: blocks, and attachments beside their bar. Dates are shown in `zone`."""
    parts: list[RenderableType] = [part for block in message.blocks for part in _block(block, zone, width)]
    if not message.blocks and message.text:
        parts.append(_spans(mrkdwn.spans(message.text) if message.mrkdwn else [mrkdwn.plain(message.text)], zone))
    for attachment in message.attachments:
        inner = [part for block in attachment.get("blocks") or () for part in _block(block, zone, width - 4)]
        match = _COLOUR.match(str(attachment.get("color", "")))
        bar = Style(color=f"#{match[1]}" if match else "#dddddd")
        parts.append(Panel(Group(*inner), box=_BAR, border_style=bar, width=width, padding=(0, 1)))
    if message.thread_ts is not None:
        return Padding(Group(*parts), (0, 0, 0, 4))
    return Group(*parts)


def _block(block: Mapping[str, Any], zone: tzinfo, width: int) -> Iterable[RenderableType]:
    match block.get("type"):
        case "header":
            words = _text(block["text"], zone)
            words.stylize("bold")
            yield words
        case "section":
            if block.get("text"):
                yield _text(block["text"], zone)
            if block.get("fields"):
                yield _fields([_text(each, zone) for each in block["fields"]], width)
        case "context":
            for each in block["elements"]:
                words = _text(each, zone)
                words.stylize("dim")
                yield words
        case "actions":
            labels = (str((each.get("text") or each.get("placeholder") or {}).get("text", "")) for each in block["elements"])
            yield Text("  ".join(f"[ {_safe(mrkdwn.plain(label).text)} ]" for label in labels), style="dim")
        case "divider":
            yield Text("─" * min(width, 40), style="dim")
        case other:
            yield Text(f"[{_safe(str(other))}]", style="dim")


def _fields(fields: list[Text], width: int) -> RenderableType:
    columns = 2 if width >= _WIDE_ENOUGH_FOR_TWO else 1
    table = Table.grid(padding=(0, 3, 0, 0), expand=False)
    for _ in range(columns):
        table.add_column(ratio=1)
    for start in range(0, len(fields), columns):
        table.add_row(*fields[start : start + columns])
    return table


def _text(part: Mapping[str, Any], zone: tzinfo) -> Text:
    words = str(part.get("text", ""))
    if part.get("type") == "plain_text":
        return _spans([mrkdwn.plain(words)], zone)
    return _spans(mrkdwn.spans(words, verbatim=part.get("verbatim") is True), zone)


def _spans(spans: Iterable[mrkdwn.Span], zone: tzinfo) -> Text:
    shown = Text()
    for span in spans:
        words = _safe(_date(span, zone) if span.kind == "date" else span.text)
        style = " ".join([*(_STYLES[name] for name in span.styles if name in _STYLES), _KINDS.get(span.kind, "")]).strip()
        if span.kind == "block":
            words = "\n" * bool(shown.plain) + "\n".join(f"  {line}" for line in words.splitlines()) + "\n"
            style = "cyan"
        if span.kind == "link" and span.target != span.text:
            words = f"{words} ({_safe(span.target)})"
        shown.append(words, style=style)
    shown.rstrip()
    return shown


def _date(span: mrkdwn.Span, zone: tzinfo) -> str:
    seconds, _, form = span.target.partition("^")
    if not seconds.isdigit() or int(seconds) > 253_000_000_000:
        return span.text
    when = datetime.fromtimestamp(int(seconds), zone)

    def token(match: re.Match[str]) -> str:
        name = "date" if match[1].startswith("date") else match[1]
        return when.strftime(_SHOWN[name]) if name in _SHOWN else match[0]

    return re.sub(r"\{(\w+)\}", token, form.partition("^")[0])


def _safe(words: str) -> str:
    return "\n".join(terminal(line) for line in words.split("\n"))
