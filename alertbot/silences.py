"""Station 7: silences, what people do not want to be told of for a while. Pure.

In comes the event that made a rule fire; out goes whether a silence holds back what would be told of it. A silence is an
`except` kept in the store: it has an author, a reason and an end. It holds back messages, never findings: what was held back is
counted, and told if its incident still goes on when the silence ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from alertbot.errors import UsageError
from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import span_us
from alertbot.outbox import entry_id
from alertbot.rules.fields import fold, texts
from alertbot.rules.model import Rule

LONGEST = timedelta(days=90)
"""No silence lasts longer; what is expected for good belongs into the rule, as an `except`."""

LOCATION = "location"
"""The tag of rules that look at where somebody is."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What is held back, from when to when (the bot's own clock, microseconds), and who wants it so, why.

    An event matches that has every field of `match`; `rule` and `tag` narrow it to a rule, or to the rules with a tag.
    """

    id: str
    since_us: int
    until_us: int
    by: str
    reason: str
    by_id: str | None = None
    portal: str | None = None
    rule: str | None = None
    tag: str | None = None
    match: dict[str, str] = {}
    named: str | None = None
    """How people call the account that it is about."""
    incident: str | None = None
    """The incident from whose message it was asked for."""
    lifted_by: str | None = None
    over: bool = False
    """Its end was noticed, and what it held back was told."""

    def holds(self, rule: Rule, event: Event | None, portal: str, now_us: int) -> bool:
        """Whether it holds back what is told of a firing."""
        return (
            self.is_active(now_us)
            and self.portal in (None, portal)
            and self.rule in (None, rule.name)
            and (self.tag is None or self.tag in rule.tags)
            and self._matches(event)
        )

    def is_active(self, now_us: int) -> bool:
        """Whether it is in force."""
        return not self.over and self.since_us <= now_us < self.until_us

    def _matches(self, event: Event | None) -> bool:
        if event is None:
            return not self.match
        return all(
            fold(value) in map(fold, texts(field)(event)) and not (field == "ip" and event.ip_partial)
            for field, value in self.match.items()
        )

    @property
    def what(self) -> str:
        """What it holds back, in words; it may hold what an outsider typed."""
        shown = self.match | ({"account": self.named} if self.named and "account" in self.match else {})
        parts = [f"{_LABELS.get(field, field)} {value}" for field, value in shown.items()]
        if self.tag is not None:
            parts.append(f"in rules tagged {self.tag}")
        if self.rule is not None:
            parts.append(f"rule {self.rule}")
        if self.portal is not None and not parts:
            parts.append(f"portal {self.portal}")
        return ", ".join(parts) or "everything"


_LABELS = {"account": "account", "ip": "address", "countryCode": "country", "login": "login", "email": "e-mail"}


@dataclass(frozen=True, slots=True)
class Scope:
    """One of the things that a person at an incident may silence."""

    name: str
    words: str
    match: tuple[tuple[str, str], ...] = ()
    rule: str | None = None
    tag: str | None = None
    named: str | None = None

    @property
    def is_personal(self) -> bool:
        """Whether it is about one account."""
        return any(field == "account" for field, _ in self.match)


def scopes(rule: Rule | None, rule_name: str, event: Event | None) -> list[Scope]:
    """What may be silenced at an incident, from narrow to wide."""
    found: list[Scope] = []
    if event is not None and event.account:
        own, named = ("account", event.account), event.email or event.name or event.login
        if rule is not None and LOCATION in rule.tags and event.country_code:
            words = f"This account in {event.country or event.country_code}"
            found.append(Scope("account_country", words, (own, ("countryCode", event.country_code)), tag=LOCATION, named=named))
        found.append(Scope("account", f"This account: {named}" if named else "This account", (own,), named=named))
    if event is not None and event.ip and not event.ip_partial:
        found.append(Scope("address", f"This address: {event.ip}", (("ip", event.ip),)))
    found.append(Scope("rule", "This rule, for everybody", rule=rule_name))
    return found


def new_silence(
    scope: Scope,
    *,
    portal: str | None,
    since_us: int,
    until_us: int,
    by: str,
    reason: str,
    by_id: str | None = None,
    incident: str | None = None,
) -> Silence:
    """A silence. Raises UsageError where it has no reason, no end ahead, or an end too far."""
    if not reason.strip():
        raise UsageError("A silence needs a reason: say why in a few words.")
    if until_us <= since_us:
        raise UsageError("A silence must end later than now.")
    if until_us > since_us + span_us(LONGEST):
        raise UsageError(f"A silence lasts {LONGEST.days} days at most; what is expected for good is an `except` of the rule.")
    if unknown := [field for field, _ in scope.match if field not in ATTRIBUTES]:
        raise UsageError(f"Events have no field {unknown[0]!r}.")
    parts = (scope.name, scope.rule or "", scope.tag or "", *(part for pair in scope.match for part in pair))
    return Silence(
        id=entry_id("silence", portal or "", *parts, str(since_us), str(until_us), by_id or by)[:12],
        since_us=since_us,
        until_us=until_us,
        by=by,
        by_id=by_id,
        reason=" ".join(reason.split())[:300],
        portal=portal,
        rule=scope.rule,
        tag=scope.tag,
        match=dict(scope.match),
        named=scope.named,
        incident=incident,
    )


def lift(silence: Silence, by: str, now_us: int) -> Silence | None:
    """The silence as it is when somebody ends it before its time; None where it has ended."""
    if not silence.is_active(now_us):
        return None
    return msgspec.structs.replace(silence, until_us=now_us, lifted_by=by)


def holding(silences: Iterable[Silence], rule: Rule, event: Event | None, portal: str, now_us: int) -> Silence | None:
    """The silence that holds a firing back; of several the one that lasts longest."""
    found: Sequence[Silence] = [one for one in silences if one.holds(rule, event, portal, now_us)]
    return max(found, key=lambda one: (one.until_us, one.id), default=None)
