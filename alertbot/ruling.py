"""The rules of one portal while they change: those by which it is judged, and those that are wanted.

In come the rules of each edit; those at work go on judging until an engine that knows the past by the new ones takes over. What
does not decide findings (titles, texts, levels, routes, modes) is in force at once, whatever is being built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alertbot.rules.model import Rule
from alertbot.settings import PortalSettings

Rules = Mapping[str, Rule]


class Ruling:
    """Those of one portal, in its zone. `wanted`: as the last edit left them; `at_work`: those that the engine knows."""

    def __init__(self, settings: PortalSettings, rules: Sequence[Rule]) -> None:
        self._settings = settings
        self.wanted: Rules = self._in_force(rules)
        self.at_work: Rules = self.wanted

    @property
    def is_settled(self) -> bool:
        """Whether those at work find what is wanted."""
        return self.wants(self.at_work)

    def wants(self, rules: Rules) -> bool:
        """Whether these find what is wanted."""
        return rules is self.wanted or _deciding(rules) == _deciding(self.wanted)

    def change(self, rules: Sequence[Rule]) -> None:
        """Take up an edit."""
        self.wanted = self._in_force(rules)
        self.at_work = self.in_words_of_today(self.at_work)

    def take_over(self, rules: Rules) -> None:
        """An engine that knows these is at work now."""
        self.at_work = self.in_words_of_today(rules)

    def in_words_of_today(self, rules: Rules) -> Rules:
        """These rules, each as the last edit left it where that changed nothing that decides."""
        if self.wants(rules):
            return self.wanted
        return {
            name: other if (other := self.wanted.get(name)) is not None and other.version == rule.version else rule
            for name, rule in rules.items()
        }

    def _in_force(self, rules: Sequence[Rule]) -> Rules:
        return {rule.name: rule.in_zone(self._settings.zone) for rule in rules if rule.mode != "off"}


def _deciding(rules: Rules) -> dict[str, str]:
    """What of the rules decides findings."""
    return {name: rule.version for name, rule in rules.items()}
