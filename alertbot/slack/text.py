"""Station 9: text that an outsider typed, made harmless for whatever shows it.

In comes any text at all; out goes text that mentions, links, formats and breaks nothing, and that shows what would not be
seen: hidden and direction-changing characters as their code points, line ends as ⏎. A plain e-mail address comes out exactly
as typed.

    plain      a plain_text object               escaped, links defanged
    inline     inside mrkdwn, and `text`         escaped, links defanged, signs that format replaced by look-alikes
    code       a `code span`                     escaped, links defanged, backticks replaced
    terminal   a line in a terminal              no control characters
    csv_cell   a cell of a spreadsheet           no control characters, no formula

`limit` is what Slack counts: characters after escaping (as UTF-16, which is the most they can be). Text is cut between
graphemes, never inside one, and never inside an entity like `&amp;`. A value is made harmless once and never rendered again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

CUT = "…"
LINE = "⏎"
BROKEN = "\N{REPLACEMENT CHARACTER}"
MARKS_SHOWN = 4
"""So many combining marks may stand on a letter; more would paint over the lines around it."""

_LINE_ENDS = frozenset("\r\n\t\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that show as nothing at all, though their category does not say so."""
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Co", "Cn"))
_SCRIPTS = (
    " LATIN CYRILLIC GREEK COPTIC ARMENIAN CHEROKEE GEORGIAN HEBREW ARABIC LISU OLD GOTHIC DESERET OSAGE VAI CANADIAN "
    "FULLWIDTH MATHEMATICAL DOUBLE-STRUCK SCRIPT BLACK-LETTER "
)
"""Scripts whose letters can pass for those of another; Chinese, Japanese and Korean mix with Latin in ordinary names."""

_PLAIN_EMAIL = re.compile(
    r"(?=.{3,254}\Z)[^\W_]+(?:(?:[.%+'-]+|_+)[^\W_]+)*@[^\W_]+(?:-+[^\W_]+)*(?:\.[^\W_]+(?:-+[^\W_]+)*)+\Z"
)
_DOTS = "[.。．｡]"
_HOST = re.compile(rf"(?<![\w-])(?:[\w-]{{1,63}}{_DOTS}){{1,40}}(?=[^\W\d_]{{2}}|xn--)")
_SCHEME = re.compile(
    r"\b(?:(https?|ftp)(?=:)|([a-z][a-z0-9+.-]{1,20})(?=:/)|(mailto|tel|sms|javascript|data|slack)(?=:))(:)", re.I
)
_FORMATS = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ"})
_UNDERSCORE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
_EMOJI = re.compile(r":(?!\d+:)(?=[\w+'-]{1,100}:)|:(?=(?:100|1234):)")
"""`03:04:12` is a time; of pure numbers only these two are emoji."""
_FORMULA = frozenset("=+-@＝＋－＠")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def clean(text: str) -> str:
    """The text with everything hidden made visible, on one line. Nothing else about it changes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_units(text))


def remarks(text: str) -> tuple[str, ...]:
    """What a reader should be told about the text, as phrases: hidden characters, letters of several scripts."""
    found = []
    if any(_is_hidden(char) or _is_broken(char) for char in text):
        found.append("holds hidden characters, shown as [U+…]")
    for word in text.split():
        scripts = sorted({script for char in word if (script := _script(char))})
        if len(scripts) > 1:
            found.append(
                f"mixes {' and '.join(script.capitalize() for script in scripts)} letters: it may imitate another name"
            )
            break
    return tuple(found)


def plain(text: str, limit: int = 200) -> str:
    """For a plain_text object."""
    return _fit(defang(_shorten(text, limit)), limit, escape)


def inline(text: str, limit: int = 200) -> str:
    """For mrkdwn, where nothing can be escaped but `&`, `<` and `>`: what would format becomes a sign that looks like it."""
    short = _shorten(text, limit)
    if not is_plain_email(short):
        short = _UNDERSCORE.sub(lambda match: "＿" * len(match[0]), defang(short).translate(_FORMATS))
        short = _EMOJI.sub("∶", short)
        if short.startswith(">"):
            short = "›" + short[1:]
    return _fit(short, limit, escape)


def code(text: str, limit: int = 200) -> str:
    """A code span, backticks included in the limit. Nothing inside one is a link, a mention, an emoji or a format."""
    inner = _fit(defang(_shorten(text, limit)).replace("`", "ˋ").strip(), limit - 2, escape)
    return f"`{inner}`" if inner else "`(empty)`"


def code_line(text: str, limit: int = 200) -> str:
    """A line inside a code block: not escaped yet, so that columns can be set; `escape` comes last."""
    return _fit(defang(_shorten(text, limit)).replace("`", "ˋ"), limit, str)


def terminal(text: str, limit: int = 10_000) -> str:
    """For a terminal: no escape sequence, no control character, one line."""
    return _fit(_shorten(text, limit), limit, str)


def csv_cell(text: str) -> str:
    """For a cell: as typed, on one line; what a spreadsheet would run as a formula gets an apostrophe before it."""
    cell = clean(text)
    return f"'{cell}" if cell.lstrip(" ")[:1] in _FORMULA and cell.strip(" ") else cell


def escape(text: str) -> str:
    """Slack's three entities; every other character stays."""
    return "".join(_ESCAPED.get(char, char) for char in text)


def is_plain_email(text: str) -> bool:
    """Whether the whole text is an ordinary e-mail address, which no client turns into anything but itself."""
    return _PLAIN_EMAIL.match(text) is not None


def defang(text: str) -> str:
    """The text with each link broken so that no client makes one of it: `hxxps://evil[.]example/login`."""
    return "".join(part if part.isspace() or is_plain_email(part) else _defang_word(part) for part in re.split(r"(\s+)", text))


def measure(text: str) -> int:
    """How long Slack may count a text: UTF-16 code units, the largest of the usual ways."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def _defang_word(word: str) -> str:
    word = _SCHEME.sub(_defang_scheme, word)
    return _HOST.sub(lambda match: re.sub(_DOTS, "[.]", match[0]), word)


def _defang_scheme(match: re.Match[str]) -> str:
    if match[1]:
        return match[1].lower().replace("http", "hxxp").replace("ftp", "fxp") + ":"
    return f"{match[2] or match[3]}[:]"


def _shorten(text: str, limit: int) -> str:
    """As much of the text as can matter for the limit, cleaned: two characters never become less than one."""
    cut = text[: 2 * limit + 2]
    return clean(cut) + (CUT if len(cut) < len(text) else "")


def _fit(text: str, limit: int, finish: Callable[[str], str]) -> str:
    """The text, finished; if that is longer than the limit, as many whole graphemes as fit, and …"""
    whole = finish(text)
    if measure(whole) <= limit:
        return whole
    shown: list[str] = []
    room = limit - len(CUT)
    for grapheme in graphemes(text):
        unit = finish(grapheme)
        room -= measure(unit)
        if room < 0:
            break
        shown.append(unit)
    return "".join(shown) + CUT


def _units(text: str) -> Iterator[str]:
    marks = 0
    before = ""
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me") else 0
        if char == "\n" and before == "\r":
            before = char
            continue
        if char in _LINE_ENDS:
            yield LINE
        elif _is_broken(char):
            yield BROKEN
        elif (_is_hidden(char) and not _is_emoji_variation(before, char)) or marks > MARKS_SHOWN:
            yield f"[U+{ord(char):04X}]"
        elif unicodedata.category(char) == "Zs":
            yield " "
        else:
            yield char
        before = char


def _is_broken(char: str) -> bool:
    return char == "\0" or "\ud800" <= char <= "\udfff"


def _is_hidden(char: str) -> bool:
    if char in _LINE_ENDS or _is_broken(char):
        return False
    if char in _BLANKS or "\ufe00" <= char <= "\ufe0f" or "\U000e0000" <= char <= "\U000e0fff":
        return True
    return unicodedata.category(char) in _HIDDEN_CATEGORIES


def _is_emoji_variation(before: str, char: str) -> bool:
    return char in "\ufe0e\ufe0f" and unicodedata.category(before or " ") == "So"


def _script(char: str) -> str | None:
    if not char.isalpha():
        return None
    first = unicodedata.name(char, "").partition(" ")[0]
    return first if f" {first} " in _SCRIPTS else None


def graphemes(text: str) -> Iterator[str]:
    """What a reader takes for one character: a letter with its marks, a flag, an emoji with its skin, a Korean syllable."""
    cluster = ""
    for char in text:
        if cluster and _joins(cluster, char):
            cluster += char
            continue
        if cluster:
            yield cluster
        cluster = char
    if cluster:
        yield cluster


def _joins(cluster: str, char: str) -> bool:
    if unicodedata.category(char) in ("Mn", "Me", "Mc") or "\U0001f3fb" <= char <= "\U0001f3ff":
        return len(cluster) < 16
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"
    last = cluster[-1]
    return ("\u1160" <= char <= "\u11ff" and "\u1100" <= last <= "\u11ff") or (
        "\u11a8" <= char <= "\u11ff" and "\uac00" <= last <= "\ud7a3"
    )
