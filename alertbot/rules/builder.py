"""What the documents of rule files have in common on their way to a `Rule`: mistakes with their places, names, what is told.

`rules.build` makes rules of it, `rules.correlation` correlations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from alertbot.documents import Document, validate
from alertbot.errors import Mistake
from alertbot.event import ATTRIBUTES, FEEDS
from alertbot.rules.condition import Condition
from alertbot.rules.document import TellingDocument, TestDocument
from alertbot.rules.fields import closest, show
from alertbot.rules.filters import Filter
from alertbot.rules.inline import check_test
from alertbot.rules.match import select
from alertbot.rules.model import Calendar, Exemption, Expiry, InlineTest, Raise, Rule
from alertbot.rules.sigma import Lists, Way, read_selection
from alertbot.rules.unknown import unknown_value, unknown_values, warning_of
from alertbot.rules.values import is_rule_name

RESPOND_FIELDS = frozenset({*ATTRIBUTES, "date", "first", "last", "count", "level", "title"})
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]{1,40})\}")

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Shared:
    """What rule files share: lists, calendars, and filters over rules."""

    lists: Lists = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    filters: Sequence[Filter] = ()


@dataclass(slots=True)
class Builder:
    """One document on its way; what is said of it gathers in `mistakes`."""

    document: Document
    shared: Shared
    mistakes: list[Mistake] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)

    def report(self, way: Way, message: str, *, at_key: bool = False) -> None:
        """Take a mistake."""
        self.mistakes.append(self.document.mistake(way, message, at_key=at_key))

    def warn(self, way: Way, message: str, *, at_key: bool = False) -> None:
        """Take what is odd but not wrong."""
        self.mistakes.append(self.document.mistake(way, message, at_key=at_key, warning=True))

    def doubt_values(self, rule: Rule, conditions: Sequence[Condition]) -> None:
        """Warn of values that no event has in the conditions of the detection, and in what else selects events."""
        parts: list[tuple[Way, Condition | None]] = [(("detection",), condition) for condition in conditions]
        parts += [(("only",), rule.only.condition)] if rule.only is not None else []
        parts += [(("except", number, "match"), one.match.condition) for number, one in enumerate(rule.exemptions)]
        parts += [(("raise", number, "match"), one.match.condition) for number, one in enumerate(rule.raises)]
        for area, condition in parts:
            unknown = unknown_values(condition, rule.feeds) if condition is not None else []
            self.mistakes += [warning_of(self.document, area, one) for one in unknown]

    @property
    def broken(self) -> bool:
        """Whether anything is wrong so far."""
        return any(not mistake.warning for mistake in self.mistakes)

    def parsed(self, model: type[M], value: Mapping[str, Any]) -> M | None:
        """The document as a model; None where it is broken."""
        parsed = validate(model, self.document, value=value)
        if isinstance(parsed, list):
            self.mistakes += parsed
            return None
        return parsed

    def selection(self, value: Any, way: Way) -> Condition | None:
        """The selection at `way`, None where there is none or it is broken."""
        for part in way:
            if isinstance(value, Mapping) and part not in value:
                return None
            value = value[part]
        if value is None:
            self.report(way, "is empty; say which events it selects, or leave it out")
            return None
        return read_selection(value, way, self.shared.lists, self.report)

    def name(self, given: str | None, default: str | None) -> str:
        """The name that a rule has; `default` None: it must have one of its own."""
        if given is not None:
            return given
        if default is None:
            self.report((), "needs a `name`: the file holds several rules")
        elif not is_rule_name(default):
            self.report((), "needs a `name`: the file's name cannot be one")
        return default or ""

    def exemptions(self, parsed: TellingDocument) -> list[tuple[Exemption, Condition]]:
        """The exceptions, and the conditions that they are made of."""
        found = []
        for number, given in enumerate(parsed.except_):
            condition = self.selection(self.document.value, ("except", number, "match"))
            if given.until is not None:
                place = self.document.place(("except", number, "until"))
                self.expiries.append(Expiry(given.until, self.document.name, *place, f"the exception ({given.why})"))
            if condition is not None:
                found.append((Exemption(select(condition), given.why, given.until), condition))
        return found

    def told(self, parsed: TellingDocument) -> dict[str, Any]:
        """What every rule says of itself and of what is told, as arguments of `Rule`."""
        line, _ = self.document.place(())
        conditions = [self.selection(self.document.value, ("raise", n, "match")) for n in range(len(parsed.raise_))]
        self._respond(parsed.respond)
        return {
            "title": parsed.title,
            "path": self.document.name,
            "line": line,
            "version": "",
            "level": parsed.level,
            "mode": parsed.mode,
            "quiet": parsed.quiet,
            "description": parsed.description,
            "respond": parsed.respond,
            "references": tuple(parsed.references),
            "falsepositives": tuple(parsed.falsepositives),
            "tags": tuple(parsed.tags),
            "group": tuple(parsed.group or ()),
            "inhibits": tuple(parsed.inhibits),
            "route": parsed.route,
            "raises": tuple(
                Raise(select(match), given.to)
                for given, match in zip(parsed.raise_, conditions, strict=True)
                if match is not None
            ),
            "tests": tuple(self._tests(parsed)),
        }

    def _respond(self, text: str) -> None:
        for name in sorted(set(_PLACEHOLDER.findall(text)) - RESPOND_FIELDS):
            meant = closest(name, RESPOND_FIELDS)
            hint = f"; did you mean {{{meant}}}?" if meant else ""
            self.warn(("respond",), f"nothing is known as {{{name}}}: it will stay as it is{hint}")

    def _tests(self, parsed: TellingDocument) -> list[InlineTest]:
        tests = []
        for number, given in enumerate(parsed.tests):
            way: Way = ("tests", number)
            line, _ = self.document.place(way)
            test = InlineTest(given.it, given.events, given.alerts, given.people, given.zone, line)
            for inner, message, at_key in check_test(test):
                self.report((*way, *inner), message, at_key=at_key)
            self._doubt_test(way, given)
            tests.append(test)
        return tests

    def _doubt_test(self, way: Way, test: TestDocument) -> None:
        """Warn of values that no event has: a test that all stays quiet would hold for no reason."""
        for part, entries in [("events", test.events), ("alerts", test.alerts), ("people", test.people)]:
            said = [(number, key, value) for number, given in enumerate(entries) for key, value in given.items()]
            for number, key, value in said:
                known = key in ATTRIBUTES and isinstance(value, (str, int))
                sentence = unknown_value(key, show(value), FEEDS) if known else None
                if sentence is not None:
                    self.warn((*way, part, number, key), sentence)
