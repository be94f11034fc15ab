"""Sigma's matching as the plainest reading of the specification: straight from the YAML values, one event at a time."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from alertbot.event import ATTRIBUTES, Event
from alertbot.moments import from_us, iso


def texts_of(event: Event, field: str) -> list[str]:
    """The texts of a field."""
    value = getattr(event, ATTRIBUTES[field])
    if field == "date":
        return [iso(value)]
    if value is None:
        return []
    if field == "geo":
        return [f"{value[0]},{value[1]}"]
    return [text(one) for one in (value if isinstance(value, tuple) else [value])]


def text(value: Any) -> str:
    """A value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def glob(pattern: str, given: str, *, cased: bool) -> bool:
    """Wildcards, one character after the other, all possibilities."""
    tokens: list[str] = []
    i = 0
    while i < len(pattern):
        if pattern[i] == "\\" and i + 1 < len(pattern) and pattern[i + 1] in "\\*?":
            tokens.append("=" + pattern[i + 1])
            i += 2
        else:
            tokens.append(pattern[i] if pattern[i] in "*?" else "=" + pattern[i])
            i += 1
    rests = {0}  # how many tokens may have been used up
    for character in [*given, None]:
        for number, token in enumerate(tokens):
            if token == "*" and number in rests:
                rests.add(number + 1)
        if character is None:
            break
        rests = {
            number + (tokens[number] != "*")
            for number in rests
            if number < len(tokens) and (tokens[number] in "*?" or _same(tokens[number][1:], character, cased=cased))
        }
    return len(tokens) in rests


def _same(one: str, other: str, *, cased: bool) -> bool:
    return one == other if cased else one.lower() == other.lower()


def holds(item: str, value: Any, event: Event) -> bool:
    """Whether one `field|modifiers: values` holds."""
    field, *modifiers = item.split("|")
    values = value if isinstance(value, list) else [value]
    answers = [_one(field, modifiers, one, event) for one in values]
    answer = all(answers) if "all" in modifiers else any(answers)
    return answer != ("neq" in modifiers)


def _one(field: str, modifiers: list[str], value: Any, event: Event) -> bool:
    if value is None:
        return not texts_of(event, field)
    if "exists" in modifiers:
        return bool(texts_of(event, field)) is value
    if "hour" in modifiers:
        return _compared(modifiers, from_us(event.at_us).hour, value)
    if set(modifiers) & {"lt", "lte", "gt", "gte"}:
        return any(_is_number(one) and _compared(modifiers, float(one), value) for one in texts_of(event, field))
    if "cidr" in modifiers:
        return not (field == "ip" and event.ip_partial) and any(_inside(one, value) for one in texts_of(event, field))
    if "fieldref" in modifiers:
        return any(one.lower() == other.lower() for one in texts_of(event, field) for other in texts_of(event, value))
    pattern = text(value)
    if "contains" in modifiers or "endswith" in modifiers or not field:
        pattern = "*" + pattern
    if "contains" in modifiers or "startswith" in modifiers or not field:
        pattern = _closed(pattern) + "*"
    fields = [field] if field else list(ATTRIBUTES)
    return any(glob(pattern, one, cased="cased" in modifiers) for name in fields for one in texts_of(event, name))


def _closed(pattern: str) -> str:
    """A pattern whose last backslash stands for itself, whatever comes after it."""
    slashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" if slashes % 2 else pattern


def _is_number(given: str) -> bool:
    try:
        return float(given) == float(given) and given.strip("-+.0123456789") == ""
    except ValueError:
        return False


def _compared(modifiers: list[str], given: float, value: float) -> bool:
    if "lt" in modifiers:
        return given < value
    if "lte" in modifiers:
        return given <= value
    if "gt" in modifiers:
        return given > value
    return given >= value if "gte" in modifiers else given == value


def _inside(given: str, network: str) -> bool:
    try:
        return ip_address(given) in ip_network(network)
    except ValueError:
        return False


def selected(value: Any, event: Event) -> bool:
    """Whether a selection selects the event."""
    if isinstance(value, dict):
        return all(holds(item, given, event) for item, given in value.items())
    if isinstance(value, list):
        return any(selected(one, event) for one in value)
    return holds("", value, event)
