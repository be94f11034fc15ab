"""What the sandbox Slack refuses, as Slack would: limits of text, blocks, attachments and metadata.

In comes what a call wants to post; out goes Slack's code for what is wrong with it, or None. Lengths are counted as they
come, escaped, in UTF-16 code units. Where Slack's own limit is not documented this one is on the strict side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

BLOCKS = 50
ATTACHMENTS = 100
UPDATE_TEXT = 4_000
POST_TEXT = 40_000
ALL_BLOCKS_TEXT = 13_200
"""Slack has such a limit (`msg_blocks_too_long`) and does not document it."""

METADATA_BYTES = 8_000

_Wrong = Callable[[Mapping[str, Any]], bool]


def refusal(wanted: Mapping[str, Any], *, update: bool = False) -> str | None:
    """Slack's code for a message that it would not take."""
    text, blocks, attachments = wanted.get("text") or "", wanted.get("blocks") or [], wanted.get("attachments") or []
    if not isinstance(text, str) or not isinstance(attachments, list):
        return "invalid_arguments"
    if not isinstance(blocks, list):
        return "invalid_blocks_format"
    if not text.strip() and not blocks and not attachments:
        return "no_text"
    if update and _length(text) > UPDATE_TEXT:
        return "msg_too_long"
    if len(attachments) > ATTACHMENTS:
        return "too_many_attachments"
    if not all(isinstance(attachment, dict) for attachment in attachments):
        return "invalid_attachments"
    parts = [blocks, *(attachment["blocks"] for attachment in attachments if "blocks" in attachment)]
    if not all(isinstance(part, list) for part in parts):
        return "invalid_blocks_format"
    if any(_wrong_blocks(part) for part in parts) or _doubled(parts, "block_id"):
        return "invalid_blocks"
    if sum(_length(words["text"]) for words in text_objects(parts)) > ALL_BLOCKS_TEXT:
        return "msg_blocks_too_long"
    return _wrong_metadata(wanted.get("metadata"))


def view_refusal(view: Any) -> str | None:
    """Slack's code for a form that it would not open."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return "invalid_arguments"
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not _sized(blocks, 100) or any(not isinstance(block, dict) for block in blocks):
        return "invalid_arguments"
    names = [_wrong_text(view.get(name), 24, ("plain_text",)) for name in ("title", "submit", "close")]
    metadata = view.get("private_metadata", "")
    wrong = any(names) or any(_wrong_input(block) if block.get("type") == "input" else _wrong_block(block) for block in blocks)
    return "invalid_arguments" if wrong or _too_long(metadata, 3_000) or _doubled([blocks], "block_id") else None


def text_objects(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every text object in blocks, however deep."""
    if isinstance(part, Mapping):
        if part.get("type") in ("plain_text", "mrkdwn") and isinstance(part.get("text"), str):
            yield part
        for value in part.values():
            yield from text_objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from text_objects(value)


def _wrong_blocks(blocks: Sequence[Any]) -> bool:
    return len(blocks) > BLOCKS or any(not isinstance(block, dict) or _wrong_block(block) for block in blocks)


def _wrong_block(block: Mapping[str, Any]) -> bool:
    check = _BLOCKS.get(block.get("type", ""))
    return check is None or check(block) or _too_long(block.get("block_id", ""), 255)


def _wrong_header(block: Mapping[str, Any]) -> bool:
    return _wrong_text(block.get("text"), 150, ("plain_text",))


def _wrong_section(block: Mapping[str, Any]) -> bool:
    text, fields = block.get("text"), block.get("fields")
    if text is None and fields is None:
        return True
    if text is not None and _wrong_text(text, 3_000):
        return True
    if fields is not None and (not _sized(fields, 10) or any(_wrong_text(each, 2_000) for each in fields)):
        return True
    accessory = block.get("accessory")
    return accessory is not None and _wrong_element(accessory)


def _wrong_context(block: Mapping[str, Any]) -> bool:
    elements = block.get("elements")
    return not _sized(elements, 10) or any(_wrong_text(each, 3_000) for each in elements or ())


def _wrong_actions(block: Mapping[str, Any]) -> bool:
    elements = block.get("elements")
    return not _sized(elements, 25) or any(_wrong_element(each) for each in elements or ()) or _doubled(elements, "action_id")


def _wrong_input(block: Mapping[str, Any]) -> bool:
    element = block.get("element")
    if not isinstance(element, dict) or _wrong_text(block.get("label"), 2_000, ("plain_text",)):
        return True
    match element.get("type"):
        case "radio_buttons":
            return _wrong_options(element, 10)
        case "plain_text_input":
            return not 1 <= element.get("max_length", 3_000) <= 3_000
        case "datepicker":
            return False
        case _:
            return True


def _wrong_options(element: Mapping[str, Any], most: int) -> bool:
    options = element.get("options")
    if not _sized(options, most):
        return True
    assert isinstance(options, list), "it is sized"
    wrong = [_wrong_text(one.get("text"), 75, ("plain_text",)) or _too_long(one.get("value"), 150) for one in options]
    return any(wrong) or ("initial_option" in element and element["initial_option"] not in options)


def _wrong_confirm(confirm: Any) -> bool:
    limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    return not isinstance(confirm, dict) or any(_wrong_text(confirm.get(name), most) for name, most in limits.items())


def _wrong_element(element: Any) -> bool:
    if not isinstance(element, dict) or element.get("type") not in ("button", "static_select", "overflow"):
        return True
    if _too_long(element.get("action_id", ""), 255) or _too_long(element.get("value", ""), 2_000):
        return True
    if "confirm" in element and _wrong_confirm(element["confirm"]):
        return True
    if element["type"] == "static_select":
        return _wrong_options(element, 100) or _wrong_text(element.get("placeholder"), 150, ("plain_text",))
    return element["type"] == "button" and _wrong_text(element.get("text"), 75, ("plain_text",))


def _wrong_text(part: Any, limit: int, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> bool:
    if not isinstance(part, dict) or part.get("type") not in kinds or not isinstance(part.get("text"), str):
        return True
    extra = set(part) - {"type", "text", "emoji" if part["type"] == "plain_text" else "verbatim"}
    return bool(extra) or not part["text"] or _length(part["text"]) > limit


def _wrong_metadata(metadata: Any) -> str | None:
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        return "invalid_metadata_format"
    if not isinstance(metadata.get("event_type"), str) or not metadata["event_type"]:
        return "invalid_metadata_format"
    return "metadata_too_large" if len(repr(metadata)) > METADATA_BYTES else None


def _doubled(parts: Any, name: str) -> bool:
    """Whether an id that must be unique in a message appears twice."""
    ids = [each[name] for part in parts or () for each in (part if isinstance(part, list) else [part]) if name in each]
    return len(ids) != len(set(ids))


def _sized(parts: Any, most: int) -> bool:
    return isinstance(parts, list) and 1 <= len(parts) <= most


def _too_long(text: Any, limit: int) -> bool:
    return not isinstance(text, str) or _length(text) > limit


def _length(text: str) -> int:
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


_BLOCKS: dict[str, _Wrong] = {
    "header": _wrong_header,
    "section": _wrong_section,
    "context": _wrong_context,
    "actions": _wrong_actions,
    "divider": lambda _: False,
}
