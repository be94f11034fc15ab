"""Secrets, and the `${NAME}` and `${file:/path}` that bring them into a configuration.

In comes a text of the configuration after YAML was parsed; out goes the text that it stands for, or a `Secret`: a value that
never shows itself, only to who asks for it by name. What comes from a file can be read again when it was rotated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

MAX_FILE_BYTES = 65_536
HIDDEN = "**********"

_STANDS_FOR = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Filled(str):
    """A text that something was put into; `again` works it out anew."""

    __slots__ = ("again",)
    again: Callable[[], str]

    def __new__(cls, text: str, again: Callable[[], str]) -> Filled:
        """The text, and how it came to be."""
        filled = super().__new__(cls, text)
        filled.again = again
        return filled


def fill(text: str, environ: Mapping[str, str], folder: Path) -> str:
    """A text with every `${…}` replaced, once: what was put in is never looked at again. Raises ValueError with a sentence."""
    if "${" not in text:
        return text

    def work_out() -> str:
        return _STANDS_FOR.sub(lambda found: _value(found[1], environ, folder), text)

    return Filled(work_out(), work_out)


def _value(name: str, environ: Mapping[str, str], folder: Path) -> str:
    if name.startswith("file:"):
        return _file(folder / name.removeprefix("file:"))
    if not _VARIABLE.match(name):
        raise ValueError(f"${{{name}}} stands for nothing; write ${{NAME}} for a variable or ${{file:/path}} for a file")
    if not environ.get(name):
        raise ValueError(f"the variable {name} is {'empty' if name in environ else 'not set'}")
    return environ[name]


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        text = content.decode().strip()
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ValueError(f"{path} does not hold text") from exc
    if not text or len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path} is {'too large' if text else 'empty'}")
    return text


class Secret:
    """A text that no repr, log line or error shows. The one thing of the settings that changes: its file may be rotated."""

    __slots__ = ("_again", "_value", "former")

    def __init__(self, value: str) -> None:
        self._value = str(value)
        self._again = value.again if isinstance(value, Filled) else None
        self.former: tuple[Secret, ...] = ()

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._value

    def read_again(self) -> bool:
        """Read its file or variable again, and tell whether it has changed. What cannot be read now stays as it was."""
        if self._again is None:
            return False
        try:
            value = _checked(self._again())
        except ValueError:
            return False
        if value == self._value:
            return False
        self.former = (*self.former, Secret(self._value))
        self._value = value
        return True

    def __repr__(self) -> str:
        return f"Secret('{HIDDEN}')"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    @classmethod
    def parse(cls, value: object) -> Secret:
        """A secret out of what a configuration holds. Raises ValueError, never with the value."""
        if isinstance(value, Secret):
            return value
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is None:
            raise ValueError("is empty")
        if not isinstance(text, str):
            raise ValueError("must be a text in quotes")  # noqa: TRY004 - a mistake of people
        return cls(_checked(text))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """For models: any text, shown as stars."""
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors: a text."""
        return {"type": "string", "examples": ["${NAME}", "${file:/run/secrets/name}"]}


def _checked(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    if not text.isprintable() or not text.isascii() or " " in text:
        raise ValueError("holds a blank, a line break or a letter that no key has")
    return text
