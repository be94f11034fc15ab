"""YAML 1.2, read with the place of everything in it.

In comes text; out go values (text, numbers, true and false, null, lists, dicts with text as keys), and for each the line and
column where it and its key stand. PyYAML's C parser does the syntax; what a text stands for is decided here, by the core
schema of YAML 1.2 (`NO`, `22:00` and `2026-01-15` are text).

It promises one value for each key, and bounded time and memory for whatever it is given: depth, number of values and the
growth of aliases are limited, and nothing recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from alertbot.errors import Mistake, Mistakes

Way = tuple[str | int, ...]
"""The way to a value from the top of its document: keys and indices."""

Place = tuple[int, int]
"""Line and column, from 1."""

MAX_NODES = 200_000
MAX_DEPTH = 64
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
MAX_DIGITS = 300

_NULL = re.compile(r"(null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NO_NUMBER = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")

_TAG = "tag:yaml.org,2002:"
_COLLECTION_TAGS = {"map": _TAG + "map", "seq": _TAG + "seq"}


@dataclass(frozen=True, slots=True)
class Tree:
    """One YAML document: its value, where the values and the keys in it stand, and numbers that were written otherwise than
    they are shown (`007`, `131.10`, `1e3`), as they were written."""

    value: Any
    places: dict[Way, Place]
    keys: dict[Way, Place]
    written: dict[Way, str]


def parse(text: str, name: str) -> list[Tree]:
    """All documents of a text, none for an empty one. Raises `Mistakes`."""
    reader = _Reader(name)
    try:
        trees = list(reader.documents(text))
    except yaml.YAMLError as exc:
        raise Mistakes([*reader.mistakes, _syntax(exc, text, name)]) from exc
    except _Refused as exc:
        raise Mistakes([*reader.mistakes, Mistake(name, *exc.place, exc.message)]) from exc
    if reader.mistakes:
        raise Mistakes(reader.mistakes)
    return trees


def dotted(way: Way) -> str:
    """`("tests", 0, "at")` as people read it: `tests[0].at`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in way).lstrip(".")


def end_of(text: str) -> Place:
    """The place just after a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Refused(Exception):
    def __init__(self, place: Place, message: str) -> None:
        self.place = place
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended."""

    value: list[Any] | dict[str, Any]
    way: Way
    anchor: str | None
    first_node: int
    key: str | None = None


class _Reader:
    """Events of the C parser → values and places. No recursion: the depth of a file is the file's, not ours."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mistakes: list[Mistake] = []

    def documents(self, text: str) -> Iterator[Tree]:
        loader = yaml.CSafeLoader(text)
        try:
            self.nodes = 0
            while (event := loader.get_event()) is not None:
                if isinstance(event, yaml.DocumentStartEvent):
                    yield self._document(loader)
        finally:
            loader.dispose()

    def _document(self, loader: yaml.CSafeLoader) -> Tree:
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.places: dict[Way, Place] = {}
        self.keys: dict[Way, Place] = {}
        self.written: dict[Way, str] = {}
        self.value: Any = None
        while not isinstance(event := loader.get_event(), yaml.DocumentEndEvent):
            self._take(event)
        return Tree(self.value, self.places, self.keys, self.written)

    def _take(self, event: Any) -> None:
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = self.stack.pop()
            if done.anchor is not None:
                self.anchors[done.anchor] = (done.value, self.nodes - done.first_node)
            self._after_value()
        elif self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            self._key(event, place)
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, place)
            way = self._attach(value, place)
            if type(value) in (int, float) and str(value) != event.value:
                self.written[way] = event.value
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1)
            self._after_value()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), place)
        else:
            self._open(event, place)

    def _key(self, event: Any, place: Place) -> None:
        top = self.stack[-1]
        assert isinstance(top.value, dict)
        if not isinstance(event, yaml.ScalarEvent):
            raise _Refused(place, "a key must be a text, not a list, a mapping or an alias; put quotes around it")
        self._count(place)
        way = (*top.way, event.value)
        if event.value in top.value:
            first = self.keys[way][0]
            self.mistakes.append(Mistake(self.name, *place, f"{dotted(way)}: stands here twice (first on line {first})"))
        else:
            self.keys[way] = place
        if event.anchor is not None:
            raise _Refused(place, "an anchor belongs before a value, not before a key")
        if event.value == "<<" and event.implicit[0]:
            raise _Refused(place, "YAML 1.2 has no merge key <<; write the keys out")
        top.key = event.value

    def _open(self, event: Any, place: Place) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _Refused(place, _TOO_DEEP)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        if event.tag not in (None, "!", _COLLECTION_TAGS[kind]):
            self._unknown_tag(event.tag, place)
        value: dict[str, Any] | list[Any] = {} if kind == "map" else []
        first_node = self.nodes
        way = self._attach(value, place)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(value, way, event.anchor, first_node))

    def _attach(self, value: Any, place: Place) -> Way:
        """Put a value where the document is being read, and remember its place."""
        self._count(place)
        way: Way = ()
        if not self.stack:
            self.value = value
        else:
            top = self.stack[-1]
            if isinstance(top.value, dict):
                assert top.key is not None
                way = (*top.way, top.key)
                top.value[top.key] = value
            else:
                way = (*top.way, len(top.value))
                top.value.append(value)
        self.places[way] = place
        return way

    def _after_value(self) -> None:
        if self.stack:
            self.stack[-1].key = None

    def _alias(self, anchor: str, place: Place) -> None:
        """An alias is a copy of what it names, so the copies count: that is what stops anchors that explode."""
        if anchor not in self.anchors:
            raise _Refused(place, f"the alias *{anchor} has no anchor &{anchor} before it")
        known = self.anchors[anchor]
        if known is None:
            raise _Refused(place, f"the alias *{anchor} stands inside the value that it names")
        value, size = known
        if self.nodes + size > MAX_NODES:
            raise _Refused(place, f"the aliases make more than {MAX_NODES} values")
        self._copy(value, place, len(self.stack))
        self._after_value()

    def _copy(self, value: Any, place: Place, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Refused(place, _TOO_DEEP)
        if not isinstance(value, (dict, list)):
            self._attach(value, place)
            return
        target: dict[str, Any] | list[Any] = {} if isinstance(value, dict) else []
        way = self._attach(target, place)
        top = _Open(target, way, None, self.nodes)
        self.stack.append(top)
        for item in value:
            if isinstance(value, dict):
                self._count(place)
                self.keys[(*way, item)] = place
                top.key = item
            self._copy(value[item] if isinstance(value, dict) else item, place, depth + 1)
        self.stack.pop()

    def _count(self, place: Place) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _Refused(place, f"holds more than {MAX_NODES} values; split it")

    def _scalar(self, event: Any, place: Place) -> Any:
        tag, text = event.tag, event.value
        if tag is None or tag == "!":
            return plain(text) if event.implicit[0] and tag is None else text
        value = _tagged(tag, text)
        if value is _tagged:
            self._unknown_tag(tag, place)
        return value

    def _unknown_tag(self, tag: str, place: Place) -> None:
        shown = tag.replace(_TAG, "!!")
        self.mistakes.append(Mistake(self.name, *place, f"the tag {shown} is not supported; leave it out"))


def plain(text: str) -> Any:
    """What a text without quotes stands for in YAML 1.2's core schema."""
    if _INT.match(text) and len(text) <= MAX_DIGITS:
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.match(text) and len(text) <= MAX_DIGITS:
        return float(text)
    if _NO_NUMBER.match(text):
        return float(text.replace(".", ""))
    if _BOOL.match(text):
        return text.lower() == "true"
    return None if _NULL.match(text) else text


_TAGGED: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
}


def _tagged(tag: str, text: str) -> Any:
    """The value of a text with an explicit tag; `_tagged` itself where the tag does not fit."""
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return text
    value = plain(text)
    fits = kind in _TAGGED and type(value) in _TAGGED[kind]
    return (float(value) if kind == "float" else value) if fits else _tagged


_HINTS: Sequence[tuple[str, str]] = (
    (
        "mapping values are not allowed",
        "a text that holds `: ` needs quotes around it, and keys of one level the same indent",
    ),
    ("expected node content", "a value or a closing bracket is missing here"),
    ("could not find expected ':'", "a key needs `: ` after it"),
    ("did not find expected key", "check the indent, and the quotes of this line and the one before"),
    ("did not find expected '-' indicator", "check the indent of this line"),
    ("did not find expected ',' or", "check the commas and that each bracket is closed"),
    ("found unexpected end of stream", "a quote or bracket is never closed"),
    (
        "found unknown escape character",
        "in double quotes a \\ is written \\\\; single quotes take it as it is",
    ),
)


def _syntax(exc: yaml.YAMLError, text: str, name: str) -> Mistake:
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or str(exc)
    if mark is None:
        position = getattr(exc, "position", None)
        place = end_of(text.encode()[:position].decode("utf-8", "replace")) if isinstance(position, int) else (1, 1)
        return Mistake(name, *place, f"is not YAML: {problem}")
    if "nesting depth" in problem:  # libyaml from 0.2.6 on looks so far ahead that it refuses before we count
        return Mistake(name, mark.line + 1, mark.column + 1, _TOO_DEEP)
    return Mistake(name, mark.line + 1, mark.column + 1, f"is not YAML: {problem}{_hint(problem, text, mark)}")


def _hint(problem: str, text: str, mark: Any) -> str:
    if "cannot start any token" in problem:
        lines = text.splitlines()
        character = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        return (
            "; indent with spaces, not tabs"
            if character == "\t"
            else f"; put quotes around a text that begins with {character}"
        )
    return next((f"; {hint}" for part, hint in _HINTS if part in problem), "")
