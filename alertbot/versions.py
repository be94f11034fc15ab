"""Since when the versions of a portal's rules are in force: what a rule finds before that is history.

In comes what the store holds of them; out go those that begin, to be stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from alertbot.rules.model import Rule
from alertbot.store.records import RuleVersion


class Versions:
    """Those of one portal. `since_us`: (rule, version) → the moment, in the portal's time."""

    def __init__(self, portal: str) -> None:
        self.since_us: dict[tuple[str, str], int] = {}
        self._portal = portal
        self._latest: dict[str, str] = {}

    def add(self, stored: Iterable[RuleVersion]) -> None:
        """These are stored, in the order of their beginning."""
        for one in stored:
            self.since_us[one.rule, one.version] = one.since_us
            self._latest[one.rule] = one.version

    def beginning(self, rules: Iterable[Rule], since_us: int) -> list[RuleVersion]:
        """Those of the rules that were not in force until now."""
        return [self.at(rule, since_us) for rule in rules if self._latest.get(rule.name) != rule.version]

    def at(self, rule: Rule, since_us: int) -> RuleVersion:
        """A rule's version, in force since a moment."""
        return RuleVersion(
            portal=self._portal,
            rule=rule.name,
            version=rule.version,
            since_us=since_us,
            title=rule.title,
            level=rule.level,
        )
