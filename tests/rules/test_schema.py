"""The JSON Schema of rule files."""

from __future__ import annotations

import json

from alertbot.rules.document import LATER, RuleDocument
from alertbot.rules.schema import rule_schema


def test_the_schema_has_every_key_but_those_that_come_later():
    schema = rule_schema()
    keys = {info.alias or name for name, info in RuleDocument.model_fields.items()}
    assert set(schema["properties"]) == keys - LATER
    assert set(schema["$defs"]["HoursDocument"]["properties"]) == {"outside", "zone"}


def test_the_schema_holds_what_it_refers_to_and_nothing_else():
    schema = rule_schema()
    text = json.dumps(schema)
    named = {name for name in schema["$defs"] if f'"#/$defs/{name}"' in text}
    assert named == set(schema["$defs"])


def test_the_schema_shows_spans_as_people_write_them():
    schema = rule_schema()
    assert schema["properties"]["quiet"]["default"] == "1h"
    assert schema["$defs"]["FirstSeenDocument"]["properties"]["memory"]["default"] == "90d"
    assert schema["$defs"]["FirstSeenDocument"]["properties"]["learn"]["default"] == "7d"


def test_the_schema_knows_the_fields_of_an_event():
    one, several = rule_schema()["properties"]["by"]["anyOf"][0], rule_schema()["properties"]["by"]["anyOf"][1]
    assert "countryCode" in one["enum"]
    assert several["type"] == "array"
