"""What is odd about a rule without being wrong: that it can never fire, or that who logs in can choose to keep it quiet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alertbot.rules.condition import Condition
from alertbot.rules.model import Rule

Warn = Callable[..., None]


def doubt(rule: Rule, looks: Sequence[Condition], only: Condition | None, exemptions: Sequence[Condition], warn: Warn) -> None:
    """Warn of what is odd about a rule that looks at events with these conditions."""
