"""What people wrote in YAML, held against a model, with the place of every mistake.

In comes a configuration or rule file; out go `Document`s, and from these models, or all that is wrong, each mistake as
`path:line:col: message` in words for people.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from alertbot import yaml12
from alertbot.errors import Mistake, Mistakes
from alertbot.moments import parse_duration, show_duration
from alertbot.yaml12 import Place, Way, dotted

MAX_BYTES = 4 * 1024 * 1024

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its value, and where the values and keys in it stand.

    `name` is what a mistake calls the file. `origins` names what stands for the file where a value came from elsewhere
    (a variable of the environment): way → what a mistake calls it. `written` are numbers that were written otherwise than they
    are shown, as they were written.
    """

    name: str
    value: Any
    places: Mapping[Way, Place]
    keys: Mapping[Way, Place] = field(default_factory=dict)
    origins: Mapping[Way, str] = field(default_factory=dict)
    written: Mapping[Way, str] = field(default_factory=dict)

    def holds(self, way: Way) -> bool:
        """Whether a value stands at `way`."""
        return way in self.places or way in self.origins

    def place(self, way: Way) -> Place:
        """Where the value at `way` begins; where there is none, where its nearest parent is named."""
        return self.places.get(way) or self.key_place(way)

    def key_place(self, way: Way) -> Place:
        """Where the key of `way` stands (an item of a list: where it begins), else that of its nearest parent."""
        for length in range(len(way), 0, -1):
            if place := self.keys.get(way[:length]) or self.places.get(way[:length]):
                return place
        return self.places.get((), (1, 1))

    def mistake(self, way: Way, message: str, *, at_key: bool = False, warning: bool = False) -> Mistake:
        """A mistake at the value of `way` (or at its key), its message opened by the dotted way."""
        for length in range(len(way), 0, -1):
            if origin := self.origins.get(way[:length]):
                return Mistake(origin, 0, 0, _opened(way[length:], message), warning)
        place = self.key_place(way) if at_key else self.place(way)
        return Mistake(self.name, *place, _opened(way, message), warning)

    def missing(self, way: Way, remark: str = "") -> Mistake:
        """The mistake of a key that is not there; it stands where its parent is named."""
        return self.mistake(way, "is missing" + (f"; {remark}" if remark else ""), at_key=True)


def _opened(way: Way, message: str) -> str:
    return f"{dotted(way)}: {message}" if way else message


def read_yaml(path: Path, name: str | None = None) -> list[Document]:
    """All documents of a file, none for an empty one. Raises `Mistakes`."""
    name = name or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Mistakes([Mistake(name, 0, 0, f"cannot be read: {exc.strerror or exc}")]) from exc
    return parse_yaml(content, name)


def parse_yaml(content: str | bytes, name: str) -> list[Document]:
    """All documents of a text, none for an empty one. Raises `Mistakes`."""
    text = _decode(content, name)
    return [Document(name, tree.value, tree.places, tree.keys, written=tree.written) for tree in yaml12.parse(text, name)]


def _decode(content: str | bytes, name: str) -> str:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if len(content) > MAX_BYTES:
        raise Mistakes([Mistake(name, 0, 0, f"is larger than {MAX_BYTES // 1024 // 1024} MB; split it")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8", "replace")
        raise Mistakes([Mistake(name, *yaml12.end_of(before), "is not UTF-8 here; save the file as UTF-8")]) from exc


def _span(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"needs a unit: {value}s, {value}m, {value}h or {value}d")  # noqa: TRY004 - a mistake of people
    if not isinstance(value, str):
        raise ValueError("must be a whole number and s, m, h or d, like 90s, 10m, 1h or 30d")  # noqa: TRY004
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_span),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["90s", "10m", "1h", "30d"]}),
]
"""A span as people write it (`10m`), for models."""


class _JsonSchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        return show_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema of a model, its defaults as people write them."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_JsonSchema)
    return {"$schema": _JsonSchema.schema_dialect, **schema, "title": title}


def validate(model: type[M], document: Document, way: Way = (), *, value: Any = None, context: Any = None) -> M | list[Mistake]:
    """The value at `way` as a `model`, or all that is wrong with it, in the order of the file.

    `value` stands in for the document's value where it was changed after reading. `context` goes to the validators.
    """
    given = _at(document.value, way) if value is None else value
    if not isinstance(given, dict):
        return [document.mistake(way, f"must be a mapping (`key: value` lines), not {_kind(given)}")]
    try:
        return model.model_validate(given, context=context)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=True)
        return sorted({_mistake(error, model, document, way) for error in _likely(errors, document, way)})


def _at(value: Any, way: Way) -> Any:
    for part in way:
        value = value[part]
    return value


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")


def _way_of(loc: Sequence[str | int], document: Document, top: Way) -> Way:
    """pydantic's `loc` as a way in the document: parts that name no place there are tags of unions and validators."""
    way = top
    for part in loc:
        if document.holds((*way, part)):
            way = (*way, part)
    return way


_SHAPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
}
"""Errors that say no more than that a value is of another shape, and what it must be."""


def _likely(errors: Sequence[ErrorDetails], document: Document, top: Way) -> Iterator[ErrorDetails]:
    """Of a union, the errors of the alternatives whose shape the value has; where it has none, one error with all shapes."""
    unions: dict[tuple[str | int, ...], dict[str | int, list[ErrorDetails]]] = {}
    for error in errors:
        # pydantic counts only the items that are right: then a list is not too short, its items are wrong.
        if error["type"] == "too_short" and any(_inside(other, error) for other in errors):
            continue
        split = _tag_at(error, document, top)
        if split is None:
            yield error
        else:
            unions.setdefault(error["loc"][:split], {}).setdefault(error["loc"][split], []).append(error)
    for branches in unions.values():
        fitting = [branch for branch in branches.values() if not _wrong_shape(branch, document, top)]
        if fitting:
            for branch in fitting:
                yield from branch
        else:
            yield _all_shapes([error for branch in branches.values() for error in branch])


def _inside(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    return len(inner["loc"]) > len(outer["loc"]) and inner["loc"][: len(outer["loc"])] == outer["loc"]


def _tag_at(error: ErrorDetails, document: Document, top: Way) -> int | None:
    """Where in `loc` the tag of a union stands: the first part that names no place, unless it is the last of a `missing`."""
    way = top
    for index, part in enumerate(error["loc"]):
        if document.holds((*way, part)):
            way = (*way, part)
        elif part == "[key]" or (error["type"] == "missing" and index == len(error["loc"]) - 1):
            return None
        else:
            return index
    return None


def _wrong_shape(branch: Sequence[ErrorDetails], document: Document, top: Way) -> bool:
    first = branch[0]
    tag = _tag_at(first, document, top)
    at_union = _way_of(first["loc"][:tag], document, top)
    return first["type"] in _SHAPES and _way_of(first["loc"], document, top) == at_union


def _all_shapes(errors: Sequence[ErrorDetails]) -> ErrorDetails:
    shapes = list(dict.fromkeys(_SHAPES[error["type"]] for error in errors if error["type"] in _SHAPES))
    merged = errors[0].copy()
    merged["type"] = "value_error"
    merged["ctx"] = {"error": "must be " + " or ".join(shapes)}
    return merged


def _mistake(error: ErrorDetails, model: type[BaseModel], document: Document, top: Way) -> Mistake:
    way = _way_of(error["loc"], document, top)
    last = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "missing":
        return document.missing((*way, last))
    if error["type"] == "extra_forbidden":
        known = set(_fields_at(model, error["loc"][:-1]))
        return document.mistake(way, unknown(str(last), known), at_key=True)
    return document.mistake(way, _words(error), at_key=last == "[key]")


def unknown(word: str, known: Iterable[str], what: str = "key") -> str:
    """What to say of a word that is none of those known, with the one that was probably meant."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6) or [one for one in known if one.lower() == word.lower()]
    if close:
        return f"unknown {what}; did you mean `{close[0]}`?"
    return f"unknown {what}; known are {', '.join(known)}" if 0 < len(known) <= 15 else f"unknown {what}"


def _words(error: ErrorDetails) -> str:
    """pydantic's error as a sentence for people; it never shows the value, which may be a secret."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _SHAPES:
        quotes = (
            "; a text that holds `: ` needs quotes around it" if kind == "string_type" and type(error["input"]) is dict else ""
        )
        return f"must be {_SHAPES[kind]}{quotes}"
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", "is not valid"))
    if kind in ("literal_error", "enum"):
        return _choice(error["input"], str(context.get("expected", "")))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"must say which it is: {context.get('expected_tags', context.get('discriminator', ''))}"
    template = _TEMPLATES.get(kind)
    bounds = {name: int(one) if isinstance(one, float) and one.is_integer() else one for name, one in context.items()}
    return template.format(**bounds) if template else error["msg"][:1].lower() + error["msg"][1:]


_TEMPLATES = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "too_short": "needs at least {min_length} of them",
    "too_long": "may have at most {max_length} of them",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the right form",
    "date_type": "must be a date, like 2026-02-01",
    "date_parsing": "must be a date, like 2026-02-01",
    "date_from_datetime_parsing": "must be a date, like 2026-02-01",
    "date_from_datetime_inexact": "must be a date, like 2026-02-01",
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
}


def _choice(given: object, expected: str) -> str:
    choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(",")]
    close = difflib.get_close_matches(str(given).lower(), choices, n=1) if isinstance(given, str) else []
    sentence = f"must be {', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else f"must be {choices[0]}"
    return f"{sentence}; did you mean `{close[0]}`?" if close else sentence


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> Iterator[str]:
    """The keys that the models take at `loc`."""
    reached: list[Any] = [model]
    for part in loc:
        reached = [after for annotation in reached for after in _step(annotation, part)]
    for one in (alternative for annotation in reached for alternative in _alternatives(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield from (info.alias or name for name, info in one.model_fields.items())


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """The annotations that the value under `part` may have; a part that leads nowhere is the tag of a union."""
    found = False
    for one in _alternatives(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            for name, info in one.model_fields.items():
                if part == (info.alias or name):
                    found = True
                    yield info.annotation
        elif isinstance(part, int) and typing.get_args(one):
            found = True
            yield typing.get_args(one)[0]
        elif typing.get_origin(one) in (dict, Mapping) and part != "[key]":
            found = True
            yield typing.get_args(one)[1]
    if not found:
        tagged = [one for one in _alternatives(annotation) if getattr(one, "__name__", None) == part]
        yield from tagged or [annotation]


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, however it is wrapped."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _alternatives(one)
    else:
        yield annotation
