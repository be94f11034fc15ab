"""A rule's `detection`: its named selections, and the condition that joins them.

pySigma parses the condition's text; its tree is walked here over the selections. Every mistake has its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alertbot.rules.condition import Condition, all_of, any_of, negate
from alertbot.rules.expression import compile_glob
from alertbot.rules.fields import closest
from alertbot.rules.sigma import Lists, Report, Way, combined, read_selection

MAX_CONDITION = 10_000
MAX_NESTING = 40


@dataclass(frozen=True, slots=True)
class Detection:
    """The selections by name (None: broken), the condition over them (None: none was given, or it is broken), and the names
    that the condition uses."""

    selections: Mapping[str, Condition | None]
    condition: Condition | None
    used: frozenset[str]


def read_detection(value: Any, way: Way, lists: Lists, report: Report) -> Detection:
    """A `detection` with its named selections and condition."""
    if not isinstance(value, dict):
        report(way, "must be a mapping of named selections")
        return Detection({}, None, frozenset())
    if "timeframe" in value:
        report((*way, "timeframe"), "is not part of Sigma 2: say `burst` or `distinct` with `within`", at_key=True)
    names = [name for name in value if name not in ("condition", "timeframe")]
    if not names:
        report(way, "names no selection")
    selections = {name: read_selection(value[name], (*way, name), lists, report) for name in names}
    if "condition" in value:
        return _with_condition(value["condition"], (*way, "condition"), selections, report)
    if len(names) == 1:
        return Detection(selections, selections[names[0]], frozenset(names))
    return Detection(selections, None, frozenset())


def _with_condition(value: Any, way: Way, selections: Mapping[str, Condition | None], report: Report) -> Detection:
    """A condition, or a list of them of which one must hold."""
    texts = value if isinstance(value, list) else [value]
    ways = [(*way, number) for number in range(len(texts))] if isinstance(value, list) else [way]
    if not texts:
        report(way, "is an empty list")
    conditions: list[Condition | None] = []
    used: set[str] = set()
    for text, at in zip(texts, ways, strict=True):
        reader = _ConditionReader(selections, at, report)
        conditions.append(reader.read(text))
        used |= reader.used
    condition = combined(any_of, conditions) if conditions else None
    return Detection(selections, condition, frozenset(used))


class _ConditionReader:
    """One condition's text, read against the selections."""

    def __init__(self, selections: Mapping[str, Condition | None], way: Way, report: Report) -> None:
        self.selections = selections
        self.way = way
        self.report = report
        self.used: set[str] = set()

    def read(self, text: Any) -> Condition | None:
        """The condition; None where it is broken or names a broken selection."""
        from sigma.conditions import SigmaCondition
        from sigma.exceptions import SigmaError

        if not isinstance(text, str) or not text.strip():
            self.report(self.way, "must be a text like `selection and not filter`")
            return None
        if "|" in text:
            self.report(self.way, "the pipe is not part of Sigma 2: say `burst` or `distinct` with `within`")
            return None
        if len(text) > MAX_CONDITION:
            self.report(self.way, f"is longer than {MAX_CONDITION} characters")
            return None
        if _nesting(text) > MAX_NESTING:
            self.report(self.way, f"is nested deeper than {MAX_NESTING} brackets and nots")
            return None
        try:
            return self._node(SigmaCondition(text, None).parse(postprocess=False))  # type: ignore[arg-type]  # unused here
        except SigmaError as exc:
            self.report(self.way, _unreadable(text, str(exc)))
        return None

    def _node(self, node: Any) -> Condition | None:
        from sigma import conditions as sigma

        match node:
            case sigma.ConditionIdentifier():
                return self._named(node.identifier)
            case sigma.ConditionSelector():
                join = all_of if node.cond_class is sigma.ConditionAND else any_of
                names = self._names(node)
                return combined(join, [self._named(name) for name in names]) if names else None
            case sigma.ConditionAND():
                return combined(all_of, [self._node(part) for part in node.args])
            case sigma.ConditionOR():
                return combined(any_of, [self._node(part) for part in node.args])
            case sigma.ConditionNOT():
                part = self._node(node.args[0])
                return None if part is None else negate(part)
        raise NotImplementedError(type(node).__name__)

    def _named(self, name: str) -> Condition | None:
        if name not in self.selections:
            meant = closest(name, list(self.selections))
            self.report(self.way, f"there is no selection {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
            return None
        self.used.add(name)
        return self.selections[name]

    def _names(self, node: Any) -> list[str]:
        """The selections that `1 of`, `any of` or `all of` means; none beginning with `_` unless the pattern does."""
        pattern = "*" if node.pattern == "them" else node.pattern
        fits = compile_glob(pattern)
        hidden = pattern.startswith("_")
        names = [name for name in self.selections if fits(name) and (hidden or not name.startswith("_"))]
        if not names:
            self.report(self.way, f"no selection is called like {node.pattern!r}")
        return names


def _nesting(text: str) -> int:
    """An upper bound of how deep a condition's brackets and nots are nested."""
    deepest = depth = nots = 0
    for word in re.findall(r"[()]|\w+", text):
        depth += (word == "(") - (word == ")")
        nots = nots + 1 if word == "not" else nots if word == "(" else 0
        deepest = max(deepest, depth + nots)
    return deepest


def _unreadable(text: str, message: str) -> str:
    found = re.search(r"\(at char (\d+)\)", message)
    position = int(found[1]) if found else 0
    rest = text[position:].split()
    near = f"at {rest[0]!r}" if rest else "at its end"
    shouted = re.search(r"\b(AND|OR|NOT)\b", text)
    hint = f"; write {shouted[0].lower()} in lower case" if shouted else ""
    return f"cannot be understood {near}: names joined by and, or, not, `1 of`, `all of` and brackets{hint}"
