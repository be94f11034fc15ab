"""One document of a rule file → one `Rule`, or all that is wrong with it, each with its place.

The model checks keys and values, `rules.sigma` the selections, and here stands what lies between: one pattern, what its steps
name, which feeds it looks at. The rule has no version yet: that needs the other rules (`rules.load`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alertbot.documents import Document, validate
from alertbot.errors import Mistake
from alertbot.event import ATTRIBUTES, Feed
from alertbot.rules.condition import Condition, all_of, fields_of
from alertbot.rules.detection import Detection, read_detection
from alertbot.rules.document import PATTERNS, RuleDocument, SequenceDocument, comes_later, without_later
from alertbot.rules.fields import closest
from alertbot.rules.inline import check_test
from alertbot.rules.match import select
from alertbot.rules.model import (
    Calendar,
    Each,
    Exemption,
    Hours,
    InlineTest,
    LearnedHours,
    Pattern,
    Raise,
    Rule,
    Sequence_,
    Step,
)
from alertbot.rules.sigma import Lists, Way, read_selection
from alertbot.rules.values import is_rule_name

RULE_STEP = "rule:"
RESPOND_FIELDS = frozenset({*ATTRIBUTES, "date", "first", "last", "count", "level", "title"})
_PLACEHOLDER = re.compile(r"\{([A-Za-z]{1,40})\}")
_OTHER_KINDS = {"correlation": "correlations", "filter": "filters"}


def build(document: Document, default_name: str | None, lists: Lists) -> tuple[Rule | None, list[Mistake]]:
    """The rule (None: it is broken), and its mistakes and warnings. `default_name` None: it must have a `name`."""
    builder = _Builder(document, None if comes_later("expand") else lists)
    rule = builder.rule(default_name)
    broken = any(not mistake.warning for mistake in builder.mistakes)
    return None if broken else rule, sorted(builder.mistakes)


@dataclass(slots=True)
class _Builder:
    document: Document
    lists: Lists
    mistakes: list[Mistake] = field(default_factory=list)

    def report(self, way: Way, message: str, *, at_key: bool = False) -> None:
        """Take a mistake."""
        self.mistakes.append(self.document.mistake(way, message, at_key=at_key))

    def warn(self, way: Way, message: str, *, at_key: bool = False) -> None:
        """Take what is odd but not wrong."""
        self.mistakes.append(self.document.mistake(way, message, at_key=at_key, warning=True))

    def rule(self, default_name: str | None) -> Rule | None:
        """The rule, as far as it can be made."""
        value = self.document.value
        if not isinstance(value, dict):
            self.report((), "must be a rule: a mapping with title and detection")
            return None
        other = next((kind for kind in _OTHER_KINDS if kind in value), None)
        if other is not None and comes_later(other):
            self.report((other,), f"{_OTHER_KINDS[other]} are not supported yet by this version", at_key=True)
            return None
        kept = without_later(value, self._later)
        self._one_pattern(value)
        parsed = validate(RuleDocument, self.document, value=kept)
        detection = self._detection(kept)
        if "sequence" not in value:
            self._complete(detection, value)
        only = self._selection(kept, ("only",))
        if isinstance(parsed, list):
            self.mistakes += parsed
            return None
        return self._assemble(parsed, detection, only, default_name)

    def _later(self, way: Way) -> None:
        self.report(way, "is not supported yet by this version", at_key=True)

    def _one_pattern(self, value: Mapping[str, Any]) -> None:
        given = [name for name in value if name in PATTERNS]
        for name in given[1:]:
            self.report((name,), f"a rule has one pattern, and this one has {given[0]} already", at_key=True)

    def _detection(self, value: Mapping[str, Any]) -> Detection:
        if value.get("detection") is not None:
            return read_detection(value["detection"], ("detection",), self.lists, self.report)
        if "detection" in value:
            self.report(("detection",), "is empty")
        return Detection({}, None, frozenset())

    def _complete(self, detection: Detection, value: Mapping[str, Any]) -> None:
        """Everything but a sequence needs selections, and a condition where there are several."""
        given = value.get("detection")
        if "detection" not in value:
            self.report((), "detection: is missing")
        elif isinstance(given, dict) and "condition" not in given and len(detection.selections) > 1:
            example = " and ".join(detection.selections)
            self.report(("detection",), f"needs a condition, like `condition: {example}`", at_key=True)

    def _selection(self, value: Any, way: Way) -> Condition | None:
        """The selection at `way`, None where there is none or it is broken."""
        for part in way:
            if isinstance(value, Mapping) and part not in value:
                return None
            value = value[part]
        return read_selection(value, way, self.lists, self.report)

    def _assemble(
        self, parsed: RuleDocument, detection: Detection, only: Condition | None, default_name: str | None
    ) -> Rule | None:
        name = self._name(parsed, default_name)
        pattern, condition, conditions = self._pattern(parsed, detection)
        exemptions = [self._selection(self.document.value, ("except", n, "match")) for n in range(len(parsed.except_))]
        raises = [self._selection(self.document.value, ("raise", n, "match")) for n in range(len(parsed.raise_))]
        self._respond(parsed.respond)
        tests = tuple(self._tests(parsed))
        if any(not mistake.warning for mistake in self.mistakes) or pattern is None:
            return None
        by = tuple(parsed.by) if parsed.by else ("portal",) if parsed.absence else ("account",)
        line, _ = self.document.place(())
        return Rule(
            name=name,
            title=parsed.title,
            path=self.document.name,
            line=line,
            version="",
            level=parsed.level,
            mode=parsed.mode,
            feeds=self._feeds(parsed, conditions),
            condition=select(condition) if condition is not None else None,
            pattern=pattern,
            by=by,
            quiet=parsed.quiet,
            description=parsed.description,
            respond=parsed.respond,
            references=tuple(parsed.references),
            falsepositives=tuple(parsed.falsepositives),
            tags=tuple(parsed.tags),
            group=tuple(parsed.group or ()),
            inhibits=tuple(parsed.inhibits),
            route=parsed.route,
            zone=parsed.hours.zone if parsed.hours else None,
            only=select(only) if only is not None else None,
            exemptions=tuple(
                Exemption(select(match), given.why, given.until)
                for given, match in zip(parsed.except_, exemptions, strict=True)
                if match is not None
            ),
            raises=tuple(
                Raise(select(match), given.to) for given, match in zip(parsed.raise_, raises, strict=True) if match is not None
            ),
            tests=tests,
        )

    def _name(self, parsed: RuleDocument, default: str | None) -> str:
        if parsed.name is not None:
            return parsed.name
        if default is None:
            self.report((), "needs a `name`: the file holds several rules")
        elif not is_rule_name(default):
            self.report((), "needs a `name`: the file's name cannot be one")
        return default or ""

    def _pattern(self, parsed: RuleDocument, detection: Detection) -> tuple[Pattern | None, Condition | None, list[Condition]]:
        """The pattern, the condition of the rule, and all conditions that it looks with."""
        if parsed.sequence is not None:
            pattern, conditions = self._sequence(parsed.sequence, detection)
            return pattern, None, conditions
        condition = detection.condition
        self._unused(detection, set())
        pattern = self._simple_pattern(parsed)
        return pattern, condition, [condition] if condition is not None else []

    def _simple_pattern(self, parsed: RuleDocument) -> Pattern:
        if parsed.hours is not None:
            hours = parsed.hours
            if hours.learn is not None:
                return LearnedHours(hours.learn, hours.zone)
            return Hours(Calendar("", hours.zone, tuple(hours.outside or ())))
        simple = (
            parsed.burst
            or parsed.distinct
            or parsed.first_seen
            or parsed.travel
            or parsed.spike
            or parsed.dormant
            or parsed.absence
        )
        return simple.pattern() if simple is not None else Each()

    def _sequence(self, parsed: SequenceDocument, detection: Detection) -> tuple[Pattern | None, list[Condition]]:
        """The steps. A condition that is written down holds for each of them."""
        written = isinstance(self.document.value.get("detection"), dict) and "condition" in self.document.value["detection"]
        steps: list[Step] = []
        conditions: list[Condition] = []
        named: set[str] = set()
        for number, step in enumerate(parsed.steps):
            way = ("sequence", "steps", number, "match")
            if step.match.startswith(RULE_STEP):
                steps.append(Step(step.count, rule=step.match.removeprefix(RULE_STEP).strip()))
                continue
            named.add(step.match)
            selection = detection.selections.get(step.match)
            if step.match not in detection.selections:
                meant = closest(step.match, list(detection.selections))
                hint = f"; did you mean {meant!r}?" if meant else "; another rule is written rule:NAME"
                self.report(way, f"there is no selection {step.match!r}{hint}")
            elif selection is not None and (detection.condition is not None or not written):
                condition = all_of([selection, detection.condition]) if written and detection.condition else selection
                conditions.append(condition)
                steps.append(Step(step.count, selection=select(condition)))
        self._unused(detection, named)
        complete = len(steps) == len(parsed.steps)
        return (Sequence_(parsed.within, tuple(steps)) if complete else None), conditions

    def _unused(self, detection: Detection, named: set[str]) -> None:
        """Warn of selections that nothing uses, where all that could use them was understood."""
        if detection.condition is None and not named:
            return
        for name in detection.selections.keys() - detection.used - named:
            self.warn(("detection", name), "nothing uses this selection", at_key=True)

    def _feeds(self, parsed: RuleDocument, conditions: list[Condition]) -> frozenset[Feed]:
        """The audit trail, the logins, or both where a selection names `feed`."""
        service = (parsed.logsource.service or "").lower()
        if service == "audit":
            return frozenset({"audit"})
        names_feed = any("feed" in (fields_of(condition) or ()) for condition in conditions)
        return frozenset({"login", "audit"}) if names_feed and service != "login" else frozenset({"login"})

    def _respond(self, text: str) -> None:
        for name in sorted(set(_PLACEHOLDER.findall(text)) - RESPOND_FIELDS):
            meant = closest(name, RESPOND_FIELDS)
            hint = f"; did you mean {{{meant}}}?" if meant else ""
            self.warn(("respond",), f"nothing is known as {{{name}}}: it will stay as it is{hint}")

    def _tests(self, parsed: RuleDocument) -> list[InlineTest]:
        tests = []
        for number, given in enumerate(parsed.tests):
            way: Way = ("tests", number)
            line, _ = self.document.place(way)
            test = InlineTest(given.it, given.events, given.alerts, given.people, given.zone, line)
            for inner, message, at_key in check_test(test):
                self.report((*way, *inner), message, at_key=at_key)
            tests.append(test)
        return tests
