"""What people write as values in a rule file, as types for pydantic: spans, fields, windows, zones, days, names.

Each takes the value as YAML gives it, gives it in the type that the rest works with, or says in a sentence what is wrong.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from alertbot.documents import Duration
from alertbot.event import ATTRIBUTES
from alertbot.moments import show_duration
from alertbot.rules.fields import closest, kind_of, unknown_field
from alertbot.rules.hours import PATTERN, parse_window
from alertbot.rules.model import Window

LONGEST = timedelta(days=3660)
MAX_COUNT = 100_000
MAX_TEXT = 65_535
COUNTRY = r"[A-Z]{2}(/[A-Za-z0-9-]{1,20})?"

_NAME = re.compile(r"[\w.][\w .()-]{0,199}\Z")


def _positive(span: timedelta) -> timedelta:
    if not timedelta(0) < span <= LONGEST:
        raise ValueError("must be more than nothing and at most ten years")
    return span


def _zero_or_span(value: object) -> object:
    return "0s" if value == 0 and not isinstance(value, bool) else value


def _not_too_long(span: timedelta) -> timedelta:
    if span > LONGEST:
        raise ValueError("must be at most ten years")
    return span


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _field(name: str) -> str:
    wrong = unknown_field(name)
    if wrong:
        raise ValueError(wrong)
    return name


def _key_field(name: str) -> str:
    if kind_of(_field(name)) == "several":
        raise ValueError(f"{name} holds several values at once; it cannot be part of a key or be counted")
    return name


def _different(names: list[str]) -> list[str]:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice:
        raise ValueError(f"names {twice} twice")
    return names


def _zone(name: object) -> ZoneInfo:
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name):
        try:
            return ZoneInfo(name)
        except (ValueError, KeyError, OSError):
            pass
    from zoneinfo import available_timezones

    meant = closest(str(name)[:64], available_timezones())
    raise ValueError(f"unknown time zone {str(name)[:64]!r}" + (f"; did you mean {meant}?" if meant else ""))


def _day(value: object) -> date:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("must be a date, like 2026-02-01")


def _country(text: str) -> str:
    if not re.fullmatch(COUNTRY, text):
        raise ValueError("must be a country's code, with a region if need be, like DE or DE/BE")
    return text


def _window(value: object) -> Window:
    if isinstance(value, Window):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a text, like Mon-Fri 07:00-20:00")  # noqa: TRY004 -- pydantic's way to say no
    return parse_window(value)


def _rule_name(name: str) -> str:
    if not is_rule_name(name):
        raise ValueError("may hold letters, digits, spaces and . _ - ( ), at most 200 of them")
    return name


def is_rule_name(name: str) -> bool:
    """Whether a text can be a rule's name."""
    return _NAME.match(name) is not None


def _uuid(value: object) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError as exc:
        raise ValueError("must be a UUID, like 929a690e-bef0-4204-a928-ef5e620d6fcc") from exc


def _words(value: object) -> object:
    """Text that YAML took for a number (`author: 007`, `license: 1.0`) is text."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _sentence(value: object) -> object:
    """Text that says something."""
    text = _words(value)
    if isinstance(text, str) and not text.strip():
        raise ValueError("is empty")
    return text


_CORRELATIONS = ("event_count", "value_count", "temporal", "temporal_ordered")
_AMOUNTS = {"value_sum", "value_avg", "value_percentile", "value_median"}


def _correlation_type(given: object) -> str:
    name = str(given)[:64]
    if name in _AMOUNTS:
        raise ValueError(f"{name} is not supported: logins hold no amounts")
    if name in ("temporal_extended", "temporal_ordered_extended"):
        raise ValueError(f"{name} is not part of Sigma 2.1; chain correlations instead")
    if name not in _CORRELATIONS:
        meant = closest(name, _CORRELATIONS)
        raise ValueError(f"must be one of {', '.join(_CORRELATIONS)}" + (f"; did you mean {meant}?" if meant else ""))
    return name


def no_expression(condition: object) -> object:
    """A correlation's condition, if it is none that a later Sigma has."""
    if isinstance(condition, str):
        raise ValueError("an expression over rules is not part of Sigma 2.1; chain correlations instead")  # noqa: TRY004
    if isinstance(condition, dict):
        for key in ("neq", "percentile"):
            if key in condition:
                raise ValueError(f"{key} is not supported: it is not part of Sigma 2.1 for counts")
    return condition


_ONE_FIELD = {"type": "string", "enum": sorted(ATTRIBUTES)}


def _one_or_more(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


_SHOWN = PlainSerializer(show_duration, return_type=str)
Span = Annotated[Duration, AfterValidator(_positive), _SHOWN]
Learn = Annotated[
    Duration,
    AfterValidator(_not_too_long),
    BeforeValidator(_zero_or_span),
    _SHOWN,
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}, {"const": 0}], "examples": ["7d", 0]}),
]
Text = Annotated[str, BeforeValidator(_words)]
Sentence = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), BeforeValidator(_sentence)]
Title = Annotated[str, Field(min_length=1, max_length=256), BeforeValidator(_sentence)]
Texts = Annotated[list[Text], BeforeValidator(_listed), _one_or_more({"type": "string"})]
KeyField = Annotated[str, AfterValidator(_key_field), WithJsonSchema(_ONE_FIELD)]
KeyFields = Annotated[
    list[KeyField],
    Field(min_length=1),
    AfterValidator(_different),
    BeforeValidator(_listed),
    _one_or_more(_ONE_FIELD),
]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Country = Annotated[
    str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": f"^{COUNTRY}$", "examples": ["DE", "DE/BE"]})
]
Windows = Annotated[
    list[Annotated[Window, BeforeValidator(_window)]],
    Field(min_length=1),
    BeforeValidator(_listed),
    _one_or_more({"type": "string", "pattern": PATTERN, "examples": ["Mon-Fri 07:00-20:00"]}),
]
Bound = Annotated[int, Field(ge=0, le=MAX_COUNT)]
CorrelationType = Annotated[
    str, BeforeValidator(_correlation_type), WithJsonSchema({"type": "string", "enum": list(_CORRELATIONS)})
]
FilterValue = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "object",
            "description": "Sigma: the rules that it narrows (or any), selections, and the condition that must hold too",
            "properties": {
                "rules": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                "condition": {"type": "string"},
            },
            "required": ["rules", "condition"],
        }
    ),
]
AtLeastTwo = Annotated[int, Field(ge=2, le=MAX_COUNT)]
SelectionValue = Annotated[Any, WithJsonSchema({"description": "Sigma: fields and the values that they must have"})]
DetectionValue = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "object",
            "description": "Sigma: named selections, and a condition where there are several",
            "properties": {"condition": {"type": ["string", "array"], "items": {"type": "string"}}},
        }
    ),
]
RuleName = Annotated[str, AfterValidator(_rule_name)]
Uuid = Annotated[str, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
