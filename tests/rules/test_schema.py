"""The JSON Schemas of rule files, lists and calendars."""

from __future__ import annotations

import json

import pytest

from alertbot.rules.document import CorrelationDocument, FilterDocument, RuleDocument
from alertbot.rules.schema import calendar_schema, list_schema, rule_schema


@pytest.mark.parametrize("model", [RuleDocument, CorrelationDocument, FilterDocument])
def test_the_schema_has_every_key(model):
    keys = {info.alias or name for name, info in model.model_fields.items()}
    assert set(rule_schema()["$defs"][model.__name__]["properties"]) == keys


@pytest.mark.parametrize("make", [rule_schema, list_schema, calendar_schema])
def test_a_schema_holds_what_it_refers_to_and_nothing_else(make):
    schema = make()
    text = json.dumps(schema)
    assert {name for name in schema["$defs"] if f'"#/$defs/{name}"' in text} == set(schema["$defs"])


def test_a_document_is_a_correlation_a_filter_or_a_rule():
    schema = rule_schema()
    assert schema["then"]["$ref"].endswith("CorrelationDocument")
    assert schema["else"]["then"]["$ref"].endswith("FilterDocument")
    assert schema["else"]["else"]["$ref"].endswith("RuleDocument")
    assert "group-by" in schema["$defs"]["CorrelationSection"]["properties"]


def test_a_key_that_nothing_follows_is_wrong_to_editors_too():
    properties = rule_schema()["$defs"]["RuleDocument"]["properties"]
    assert properties["burst"] == {"$ref": "#/$defs/BurstDocument"}
    assert {"type": "null"} not in properties["by"]["anyOf"]
    assert {"type": "null"} in properties["author"]["anyOf"]


def test_the_schema_shows_spans_as_people_write_them():
    definitions = rule_schema()["$defs"]
    assert definitions["RuleDocument"]["properties"]["quiet"]["default"] == "1h"
    assert definitions["FirstSeenDocument"]["properties"]["memory"]["default"] == "90d"
    assert definitions["FirstSeenDocument"]["properties"]["learn"]["default"] == "7d"


def test_the_schema_knows_the_fields_of_an_event():
    one, several, *_ = rule_schema()["$defs"]["RuleDocument"]["properties"]["by"]["anyOf"]
    assert "countryCode" in one["enum"]
    assert several["type"] == "array"


def test_a_list_holds_values_or_values_with_their_end():
    plain, ending = list_schema()["items"]["anyOf"]
    assert "string" in plain["type"]
    assert set(list_schema()["$defs"][ending["$ref"].rpartition("/")[2]]["properties"]) == {"value", "why", "until"}


def test_a_calendar_has_hours_and_days_without():
    assert set(calendar_schema()["$defs"]["CalendarDocument"]["properties"]) == {
        "zone",
        "hours",
        "holidays",
        "not_holidays",
        "closed",
    }
