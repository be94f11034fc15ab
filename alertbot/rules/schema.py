"""The JSON Schemas of rule files, lists and calendars, for editors: made from the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alertbot.documents import json_schema
from alertbot.rules.document import (
    MAY_BE_EMPTY,
    CalendarDocument,
    CorrelationDocument,
    FilterDocument,
    ListedDocument,
    RuleDocument,
)

_DIALECT = "$schema"


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of one document of a rule file: a correlation, a filter, or a rule."""
    definitions: dict[str, Any] = {}
    for model in (RuleDocument, CorrelationDocument, FilterDocument):
        definitions |= _with_definitions(json_schema(model, model.__name__), model.__name__)
    schema = {
        "title": "A rule of alertbot",
        "type": "object",
        "if": {"required": ["correlation"]},
        "then": _reference(CorrelationDocument),
        "else": {"if": {"required": ["filter"]}, "then": _reference(FilterDocument), "else": _reference(RuleDocument)},
    }
    return _with_used(schema, definitions)


def list_schema() -> dict[str, Any]:
    """The JSON Schema of a list: values, or values with a reason and an end."""
    definitions = _with_definitions(json_schema(ListedDocument, "A value with its end"), "ListedDocument")
    plain = {"type": ["string", "number", "boolean"]}
    schema = {"title": "A list of alertbot's rules", "type": "array", "items": {"anyOf": [plain, _reference(ListedDocument)]}}
    return _with_used(schema, definitions)


def calendar_schema() -> dict[str, Any]:
    """The JSON Schema of `calendars.yml`: working hours by name."""
    definitions = _with_definitions(json_schema(CalendarDocument, "Working hours"), "CalendarDocument")
    schema = {"title": "Calendars of alertbot", "type": "object", "additionalProperties": _reference(CalendarDocument)}
    return _with_used(schema, definitions)


def _with_definitions(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """What a model's schema defines, itself among it."""
    definitions: dict[str, Any] = schema.pop("$defs", {})
    dialect = schema.pop(_DIALECT)
    for one in [schema, *definitions.values()]:
        _without_nothing(one.get("properties", {}))
    return {**definitions, name: schema, _DIALECT: dialect}


def _without_nothing(properties: dict[str, Any]) -> None:
    """What is left out is left out: after a key stands something."""
    for name, given in properties.items():
        if name not in MAY_BE_EMPTY and {"type": "null"} in given.get("anyOf", ()):
            others = [one for one in given.pop("anyOf") if one != {"type": "null"}]
            given.pop("default", None)
            given.update(others[0] if len(others) == 1 else {"anyOf": others})


def _with_used(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with the definitions that it needs and no others."""
    used: dict[str, Any] = {}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting += _references(definitions[name])
    return {_DIALECT: definitions[_DIALECT], **schema, "$defs": dict(sorted(used.items()))}


def _reference(model: type) -> dict[str, str]:
    return {"$ref": f"#/$defs/{model.__name__}"}


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield str(value).rpartition("/")[2]
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
