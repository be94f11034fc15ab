"""One document of a rule file → one `Rule`, or all that is wrong with it, each with its place.

The model checks keys and values, `rules.sigma` the selections, and here stands what lies between: one pattern, what its steps
name, which feeds it looks at, which filters narrow it. The rule has no version yet: that needs the other rules (`rules.load`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alertbot.documents import Document
from alertbot.event import FEEDS, Feed
from alertbot.rules.builder import Builder, Shared
from alertbot.rules.calendars import unknown_holidays
from alertbot.rules.condition import Condition, all_of, fields_of
from alertbot.rules.correlation import CorrelationBuilder
from alertbot.rules.detection import Detection, read_detection
from alertbot.rules.document import PATTERNS, HoursDocument, RuleDocument, SequenceDocument
from alertbot.rules.doubts import doubt
from alertbot.rules.fields import closest
from alertbot.rules.match import select
from alertbot.rules.model import Calendar, Each, Hours, LearnedHours, Pattern, Rule, Sequence_, Step

RULE_STEP = "rule:"


def builder_of(document: Document, shared: Shared) -> Builder:
    """What makes a rule of a document: of one with `correlation`, or of any other."""
    kind = CorrelationBuilder if isinstance(document.value, dict) and "correlation" in document.value else RuleBuilder
    return kind(document, shared)


class RuleBuilder(Builder):
    """A rule with a detection of its own."""

    def rule(self, default_name: str | None) -> Rule | None:
        """The rule, as far as it can be made; None where it is broken. `default_name` None: it must have a `name`."""
        value = self.document.value
        if not isinstance(value, dict):
            self.report((), "must be a rule: a mapping with title and detection")
            return None
        if value.get("action") in ("global", "reset", "repeat"):
            self.report(("action",), "is not part of Sigma 2: write the shared keys into each rule", at_key=True)
            return None
        self._one_pattern(value)
        parsed = self.parsed(RuleDocument, value)
        detection = self._detection(value)
        if "sequence" not in value:
            self._complete(detection, value)
        only = self.selection(value, ("only",))
        return self._assemble(parsed, detection, only, default_name) if parsed is not None else None

    def _one_pattern(self, value: Mapping[str, Any]) -> None:
        given = [name for name in value if name in PATTERNS]
        for name in given[1:]:
            self.report((name,), f"a rule has one pattern, and this one has {given[0]} already", at_key=True)

    def _detection(self, value: Mapping[str, Any]) -> Detection:
        if value.get("detection") is not None:
            return read_detection(value["detection"], ("detection",), self.shared.lists, self.report)
        if "detection" in value:
            self.report(("detection",), "is empty")
        return Detection({}, None, frozenset())

    def _complete(self, detection: Detection, value: Mapping[str, Any]) -> None:
        """Everything but a sequence needs selections, and a condition where there are several."""
        given = value.get("detection")
        if "detection" not in value:
            self.report((), "detection: is missing")
        elif isinstance(given, dict) and "condition" not in given and len(detection.selections) > 1:
            typed = next((name for name in detection.selections if closest(name, ["condition"])), None)
            if typed is not None:
                self.report(("detection", typed), "is taken for a selection; did you mean `condition`?", at_key=True)
                return
            example = " and ".join(detection.selections)
            self.report(("detection",), f"needs a condition, like `condition: {example}`", at_key=True)

    def _assemble(
        self, parsed: RuleDocument, detection: Detection, only: Condition | None, default_name: str | None
    ) -> Rule | None:
        name = self.name(parsed.name, default_name)
        filters = self._filters(parsed, name)
        pattern, condition, conditions = self._pattern(parsed, detection, filters)
        exemptions = self.exemptions(parsed)
        told = self.told(parsed)
        if self.broken or pattern is None:
            return None
        by = tuple(parsed.by) if parsed.by else ("portal",) if parsed.absence else ("account",)
        rule = Rule(
            name=name,
            feeds=self._feeds(parsed, conditions),
            condition=select(condition) if condition is not None else None,
            pattern=pattern,
            by=by,
            zone=self._zone(parsed.hours),
            only=select(only) if only is not None else None,
            exemptions=tuple(exemption for exemption, _ in exemptions),
            **told,
        )
        looks = [all_of([condition, *filters]) for condition in conditions]
        doubt(rule, looks, only, [condition for _, condition in exemptions], self.warn)
        self.doubt_values(rule, conditions)
        return rule

    def _filters(self, parsed: RuleDocument, name: str) -> list[Condition]:
        names = [name, *([parsed.id] if parsed.id else [])]
        return [one.condition for one in self.shared.filters if one.narrows(names, parsed.logsource)]

    def _pattern(
        self, parsed: RuleDocument, detection: Detection, filters: Sequence[Condition]
    ) -> tuple[Pattern | None, Condition | None, list[Condition]]:
        """The pattern, the condition of the rule, and all conditions that it looks with, as written."""
        if parsed.sequence is not None:
            pattern, conditions = self._sequence(parsed.sequence, detection, filters)
            return pattern, None, conditions
        self._unused(detection, set())
        if detection.condition is None:
            return self._simple_pattern(parsed), None, []
        return self._simple_pattern(parsed), all_of([detection.condition, *filters]), [detection.condition]

    def _simple_pattern(self, parsed: RuleDocument) -> Pattern:
        if parsed.hours is not None:
            hours = parsed.hours
            return LearnedHours(hours.learn, hours.zone) if hours.learn is not None else Hours(self._calendar(hours))
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

    def _calendar(self, hours: HoursDocument) -> Calendar:
        """The hours as written, or those of the calendar that is named."""
        written = Calendar("", hours.zone, tuple(hours.outside or ()))
        if hours.calendar is None:
            return written
        known = self.shared.calendars
        if hours.calendar not in known:
            meant = closest(hours.calendar, known)
            hint = f"; did you mean {meant!r}?" if meant else "; calendars stand in calendars.yml"
            self.report(("hours", "calendar"), f"there is no calendar {hours.calendar!r}{hint}")
            return written
        calendar = known[hours.calendar]
        unknown = unknown_holidays(calendar)
        if unknown is not None:
            self.report(("hours", "calendar"), f"{calendar.name}: {unknown}")
        return calendar

    def _zone(self, hours: HoursDocument | None) -> Any:
        if hours is None:
            return None
        return self.shared.calendars[hours.calendar].zone if hours.calendar is not None else hours.zone

    def _sequence(
        self, parsed: SequenceDocument, detection: Detection, filters: Sequence[Condition]
    ) -> tuple[Pattern | None, list[Condition]]:
        """The steps. A condition that is written down holds for each of them, and so does a filter."""
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
                also = [detection.condition] if written and detection.condition is not None else []
                conditions.append(all_of([selection, *also]))
                steps.append(Step(step.count, selection=select(all_of([selection, *also, *filters]))))
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
        if service not in FEEDS and (meant := closest(service, FEEDS)):
            self.warn(
                ("logsource", "service"), f"no events are of this service, so the rule looks at logins; did you mean {meant!r}?"
            )
        if service == "audit":
            return frozenset({"audit"})
        names_feed = any("feed" in (fields_of(condition) or ()) for condition in conditions)
        return frozenset({"login", "audit"}) if names_feed and service != "login" else frozenset({"login"})
