"""Short ways to events, detections and rule files for the tests of this folder."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alertbot.event import Event
from alertbot.rules.condition import Condition
from alertbot.rules.detection import Detection, read_detection
from alertbot.rules.lists import Listed
from alertbot.rules.load import load_rules
from alertbot.rules.match import select
from alertbot.rules.model import Rule, RuleBook, Selection
from alertbot.yaml12 import parse

FAILURE: dict[str, Any] = {
    "portal": "main",
    "id": 7,
    "at_us": 1_768_471_440_000_000,  # Thursday 2026-01-15 10:04:00 UTC
    "action_id": 1002,
    "event": "LoginFailInvalidCombination",
    "outcome": "failure",
    "method": "password",
    "login": "Anna@Example.com",
    "account": "anna@example.com",
    "ip": "10.1.2.3",
    "network": "10.1.2.0/24",
    "country": "Norway",
    "country_code": "NO",
    "browser": "Chrome 131",
    "groups": ("Sales", "VPN users"),
}


def event(**changes: Any) -> Event:
    """A failed login of Anna's, with changes."""
    return Event(**{**FAILURE, **changes})


def read(text: str, lists: Mapping[str, Sequence[str | Listed]] | None = None) -> tuple[Detection, list[tuple[str, str]]]:
    """A detection as YAML, read; and what was said of it: the last part of the way and the sentence."""
    said: list[tuple[str, str]] = []

    def report(way: tuple[str | int, ...], message: str, *, at_key: bool = False) -> None:
        said.append((".".join(map(str, way[1:])), message))

    value = parse(textwrap.dedent(text), "test")[0].value
    known = {name: [Listed(one) if isinstance(one, str) else one for one in values] for name, values in (lists or {}).items()}
    return read_detection(value, ("detection",), known, report), said


def condition(text: str, lists: Mapping[str, Sequence[str | Listed]] | None = None) -> Condition:
    """The condition of a detection without mistakes."""
    detection, said = read(text, lists)
    assert not said
    assert detection.condition is not None
    return detection.condition


def selection(text: str, lists: Mapping[str, Sequence[str | Listed]] | None = None) -> Selection:
    """A detection without mistakes, compiled."""
    return select(condition(text, lists))


def matches(text: str, on: Event, lists: Mapping[str, Sequence[str | Listed]] | None = None) -> bool:
    """Whether a detection matches an event: asked twice, for answers may be remembered."""
    test = selection(text, lists).test
    first = test(on)
    assert test(on) == first
    return first


def write(folder: Path, name: str, text: str) -> Path:
    """A rule file."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return file


def book(folder: Path, *texts: str) -> RuleBook:
    """Rules from texts, each a file of its own: a.yml, b.yml, …"""
    for number, text in enumerate(texts):
        write(folder, f"{'abcdefghij'[number]}.yml", text)
    return load_rules([folder])


def rule(folder: Path, text: str) -> Rule:
    """The only rule of a text."""
    (only,) = book(folder, text).rules
    return only
