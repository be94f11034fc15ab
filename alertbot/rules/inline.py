"""The tests inside rule files: does a rule find what its author says, and nothing else?

In comes a rule with its tests; out comes for each test whether it holds, and if not, what was expected and what came. Each runs
through the same engine as live events do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from alertbot.event import Event, EventRef
from alertbot.moments import from_us
from alertbot.rules.fields import texts
from alertbot.rules.model import InlineTest, Rule, with_needed
from alertbot.rules.story import PORTAL, Story, check_test, moment_us, play

if TYPE_CHECKING:
    from alertbot.finding import Finding

__all__ = ["TestResult", "check_test", "run_tests"]

_MOMENTS = {"at": "at_us", "first": "first_us", "last": "last_us"}


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one rule. `missing` are expected alerts that no finding is like, `unexpected` findings that no alert
    expects, both as people read them."""

    __test__ = False

    rule: str
    it: str
    path: str
    line: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the findings are just the expected ones."""
        return not self.missing and not self.unexpected


def run_tests(rules: Sequence[Rule], others: Iterable[Rule] = ()) -> list[TestResult]:
    """All tests of these rules, in their order; `others` are more rules that they may wait for. Rules that are off are tested
    too."""
    known = {rule.name: rule for rule in (*others, *rules)}
    return [_run(rule, test, _live(rule, known)) for rule in rules for test in rule.tests]


def _live(rule: Rule, known: Mapping[str, Rule]) -> list[Rule]:
    """The rule and those whose firings it waits for, all of them live, and its own findings told."""
    names = sorted(with_needed(rule, known))
    return [replace(known[name], mode="live", heard_only=name != rule.name) for name in names]


def _run(rule: Rule, test: InlineTest, rules: Sequence[Rule]) -> TestResult:
    from alertbot.engine import Engine

    zone = test.zone or rule.zone or ZoneInfo("UTC")
    story = play(test, zone)
    found = [f for f in Engine(rules, PORTAL, test.zone or UTC).fold_all(story.events) if f.rule == rule.name]
    comparison = _Comparison(story, zone)
    missing, unexpected = comparison.differences(test.alerts, found)
    return TestResult(rule.name, test.it, rule.path, test.line, missing, unexpected)


class _Comparison:
    """Expected alerts against findings: each alert needs a finding of its own, and each finding an alert."""

    def __init__(self, story: Story, zone: ZoneInfo) -> None:
        self.zone = zone
        self.events: dict[EventRef, Event] = {event.ref: event for event in story.events}
        self.emails = {person.id: person.email for person in story.directory.people() if person.email}

    def differences(
        self, alerts: Sequence[Mapping[str, Any]], found: Sequence[Finding]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is missing and what came unexpected."""
        candidates = [[n for n, finding in enumerate(found) if self._equal(alert, finding)] for alert in alerts]
        alert_of = _assign(candidates)
        met = set(alert_of.values())
        named = list(dict.fromkeys(name for alert in alerts for name in alert if name != "at"))
        missing = [self._shown_alert(alert) for number, alert in enumerate(alerts) if number not in met]
        unexpected = [self._shown_finding(finding, named) for n, finding in enumerate(found) if n not in alert_of]
        return tuple(missing), tuple(unexpected)

    def _equal(self, alert: Mapping[str, Any], finding: Finding) -> bool:
        return all(self._has(finding, name, expected) for name, expected in alert.items())

    def _has(self, finding: Finding, name: str, expected: Any) -> bool:
        if name in _MOMENTS:
            return bool(moment_us(expected, self.zone) == getattr(finding, _MOMENTS[name]))
        if name == "count":
            return bool(finding.count == expected)
        wanted = expected if isinstance(expected, list) else [] if expected is None else [expected]
        return sorted(_text(one) for one in wanted) == sorted(text.lower() for text in self._texts(finding, name))

    def _texts(self, finding: Finding, name: str) -> list[str]:
        """What a finding has in a field: by its key, else by the event that made it fire; a person as their e-mail."""
        if name in finding.fields:
            values: Sequence[str] = [finding.key[finding.fields.index(name)]]
        else:
            values = texts(name)(self.events[finding.firing])
        return [self.emails.get(value, value) for value in values] if name == "account" else [*values]

    def _shown_alert(self, alert: Mapping[str, Any]) -> str:
        others = [f"{name} {_shown(value)}" for name, value in alert.items() if name != "at"]
        return "  ".join([str(alert.get("at", "at any time")), *others])

    def _shown_finding(self, finding: Finding, named: Sequence[str]) -> str:
        names = dict.fromkeys([*finding.fields, *named, "count"])
        return "  ".join([self._moment(finding.at_us), *(f"{name} {self._shown_field(finding, name)}" for name in names)])

    def _shown_field(self, finding: Finding, name: str) -> str:
        if name == "count":
            return str(finding.count)
        if name in _MOMENTS:
            return self._moment(getattr(finding, _MOMENTS[name]))
        return ", ".join(self._texts(finding, name)) or "absent"

    def _moment(self, at_us: int) -> str:
        moment = from_us(at_us, self.zone).replace(tzinfo=None)
        return moment.isoformat(" ", "auto" if moment.microsecond else "seconds" if moment.second else "minutes")


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).lower()


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _assign(candidates: Sequence[Sequence[int]]) -> dict[int, int]:
    """A finding's number → the alert that it meets, as many pairs as there can be (augmenting paths, the shortest first)."""
    alert_of: dict[int, int] = {}
    finding_of: dict[int, int] = {}
    for start in range(len(candidates)):
        reached: dict[int, int] = {}
        finding = _free_finding(start, candidates, alert_of, reached)
        while finding is not None:
            alert = reached[finding]
            alert_of[finding] = alert
            finding_of[alert], finding = finding, finding_of.get(alert)
    return alert_of


def _free_finding(
    start: int, candidates: Sequence[Sequence[int]], alert_of: Mapping[int, int], reached: dict[int, int]
) -> int | None:
    """A finding that no alert has yet, for an alert or for one that could have another; `reached` says for which."""
    waiting = [start]
    for alert in waiting:
        for finding in candidates[alert]:
            if finding not in reached:
                reached[finding] = alert
                if finding not in alert_of:
                    return finding
                waiting.append(alert_of[finding])
    return None
