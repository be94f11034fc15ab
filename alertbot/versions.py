"""Since when the versions of a portal's rules are in force: what a rule finds before that is history.

In comes what the store holds of them; out go those that begin, to be stored. A rule that is no more in force, for it was
removed or is off, has a version without a name: when it comes back, its version begins anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from alertbot.rules.model import Rule
from alertbot.store.records import RuleVersion

NONE = ""


class Versions:
    """Those of one portal. `since_us`: (rule, version) → the moment, in the portal's time."""

    def __init__(self, portal: str) -> None:
        self.since_us: dict[tuple[str, str], int] = {}
        self._portal = portal
        self._latest: dict[str, RuleVersion] = {}

    def add(self, stored: Iterable[RuleVersion]) -> None:
        """These are stored, in the order of their beginning."""
        for one in stored:
            self.since_us[one.rule, one.version] = one.since_us
            self._latest[one.rule] = one

    def beginning(self, rules: Iterable[Rule], since_us: int) -> list[RuleVersion]:
        """Those of the rules that were not in force until now."""
        return [self.at(rule, since_us) for rule in rules if self._version(rule.name) != rule.version]

    def ending(self, rules: Collection[str], since_us: int) -> list[RuleVersion]:
        """What is stored of rules that were in force until now, and are not among these."""
        return [
            msgspec.structs.replace(one, version=NONE, since_us=self._after(one.rule, since_us))
            for one in self._latest.values()
            if one.version != NONE and one.rule not in rules
        ]

    def at(self, rule: Rule, since_us: int) -> RuleVersion:
        """A rule's version, in force since a moment."""
        return RuleVersion(
            portal=self._portal,
            rule=rule.name,
            version=rule.version,
            since_us=self._after(rule.name, since_us),
            title=rule.title,
            level=rule.level,
        )

    def _version(self, name: str) -> str:
        return self._latest[name].version if name in self._latest else NONE

    def _after(self, name: str, since_us: int) -> int:
        """A rule's versions follow on each other also where nothing happens between them: their dates say in which order."""
        return since_us if name not in self._latest else max(since_us, self._latest[name].since_us + 1)
