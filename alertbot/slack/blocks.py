"""Station 9: the parts of a Slack message, each within Slack's limits.

In comes text that `text` has made harmless; out go Block Kit's dicts. `verbatim` keeps Slack from making links, mentions and
channel names of what stands in mrkdwn; plain text shows no `:emoji:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alertbot.slack import text

Block = dict[str, Any]

HEADER = 150
SECTION = 3_000
FIELD = 2_000
FIELDS = 10
BLOCKS = 50
CONTEXT_ELEMENTS = 10
_CELLS = (60, 24, 8)
"""How wide a table's cells may be: the first with which it fits, after escaping."""


def header(words: str) -> Block:
    """The title line. Blocks up to a header stand above the coloured bar, what follows stands beside it."""
    return {"type": "header", "text": _plain(text.plain(words, HEADER))}


def section(mrkdwn: str) -> Block:
    """A paragraph of mrkdwn."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def plain_section(words: str) -> Block:
    """A paragraph in which nothing formats; line ends in it stay."""
    lines = "\n".join(text.plain(line, SECTION) if line.strip() else "" for line in words.strip().splitlines())
    return {"type": "section", "text": _plain(lines if text.measure(lines) <= SECTION else text.plain(words, SECTION))}


def fields(pairs: Iterable[tuple[str, str]]) -> Block:
    """Labelled values: two columns on a wide screen, one below the other on a phone. Values are mrkdwn."""
    return {"type": "section", "fields": [_mrkdwn(f"*{label}*\n{value}") for label, value in list(pairs)[:FIELDS]]}


def context(*parts: str) -> Block:
    """Small print, mrkdwn."""
    return {"type": "context", "elements": [_mrkdwn(part) for part in parts[:CONTEXT_ELEMENTS]]}


def table(rows: Sequence[Sequence[str]], more: str = "") -> str:
    """Rows of cells, their columns set by spaces, in a code block; `more` follows below it. Cells are cut so that all fits."""
    return next(shown for width in _CELLS if text.measure(shown := _table(rows, more, width)) <= SECTION or width == _CELLS[-1])


def _table(rows: Sequence[Sequence[str]], more: str, width: int) -> str:
    cells = [[text.code_line(cell, width) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "```\n" + text.escape("\n".join(lines)) + "\n```" + (f"\n{more}" if more else "")


def paragraphs(lines: Iterable[str], limit: int = SECTION) -> list[Block]:
    """Lines of mrkdwn in as few sections as hold them. No line may be longer than the limit."""
    sections: list[str] = []
    for line in lines:
        if sections and text.measure(sections[-1]) + 1 + text.measure(line) <= limit:
            sections[-1] += "\n" + line
        else:
            sections.append(line)
    return [section(part) for part in sections]


def link(url: str, words: str) -> str:
    """A link of our own making, in mrkdwn."""
    return f"<{_url(url)}|{text.inline(words)}>"


def bare_link(url: str) -> str:
    """A link that shows where it goes, in mrkdwn."""
    return f"<{_url(url)}>"


def _url(url: str) -> str:
    return "".join(f"%{ord(char):02X}" if char in '|<> "`' else char for char in url).replace("&", "&amp;")


def _plain(words: str) -> Block:
    return {"type": "plain_text", "text": words, "emoji": False}


def _mrkdwn(words: str) -> Block:
    return {"type": "mrkdwn", "text": words, "verbatim": True}
