"""Secrets never show, and what stands for them is put into values once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from alertbot.secret import Filled, Secret, fill

HERE = Path("/nowhere")


class Model(BaseModel):
    key: Secret


def test_a_variable_and_a_file_are_put_into_the_text_around_them(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("from-file\n")
    assert fill("a-${NAME}-${file:x}", {"NAME": "value"}, tmp_path) == "a-value-from-file"


def test_what_was_put_in_is_never_looked_at_again() -> None:
    assert fill("${A}", {"A": "${B}", "B": "b"}, HERE) == "${B}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${NONE}", "the variable NONE is not set"),
        ("${EMPTY}", "the variable EMPTY is empty"),
        ("${file:none}", "/nowhere/none cannot be read: No such file or directory"),
        ("${NAME:-x}", "stands for nothing"),
        ("${}", "stands for nothing"),
    ],
)
def test_what_stands_for_nothing_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("$", r"\$")):
        fill(text, {"EMPTY": ""}, HERE)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_holds_no_secret_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"/x (is empty|is too large|does not hold text)"):
        fill("${file:x}", {}, tmp_path)


def test_a_secret_shows_nowhere() -> None:
    model = Model.model_validate({"key": "sk-secret"})
    shown = [repr(model), str(model.key), f"{model.key}", model.model_dump_json(), json.dumps(Model.model_json_schema())]
    assert "sk-secret" not in "".join(shown)
    assert model.key.get_secret_value() == "sk-secret"


def test_a_secret_is_equal_to_one_of_the_same_text_only() -> None:
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


def test_pydantics_own_secrets_are_taken() -> None:
    assert Model.model_validate({"key": SecretStr("sk-secret")}).key == Secret("sk-secret")


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "schlüssel", "a\x00", 7, None, ["a"]])
def test_what_can_be_no_key_is_refused_without_showing_it(value: object) -> None:
    with pytest.raises(ValueError, match=r"is empty|holds a blank|must be a text"):
        Secret.parse(value)


def test_a_rotated_file_is_taken_when_it_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old-key\n")
    secret = Secret.parse(fill("${file:key}", {}, tmp_path))
    assert not secret.read_again()
    file.write_text("new-key\n")
    assert secret.get_secret_value() == "old-key"
    assert secret.read_again()
    assert secret.get_secret_value() == "new-key"
    assert [former.get_secret_value() for former in secret.former] == ["old-key"]


@pytest.mark.parametrize("content", ["", "two words"])
def test_a_file_that_is_broken_when_read_again_changes_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text("old-key")
    secret = Secret.parse(fill("${file:key}", {}, tmp_path))
    file.write_text(content)
    assert not secret.read_again()
    file.unlink()
    assert not secret.read_again()
    assert secret.get_secret_value() == "old-key"


def test_a_plain_secret_has_nothing_to_read_again() -> None:
    assert not Secret("sk-plain").read_again()
    assert not isinstance(fill("plain", {}, HERE), Filled)
