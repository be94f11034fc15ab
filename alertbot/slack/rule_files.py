"""What editors of rules are told while the service runs: a broken edit, and that it is mended. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alertbot.errors import Mistake
from alertbot.outbox import Message
from alertbot.slack import blocks, text
from alertbot.slack.message import notice
from alertbot.slack.words import SIGNS, number

_SHOWN = 10
_LONGEST = 250


def rules_broken(mistakes: Sequence[Mistake]) -> Message:
    """An edit cannot be used: every mistake with its place, as an editor can search for it; the rules before it go on."""
    wrong = [mistake for mistake in mistakes if not mistake.warning]
    sentence = "A change of the rules cannot be used. The rules before it stay in force."
    lines = [text.escape(text.clean(str(mistake))[-_LONGEST:].replace("`", "ˋ")) for mistake in wrong[:_SHOWN]]
    more = f"and {number(len(wrong) - _SHOWN, 'more mistake')}. " if len(wrong) > _SHOWN else ""
    to_do = f"{more}Mend these places; alertbot reads the files again by itself."
    parts = (
        blocks.section(f"{SIGNS['high']} *{sentence}*"),
        blocks.section("```\n" + "\n".join(lines) + "\n```"),
        blocks.context(to_do),
    )
    return Message(text=f"{sentence} {' · '.join(lines)}", blocks=parts)


def rules_mended(rules: int) -> Message:
    """The files are right again."""
    return notice(f"The rules are right again: {number(rules, 'rule')} in force.", level="informational")
