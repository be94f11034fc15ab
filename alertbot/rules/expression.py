"""Regular expressions of rules, by RE2: matching takes time in proportion to the text, whatever the expression.

A rule's expression meets text that attackers type. What RE2 cannot do in linear time (look-around, back-references) is refused
by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LENGTH = 10_000

_UNSUPPORTED = {
    "(?=": "look-ahead",
    "(?!": "look-ahead",
    "(?<=": "look-behind",
    "(?<!": "look-behind",
    "(?>": "an atomic group",
}
_LINEAR_ONLY = "is not supported: expressions are RE2's, which match in linear time"


def compile_expression(pattern: str) -> Callable[[str], bool]:
    """Whether the expression is found in a text. Raises ValueError with a sentence for people."""
    import re2

    options = re2.Options()
    options.log_errors = False
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} characters")
    try:
        search = re2.compile(pattern, options).search
    except re2.error as exc:
        raise ValueError(_reason(_text(exc.args[0]))) from exc
    except UnicodeEncodeError as exc:
        raise ValueError("the expression holds half a character (a lone surrogate)") from exc

    def found(text: str) -> bool:
        try:
            return search(text) is not None
        except UnicodeEncodeError:
            return search(text.encode("utf-8", "replace")) is not None

    return found


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text has the form of a pattern of `*`, `?` and escapes, exactly as both are written."""
    return compile_expression(r"(?s)\A" + "".join(map(_as_expression, split_glob(pattern))) + r"\z")


def split_glob(pattern: str) -> list[tuple[str, bool]]:
    """A pattern as characters and whether each is special: `*` and `?` that no backslash precedes."""
    return [
        (found[1], False) if found[1] else (found[0], found[0] in "*?")
        for found in re.finditer(r"\\([\\*?])|.", pattern, re.DOTALL)
    ]


def _as_expression(part: tuple[str, bool]) -> str:
    character, special = part
    if special:
        return ".*" if character == "*" else "."
    return re.escape(character)


def _text(message: bytes | str) -> str:
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)


def _reason(message: str) -> str:
    for sign, name in _UNSUPPORTED.items():
        if message.endswith(sign):
            return f"{name} `{sign}` {_LINEAR_ONLY}"
    if message == "invalid perl operator: (?P" or re.fullmatch(r"invalid escape sequence: \\[1-9gk]", message):
        return f"a back-reference {_LINEAR_ONLY}"
    return f"is no regular expression: {message}"
