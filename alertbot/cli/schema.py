"""`alertbot schema`: what editors need to check and complete the files that people write."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from alertbot.cli.options import Config


class Kind(StrEnum):
    """A kind of file."""

    RULES = "rules"
    LISTS = "lists"
    CALENDARS = "calendars"
    CONFIG = "config"


def schema(
    kind: Annotated[Kind, typer.Argument(help="Which file.", show_default=True)] = Kind.RULES,
    config: Config = None,  # noqa: ARG001 - every command takes it
) -> None:
    """Print the JSON Schema of a kind of file, for editors.

    \b
    Examples:
      alertbot schema rules > rule.schema.json
      alertbot schema lists > list.schema.json
      alertbot schema calendars > calendars.schema.json
      alertbot schema config > alertbot.schema.json
    """
    import json

    from alertbot.cli.terminal import say

    say(json.dumps(_schema(kind), indent=2, ensure_ascii=False))


def _schema(kind: Kind) -> dict[str, Any]:
    if kind is Kind.CONFIG:
        from alertbot.config import configuration_schema

        return configuration_schema()
    from alertbot.rules import schema as of

    make = {Kind.RULES: of.rule_schema, Kind.LISTS: of.list_schema, Kind.CALENDARS: of.calendar_schema}
    return make[kind]()
