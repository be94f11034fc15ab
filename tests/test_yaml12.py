"""YAML 1.2 is read as its core schema says, with places, and in bounded time whatever comes."""

from __future__ import annotations

import json
import math
import time
from typing import Any, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alertbot.errors import Mistake, Mistakes
from alertbot.yaml12 import MAX_DEPTH, parse, plain


def value(text: str) -> Any:
    (tree,) = parse(text, "x.yml")
    return tree.value


def refusal(text: str) -> str:
    with pytest.raises(Mistakes) as caught:
        parse(text, "x.yml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("Y", "Y"),
        ("22:00", "22:00"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("+12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_a_plain_text_stands_for_what_the_core_schema_says(text: str, meaning: Any) -> None:
    found = value(f"- {text}")[0]
    assert found == meaning
    assert type(found) is type(meaning)


def test_010_is_ten_as_in_the_core_schema_and_not_eight() -> None:
    assert value("- 010") == [10]


def test_quotes_and_tags_make_text_of_anything() -> None:
    assert value("['5', \"true\", !!str 5, ! 5]") == ["5", "true", "5", "5"]


@given(st.text(alphabet="0123456789+-.eExoabcdfINFinfTrueNULL~:_", max_size=12))
def test_what_is_no_text_is_read_back_from_its_own_form(text: str) -> None:
    meaning = plain(text)
    if isinstance(meaning, float) and math.isfinite(meaning):
        assert plain(repr(meaning)) == meaning
    elif type(meaning) is int:
        assert plain(str(meaning)) == meaning


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
_VALUES = st.recursive(_SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(_TEXTS, v, max_size=4))


@given(_VALUES)
def test_json_is_yaml_and_is_read_as_what_it_says(data: Any) -> None:
    assert value(json.dumps(data, ensure_ascii=False)) == data


def test_every_value_and_key_has_its_place() -> None:
    (tree,) = parse("a: 1\nb:\n  - c: {d: 5}\n", "x.yml")
    assert tree.places == {
        (): (1, 1),
        ("a",): (1, 4),
        ("b",): (3, 3),
        ("b", 0): (3, 5),
        ("b", 0, "c"): (3, 8),
        ("b", 0, "c", "d"): (3, 12),
    }
    assert tree.keys == {("a",): (1, 1), ("b",): (2, 1), ("b", 0, "c"): (3, 5), ("b", 0, "c", "d"): (3, 9)}


def test_places_count_characters_not_bytes() -> None:
    (tree,) = parse("{ü: 1, b: 2}", "x.yml")
    assert tree.places["b",] == (1, 11)


def test_a_file_holds_any_number_of_documents() -> None:
    assert [tree.value for tree in parse("a: 1\n---\n- b\n---\n", "x.yml")] == [{"a": 1}, ["b"], None]
    assert parse("# nothing\n", "x.yml") == []


def test_all_equal_keys_are_named_at_their_second_place() -> None:
    said = refusal("a: 1\na: 2\nb: {c: 1, 'c': 2}\n")
    assert said == ("x.yml:2:1: a: stands here twice (first on line 1)\nx.yml:3:11: b.c: stands here twice (first on line 3)")


def test_an_alias_is_a_copy_of_what_it_names() -> None:
    found = value("a: &x {k: [1, 2]}\nb: *x\nc: [*x]\n")
    assert found == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "c": [{"k": [1, 2]}]}
    assert found["a"] is not found["b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1, 2", "x.yml:2:1: is not YAML: did not find expected ',' or ']'; check the commas"),
        ("a:\n\t- b", "x.yml:2:1: is not YAML: found character that cannot start any token; indent with spaces, not tabs"),
        ("ip: %office%", "put quotes around a text that begins with %"),
        ("a: b: c", "x.yml:1:5: is not YAML: mapping values are not allowed in this context; a text that holds `: `"),
        ("a: 'b", "a quote or bracket is never closed"),
        ("a: \x07", "x.yml:1:4: is not YAML: control characters are not allowed"),
        ("? [a]\n: b", "x.yml:1:3: a key must be a text"),
        ("<<: {a: 1}", "x.yml:1:1: YAML 1.2 has no merge key"),
        ("a: *b", "x.yml:1:4: the alias *b has no anchor &b before it"),
        ("a: &a [1, *a]", "x.yml:1:11: the alias *a stands inside the value that it names"),
        ("a: !!python/object/apply:os.system ['x']", "x.yml:1:4: the tag !!python/object/apply:os.system is not supported"),
        ("a: !!int x", "x.yml:1:4: the tag !!int is not supported"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


EXPLODING = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, f"deeper than {MAX_DEPTH} levels"),
        ("- " * 100_000, f"deeper than {MAX_DEPTH} levels"),
        ("{a: " * 100_000, f"deeper than {MAX_DEPTH} levels"),
        ("? " * 100_000, "a key must be a text"),
        (EXPLODING, "the aliases make more than"),
        ("[" + "{}," * 300_000 + "]", "holds more than"),
        (
            "a: &a [[[[1]]]]\n"
            + "".join(f"{c}: &{c} [[[[*{p}]]]]\n" for p, c in zip("abcdefghijklmnopqr", "bcdefghijklmnopqrs", strict=True)),
            "deeper than",
        ),
    ],
    ids=["brackets", "dashes", "braces", "keys", "aliases", "values", "deep aliases"],
)
def test_hostile_files_are_refused_in_bounded_time(text: str, sentence: str) -> None:
    start = time.perf_counter()
    assert sentence in refusal(text)
    assert time.perf_counter() - start < 5


@given(st.text(max_size=200) | st.lists(st.sampled_from(list("[]{}:,-?&*!|>'\"%@`# \n\tab1~<")), max_size=60).map("".join))
def test_any_text_is_read_or_refused_with_a_mistake(text: str) -> None:
    found: tuple[Mistake, ...] = ()
    try:
        parse(text.encode("utf-8", "replace").decode(), "x.yml")
    except Mistakes as exc:
        found = exc.mistakes
    assert all(mistake.line >= 1 and mistake.col >= 1 for mistake in found)


@given(st.text(alphabet="abc:,[]{}-#'\" \n019.~", max_size=80))
def test_we_agree_with_pyyaml_on_the_shape_of_what_it_reads(text: str) -> None:
    class Plain(yaml.CSafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def texts(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: texts(item) for key, item in found.items()}
        return [texts(item) for item in found] if isinstance(found, list) else str

    try:
        ours = [tree.value for tree in parse(text, "x.yml")]
    except Mistakes:
        return
    theirs = list(yaml.load_all(text, Plain))
    assert texts(ours) == texts(theirs)
