"""Sigma's filters: a condition in one place that the matches of many rules must meet too (`not office_network`).

In comes a document with `filter`; out goes a `Filter`, which `rules.build` joins to the condition of each rule that it narrows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from alertbot.documents import Document, validate
from alertbot.errors import Mistake
from alertbot.event import FEEDS
from alertbot.rules.condition import Condition
from alertbot.rules.detection import read_detection
from alertbot.rules.document import FilterDocument, LogsourceDocument
from alertbot.rules.fields import closest
from alertbot.rules.sigma import Lists, Way
from alertbot.rules.unknown import unknown_values, warning_of

ANY = "any"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that matches of the rules named must meet too; `rules` None: of every rule of the log source.

    `used` gathers the names by which it was found, for warnings about the others.
    """

    condition: Condition
    rules: frozenset[str] | None
    logsource: LogsourceDocument
    document: Document
    used: set[str] = field(default_factory=set, compare=False)

    def narrows(self, names: Collection[str], logsource: LogsourceDocument) -> bool:
        """Whether it counts for the rule of these names (its name, its id) and log source."""
        fits = all(
            wanted is None or wanted.lower() == (given or "").lower()
            for wanted, given in [
                (self.logsource.category, logsource.category),
                (self.logsource.product, logsource.product),
                (self.logsource.service, logsource.service),
            ]
        )
        found = {ANY} if self.rules is None else self.rules.intersection(map(reference, names))
        if fits:
            self.used.update(found)
        return fits and bool(found)

    def idle(self, known: Collection[str]) -> list[Mistake]:
        """Warnings about rules that it names and does not count for; `known` are the names that there are."""
        if self.rules is None:
            way: Way = ("filter", "rules")
            return [] if self.used else [self.document.mistake(way, "there is no rule of this log source", warning=True)]
        return [
            self.document.mistake(
                ("filter", "rules"),
                f"there is no rule {name!r} of this log source that it could narrow"
                + (f"; did you mean {meant!r}?" if (meant := closest(name, known)) and meant != name else ""),
                warning=True,
            )
            for name in sorted(self.rules - self.used)
        ]


def reference(name: str) -> str:
    """A rule's name or id as it is looked up: ids in one spelling."""
    try:
        return str(UUID(name))
    except ValueError:
        return name


def read_filter(document: Document, lists: Lists) -> tuple[Filter | None, list[Mistake]]:
    """The filter of a document (None: it is broken), and what is said of it."""
    mistakes: list[Mistake] = []

    def report(way: Way, message: str, *, at_key: bool = False) -> None:
        mistakes.append(document.mistake(way, message, at_key=at_key))

    own = {key: value for key, value in document.value.items() if key not in ("detection", "correlation")}
    parsed = validate(FilterDocument, document, value=own)
    if isinstance(parsed, list):
        mistakes += parsed
    given = document.value["filter"]
    for key in ("detection", "correlation"):
        if key in document.value:
            report((key,), "does not go with `filter`: a filter is a document of its own", at_key=True)
    if not isinstance(given, dict):
        report(("filter",), "must be a mapping with rules, selections and a condition")
        return None, mistakes
    rules = _rules(given.get("rules"), report)
    detection = read_detection({key: given[key] for key in given if key != "rules"}, ("filter",), lists, report)
    if "condition" not in given:
        report(("filter",), "needs a condition, like `condition: not selection`", at_key=True)
    if mistakes or isinstance(parsed, list) or detection.condition is None:
        return None, mistakes
    for name in detection.selections.keys() - detection.used:
        mistakes.append(document.mistake(("filter", name), "nothing uses this selection", at_key=True, warning=True))
    service = (parsed.logsource.service or "").lower()
    unknown = unknown_values(detection.condition, ["audit"] if service == "audit" else FEEDS)
    mistakes += [warning_of(document, ("filter",), one) for one in unknown]
    if not any("not" in str(text).split() for text in _texts(given["condition"])):
        keeps = "matches must meet this too, so the rules keep only what is selected; an exception says `not`"
        mistakes.append(document.mistake(("filter", "condition"), keeps, warning=True))
    return Filter(detection.condition, rules, parsed.logsource, document), mistakes


def _rules(given: Any, report: Callable[..., None]) -> frozenset[str] | None:
    names = given if isinstance(given, list) else [given]
    wrong = "must be `any`, or names or ids of rules"
    if given is None or not all(isinstance(name, str) and name for name in names):
        report(("filter", "rules") if given is not None else ("filter",), wrong if given is not None else f"rules {wrong}")
        return frozenset()
    if not names or (isinstance(given, str) and given.lower() == ANY):
        return None
    return frozenset(map(reference, names))


def _texts(condition: Any) -> list[Any]:
    return condition if isinstance(condition, list) else [condition]
