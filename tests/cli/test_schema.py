"""`alertbot schema` prints JSON Schema that agrees with what is taken."""

from __future__ import annotations

import json

import pytest

from alertbot import cli
from alertbot.cli.schema import Kind


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_file_has_a_schema(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["type"] == ("array" if kind is Kind.LISTS else "object")
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_durations_are_shown_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    cli.execute(["schema", "config"])
    portal = json.loads(capsys.readouterr().out)["$defs"]["PortalSettings"]["properties"]
    assert portal["poll"]["default"] == "10s"
    assert portal["zone"]["default"] == "UTC"
