"""Reading JSON that is not as it should be.

In comes what a proxy, an older portal or an attacker made of it; out comes the value that it must have meant, or a ValueError
with a sentence. Nothing here is quick: it is for what the typed decoders refuse.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

_SHOWN_LENGTH = 80
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def load(body: bytes) -> Any:
    """JSON as forgiving as can be: any bytes in text, halves of surrogate pairs, bare control characters."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as exc:
        raise ValueError(f"it is no JSON: {exc}") from None


def as_text(value: object) -> str | None:
    """Any JSON value as text; text as it is."""
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("a value is nested too deeply") from None


def as_words(value: object) -> str | None:
    """The same, but of a list of texts and numbers its parts: what is done to one thing is that thing's id, without brackets.

    >>> as_words(["5f0c"]), as_words([1, "b"]), as_words([])
    ('5f0c', '1, b', None)
    """
    if isinstance(value, list) and all(isinstance(part, str | int) for part in value):
        return ", ".join(map(str, value)) or None
    return as_text(value)


def as_whole(value: object, name: str) -> int:
    """A whole number, also where it is written as text or with a point."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,20}\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    raise ValueError(f"{name} is {shown(value)}, not a whole number")


def as_pair(value: object) -> tuple[float, float] | None:
    """Two numbers, or nothing; a whole number may be too large to be one of them."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(part) in (int, float) for part in value):
        with suppress(OverflowError):
            return float(value[0]), float(value[1])
    return None


def shown(value: object) -> str:
    """A value as a complaint shows it: short, on one line, in plain characters."""
    text = ascii(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def storable(text: str) -> str:
    """Text without the characters that no database and no UTF-8 can hold: each becomes U+FFFD.

    >>> storable("anna\\x00")
    'anna\ufffd'
    """
    return _UNSTORABLE.sub("\ufffd", text)
