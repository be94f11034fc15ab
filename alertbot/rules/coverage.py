"""Who is under which hours: active people whom no rule of fixed hours covers, and who fall under several.

In come rules and a portal's people; out go sentences. A rule covers a person if it could look at one of their logins: as far as
the person decides it (account, role, groups, …), whatever the rest of the login is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from alertbot.rules.condition import all_of, negate
from alertbot.rules.fields import show
from alertbot.rules.kinds import Kind, kinds_of, may_hold
from alertbot.rules.model import Hours, Rule

if TYPE_CHECKING:
    from alertbot.portal.people import Person

MOST_NAMED = 20


def hours_rules(rules: Iterable[Rule]) -> list[Rule]:
    """The rules of fixed hours that are not off."""
    return [rule for rule in rules if isinstance(rule.pattern, Hours) and rule.mode != "off"]


def hours_coverage(rules: Iterable[Rule], people: Iterable[Person]) -> Iterator[str]:
    """Sentences about active people under no hours, or under those of several rules; none where no rule has hours."""
    hours = hours_rules(rules)
    if not hours:
        return
    active = [person for person in people if person.status == "active"]
    covering = {person.id: _covering(hours, person) for person in active}
    free = [person for person in active if not covering[person.id]]
    if free:
        yield f"no hours rule covers {_people(free)}"
    by_rules: dict[tuple[str, ...], list[Person]] = {}
    for person in active:
        names = tuple(rule.name for rule in covering[person.id])
        if len(names) > 1:
            by_rules.setdefault(names, []).append(person)
    for names, several in sorted(by_rules.items()):
        yield f"the hours rules {', '.join(names)} all cover {_people(several)}"


def _covering(rules: Sequence[Rule], person: Person) -> list[Rule]:
    kinds = [{**kind, **_known_of(person)} for kind in kinds_of("login")]
    return [rule for rule in rules if any(_looks_at(rule, kind) for kind in kinds)]


def _looks_at(rule: Rule, kind: Kind) -> bool:
    parts = [selection.condition for selection in (rule.condition, rule.only) if selection is not None]
    excepted = [one.match.condition for one in rule.exemptions if one.until is None]
    meant = [part for part in parts if part is not None] + [negate(part) for part in excepted if part is not None]
    return may_hold(all_of(meant), kind)


def _known_of(person: Person) -> dict[str, tuple[str, ...]]:
    texts = {"account": person.id, "userId": person.id, "name": person.name, "email": person.email, "role": person.role}
    known = {field: (text.lower(),) if text else () for field, text in texts.items()}
    tfa = () if person.tfa is None else (show(person.tfa),)
    groups = tuple(group.lower() for group in person.groups)
    return {**known, "known": ("true",), "status": ("active",), "tfa": tfa, "groups": groups}


def _people(people: Sequence[Person]) -> str:
    names = sorted(person.email or person.name or person.id for person in people)
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    count = "1 active person" if len(names) == 1 else f"{len(names)} active people"
    return f"{count}: {', '.join(names[:MOST_NAMED])}{rest}"
