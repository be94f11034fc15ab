"""A rule's version: a hash of what decides its findings, and of nothing else.

Title, respond, level, route, quiet, mode and tests may change without making a new version; so may the order and spelling of a
detection. The hash is the same in every process, on every machine and in every version of Python.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alertbot.moments import span_us
from alertbot.rules.model import Calendar, Rule, Selection


def version_of(rule: Rule, versions: Mapping[str, str]) -> str:
    """The version of a rule; `versions` holds those of the rules whose firings it waits for."""
    decides = {
        "feeds": sorted(rule.feeds),
        "condition": rule.condition,
        "pattern": [type(rule.pattern).__name__.strip("_").lower(), rule.pattern],
        "by": [*rule.by],
        "only": rule.only,
        "except": [{"match": exemption.match, "until": exemption.until} for exemption in rule.exemptions],
        "zone": rule.zone,
        "sources": rule.sources,
        "rules": {name: versions[name] for name in rule.needs},
    }
    text = json.dumps(_plain(decides), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """A value as JSON can hold it. What is absent is left out, so that a key that is added later changes no version."""
    match value:
        case Selection():
            return value.fingerprint
        case ZoneInfo():
            return value.key
        case timedelta():
            return span_us(value)
        case date():
            return value.isoformat()
        case dict():
            return {key: _plain(inner) for key, inner in value.items() if inner not in (None, (), [], frozenset())}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case frozenset():
            return sorted(_plain(inner) for inner in value)
        case _ if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            ignored = {"name"} if isinstance(value, Calendar) else set()
            return _plain({name: getattr(value, name) for name in names if name not in ignored})
        case _:
            return value
