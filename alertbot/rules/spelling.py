"""Numbers that stand where texts are compared, written otherwise than YAML reads them.

`browser: 131.10` is the number 131.1 to YAML, and `login: 007` is 7: compared as text they would never match what was meant. In
comes a document of a rule file or of a list; out goes a mistake for each of them, that asks for quotes.
"""

from __future__ import annotations

from collections.abc import Iterator

from alertbot.documents import Document
from alertbot.errors import Mistake
from alertbot.event import ATTRIBUTES
from alertbot.rules.contradiction import DATE_PARTS
from alertbot.rules.fields import kind_of
from alertbot.rules.sigma import NUMERIC, Way

_SELECTIONS = frozenset({"detection", "filter", "only", "except", "raise", "tests"})


def misread(document: Document) -> Iterator[Mistake]:
    """Numbers in a rule or filter whose spelling is lost, though a text is compared with them."""
    for way, written in document.written.items():
        if way[:1] and way[0] in _SELECTIONS and _compares_text(way):
            yield _mistake(document, way, written)


def misread_in_list(document: Document) -> Iterator[Mistake]:
    """Values of a list whose spelling is lost."""
    for way, written in document.written.items():
        yield _mistake(document, way, written)


def _compares_text(way: Way) -> bool:
    """Whether a value is one of a field that holds a text, or a keyword."""
    key = next((part for part in reversed(way) if isinstance(part, str)), "")
    field, *modifiers = key.split("|")
    if set(modifiers) & (NUMERIC | set(DATE_PARTS)):
        return False
    if field in ATTRIBUTES:
        return kind_of(field) not in ("number", "place")
    return way[0] == "detection"


def _mistake(document: Document, way: Way, written: str) -> Mistake:
    return document.mistake(way, f"is a number to YAML, and {written} would be lost; put quotes around it: '{written}'")
