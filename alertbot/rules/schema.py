"""The JSON Schema of rule files, for editors: made from the model, without the keys that come later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alertbot.documents import json_schema
from alertbot.rules.document import LATER, RuleDocument


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of one rule."""
    schema = json_schema(RuleDocument, "A rule of alertbot")
    definitions = schema.pop("$defs")
    _drop_later(schema, "")
    _drop_later(definitions["HoursDocument"], "hours.")
    used: dict[str, Any] = {}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting += _references(definitions[name])
    return {**schema, "$defs": dict(sorted(used.items()))}


def _drop_later(schema: dict[str, Any], prefix: str) -> None:
    for name in [name for name in schema["properties"] if prefix + name in LATER]:
        del schema["properties"][name]


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
