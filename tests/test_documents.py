"""What people wrote, held against a model: every mistake at once, at its place, in words for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alertbot.documents import MAX_BYTES, Document, Duration, parse_yaml, read_yaml, unknown, validate
from alertbot.errors import Mistakes


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Burst(Model):
    count: Annotated[int, Field(ge=2)]
    within: Duration


class Rule(Model):
    title: str
    level: Literal["low", "high", "critical"] = "low"
    burst: Burst | None = None
    by: str | tuple[str, ...] = ()
    lists: dict[str, Burst] = {}
    items: Annotated[list[Burst | str], Field(min_length=1)] = ["x"]
    either: Burst | int | None = None
    continues: Annotated[bool, Field(alias="continue")] = False

    @model_validator(mode="after")
    def _good(self) -> Rule:
        if self.title == "bad":
            raise ValueError("is a bad rule")
        return self


def mistakes(text: str) -> list[str]:
    (document,) = parse_yaml(text, "x.yml")
    found = validate(Rule, document)
    assert isinstance(found, list)
    return [str(mistake) for mistake in found]


def test_a_right_document_becomes_its_model() -> None:
    (document,) = parse_yaml("title: a\nburst: {count: 5, within: 10m}\ncontinue: true", "x.yml")
    found = validate(Rule, document)
    assert isinstance(found, Rule)
    assert found.burst is not None
    assert found.burst.within.total_seconds() == 600
    assert found.continues


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "level: hihg\n"
        "burst:\n"
        "  count: 1\n"
        "  witin: 10m\n"
        "by: 5\n"
        "lists:\n"
        "  a: {count: 2, within: 10}\n"
        "items:\n"
        "  - {count: 2, within: 1m, foo: 1}\n"
        "  - 7\n"
        "either: {coutn: 5}\n"
        "continu: true\n"
    )
    assert mistakes(text) == [
        "x.yml:1:1: title: is missing",
        "x.yml:1:8: level: must be low, high or critical; did you mean `high`?",
        "x.yml:2:1: burst.within: is missing",
        "x.yml:3:10: burst.count: must be at least 2",
        "x.yml:4:3: burst.witin: unknown key; did you mean `within`?",
        "x.yml:5:5: by: must be a text or a list",
        "x.yml:7:25: lists.a.within: needs a unit: 10s, 10m, 10h or 10d",
        "x.yml:9:28: items[0].foo: unknown key; known are count, within",
        "x.yml:10:5: items[1]: must be a mapping or a text",
        "x.yml:11:1: either.count: is missing",
        "x.yml:11:1: either.within: is missing",
        "x.yml:11:10: either.coutn: unknown key; did you mean `count`?",
        "x.yml:12:1: continu: unknown key; did you mean `continue`?",
    ]


def test_a_list_with_a_wrong_item_is_not_called_too_short() -> None:
    assert mistakes("title: a\nitems: [7]") == ["x.yml:2:9: items[0]: must be a mapping or a text"]
    assert mistakes("title: a\nitems: []") == ["x.yml:2:8: items: needs at least 1 of them"]


def test_what_a_validator_says_stands_at_the_value_it_speaks_of() -> None:
    assert mistakes("---\ntitle: bad") == ["x.yml:2:1: is a bad rule"]


@pytest.mark.parametrize("text", ["- a", "7", "a text", "null"])
def test_what_is_no_mapping_is_told_as_one_mistake(text: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith("x.yml:1:1: must be a mapping (`key: value` lines), not ")


def test_no_mistake_shows_the_value() -> None:
    said = mistakes("title: [sk-secret]\nlevel: sk-secret\nby: {sk: sk-secret}\nburst: {count: sk-secret, within: sk-secret}")
    assert "sk-secret" not in "\n".join(said)


@pytest.mark.parametrize("written", ["10", "1.5h", "'10 m'", "-5m", "true", "[10m]", "PT10M", "ten minutes"])
def test_a_duration_is_a_whole_number_and_a_unit(written: str) -> None:
    (found,) = mistakes(f"title: a\nburst: {{count: 2, within: {written}}}")
    assert found.startswith("x.yml:2:27: burst.within: ")


def test_a_value_below_the_top_can_be_checked_alone() -> None:
    (document,) = parse_yaml("a:\n  - {count: 1, within: 1m}", "x.yml")
    assert [str(one) for one in validate(Burst, document, ("a", 0)) if isinstance(one, object)] == [
        "x.yml:2:13: a[0].count: must be at least 2"
    ]


def test_a_value_from_elsewhere_is_told_by_where_it_came_from() -> None:
    document = Document("x.yml", {"title": "a", "by": 5}, {(): (1, 1)}, origins={("by",): "ALERTBOT_BY"})
    found = validate(Rule, document)
    assert isinstance(found, list)
    assert [str(mistake) for mistake in found] == ["ALERTBOT_BY: must be a text or a list"]


def test_a_word_that_differs_in_case_only_is_recognised() -> None:
    assert unknown("IP", ["ip", "country"]) == "unknown key; did you mean `ip`?"


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"none\.yml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yml")
    with pytest.raises(Mistakes, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_a_file_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"a: 1\nb: M\xfcnchen\n")
    with pytest.raises(Mistakes, match=r"x\.yml:2:5: is not UTF-8 here"):
        read_yaml(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path)[0].value == {"a": 1}


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(Mistakes, match="is larger than 4 MB"):
        read_yaml(path)
