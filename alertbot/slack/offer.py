"""Station 9: the reply that offers an `except` entry to the rule's editor. Pure."""

from __future__ import annotations

from pathlib import PurePath

from alertbot.outbox import Message
from alertbot.slack import blocks, text
from alertbot.wishes import Wish


def offer(wanted: Wish, path: str) -> Message:
    """The entry as YAML; a channel cannot show every text exactly, the command does."""
    where = _file(path) if path else f"the file of rule {text.code(wanted.rule, 100)}"
    lines = "\n".join(text.code_line(line, 400) for line in wanted.entry.splitlines())
    body = f"*Expected from now on?* Paste this into {where}:\n```\n{text.escape(lines)}\n```"
    hint = f"{text.code('alertbot rules --wishes')} lists it, exactly as it is to be pasted."
    title = f"An exception for rule {text.inline(wanted.rule, 100)}, asked for by {text.inline(wanted.by, 80)}"
    return Message(text=title, blocks=(blocks.section(body), blocks.context(hint)))


def _file(path: str) -> str:
    """A rule file by its name; where it lies is nobody's business here. It is ours, and shown exactly as it is called."""
    name = text.clean(PurePath(path).name)[:100].replace("`", "ˋ")
    return f"`{text.escape(name)}`"
