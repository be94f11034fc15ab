"""The sandbox Slack's channel as a web page: what people would see.

In comes the workspace; out goes HTML in which every text of a message is escaped and nothing of it can become markup or run.
The page asks for its messages again by itself and shows Slack's dates in the reader's own zone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Any

from alertbot.sandbox import mrkdwn
from alertbot.sandbox.slack_hands import Form
from alertbot.sandbox.slack_workspace import BOT_USER, Posted, Workspace

_TEMPLATE = files("alertbot.sandbox").joinpath("slack_page.html").read_text("utf-8")
_SCRIPT = re.search(r"<script>(.*?)</script>", _TEMPLATE, re.S)
_HASH = base64.b64encode(hashlib.sha256((_SCRIPT[1] if _SCRIPT else "").encode()).digest()).decode()
_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})\Z")
_MENTION = re.compile(r"<mark>@(?:subteam\^)?([A-Z0-9]+)</mark>")
"""A mention as it is shown; text of a message cannot look so, it is escaped."""

_NAMED_COLOURS = {"good": "2eb67d", "warning": "ecb22e", "danger": "e01e5a"}
_TAGS = {"bold": "b", "italic": "i", "strike": "s"}

POLICY = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'sha256-{_HASH}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}


def page(space: Workspace, wanted: str, forms: Iterable[Form] = ()) -> str:
    """The whole page of a channel, and the forms that are open."""
    channel = space.channel(wanted)
    name = channel.name if channel else wanted
    tabs = "".join(
        f'<a href="?channel={escape(each.name)}"{_current(each.name == name)}># {escape(each.name)}</a>'
        for each in space.channels.values()
    )
    people = "".join(
        f'<option value="{escape(each["id"])}">{escape(str(each["name"]))}</option>'
        for each in space.people
        if each["id"] != BOT_USER
    )
    filled = {
        "name": escape(name),
        "tabs": tabs,
        "people": people,
        "messages": channel_part(space, wanted),
        "forms": forms_part(forms),
        "version": str(space.version),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _TEMPLATE)


def forms_part(forms: Iterable[Form]) -> str:
    """The forms that are open."""
    return "".join(map(_form, forms))


def channel_part(space: Workspace, wanted: str) -> str:
    """The messages of a channel, each with its thread, and what one person alone sees."""
    messages = space.of(wanted)
    if not messages:
        return '<p class="nothing">Nothing has been posted here yet.</p>'
    names = {each["id"]: str(each["name"]) for each in space.people}
    channel = space.channel(wanted)
    whispers = [each for each in space.ephemeral if channel is not None and each.channel == channel.id]
    told = sorted([*messages, *whispers], key=lambda each: each.ts)
    part = "".join(_message(each, space.replies(each.ts), names) for each in told)
    names |= {each["id"]: str(each["handle"]) for each in space.groups}
    return _MENTION.sub(lambda match: f"<mark>@{escape(names.get(match[1], match[1]))}</mark>", part)


def _message(message: Posted, replies: Sequence[Posted], names: Mapping[str, str]) -> str:
    thread = ""
    if replies:
        count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
        told = "".join(_message(each, (), names) for each in replies)
        thread = f'<div class="thread"><div class="count">{count}</div>{told}</div>'
    edited = '<span class="edited">(edited)</span>' if message.edits else ""
    seen = (
        f'<div class="seen">Only {escape(names.get(message.seen_by, message.seen_by))} sees this</div>'
        if message.seen_by
        else ""
    )
    posted = float(message.ts)
    clock = datetime.fromtimestamp(posted, UTC)
    return (
        f'<article id="m{escape(message.ts)}" data-channel="{escape(message.channel)}" data-ts="{escape(message.ts)}">'
        f'<div class="face" aria-hidden="true">🔔</div><div class="body">'
        f'<div class="by"><b>alertbot</b> <span class="app">APP</span> '
        f'<time data-seconds="{posted:.0f}" data-format="{{time}}">{clock:%H:%M} UTC</time></div>{seen}'
        f"{_content(message)}{_files(message)}{edited}{thread}</div></article>"
    )


def _files(message: Posted) -> str:
    return "".join(f'<p class="text"><a href="files/{escape(each)}">📎 {escape(each)}</a></p>' for each in message.files)


def _content(message: Posted) -> str:
    """With blocks, Slack keeps `text` for notifications."""
    if message.blocks:
        above = "".join(_block(block) for block in message.blocks)
    elif message.text:
        parts = mrkdwn.spans(message.text) if message.mrkdwn else [mrkdwn.plain(message.text)]
        above = f'<p class="text">{_spans(parts)}</p>'
    else:
        above = ""
    return above + "".join(_attachment(each) for each in message.attachments)


def _attachment(attachment: Mapping[str, Any]) -> str:
    given = str(attachment.get("color", ""))
    match = _COLOUR.match(_NAMED_COLOURS.get(given, given))
    inner = "".join(_block(block) for block in attachment.get("blocks") or ())
    if not inner:
        inner = f'<p class="text">{_spans(mrkdwn.spans(str(attachment.get("text") or attachment.get("fallback") or "")))}</p>'
    colour = match[1] if match else "dddddd"
    return f'<div class="bar"><div class="colour" style="background:#{colour}"></div><div class="beside">{inner}</div></div>'


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "header":
            return f"<h3>{_text(block['text'])}</h3>"
        case "section":
            text = f'<div class="text">{_text(block["text"])}</div>' if block.get("text") else ""
            fields = "".join(f"<div>{_text(each)}</div>" for each in block.get("fields") or ())
            return text + (f'<div class="fields">{fields}</div>' if fields else "") + _element(block.get("accessory"))
        case "context":
            return f'<div class="context">{"".join(f"<div>{_text(each)}</div>" for each in block["elements"])}</div>'
        case "actions":
            return f'<div class="actions">{"".join(_element(each) for each in block["elements"])}</div>'
        case "divider":
            return "<hr>"
        case _:
            return f'<div class="unknown">[{escape(str(block.get("type")))}]</div>'


def _element(element: Mapping[str, Any] | None) -> str:
    if not element:
        return ""
    action = escape(str(element.get("action_id", "")))
    if element.get("type") == "static_select":
        options = "".join(_option(each, "option") for each in element["options"])
        return f'<select data-action="{action}"><option value="">{_text(element["placeholder"])}</option>{options}</select>'
    if not isinstance(element.get("text"), Mapping):
        return ""
    style = element.get("style")
    kind = f' class="{style}"' if style in ("primary", "danger") else ""
    asked = element.get("confirm")
    confirm = f' data-confirm="{escape(_words(asked["title"]))}&#10;{escape(_words(asked["text"]))}"' if asked else ""
    return f'<button data-action="{action}"{kind}{confirm}>{_text(element["text"])}</button>'


def _form(form: Form) -> str:
    view = form.view
    fields = "".join(_field(block, form.errors) if block["type"] == "input" else _block(block) for block in view["blocks"])
    return (
        f'<form data-form="{escape(form.id)}"><h3>{_text(view["title"])}</h3>{fields}<div class="actions">'
        f'<button class="primary">{_text(view["submit"])}</button><button type="button" data-give-up="1">'
        f"{_text(view['close'])}</button></div></form>"
    )


def _field(block: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    element, name = block["element"], escape(block["block_id"])
    wrong = f'<div class="wrong">{escape(errors[block["block_id"]])}</div>' if block["block_id"] in errors else ""
    match element["type"]:
        case "radio_buttons":
            chosen = (element.get("initial_option") or {}).get("value")
            inner = "".join(
                f'<label><input type="radio" name="{name}" value="{escape(each["value"])}"'
                f"{' checked' if each['value'] == chosen else ''}>{_text(each['text'])}</label>"
                for each in element["options"]
            )
        case "datepicker":
            inner = f'<input type="date" name="{name}">'
        case _:
            inner = f'<input name="{name}" maxlength="{int(element.get("max_length", 3000))}">'
    return f"<fieldset><legend>{_text(block['label'])}</legend>{inner}{wrong}</fieldset>"


def _option(option: Mapping[str, Any], tag: str) -> str:
    return f'<{tag} value="{escape(option["value"])}">{_text(option["text"])}</{tag}>'


def _words(part: Mapping[str, Any]) -> str:
    return mrkdwn.plain(str(part.get("text", ""))).text


def _text(part: Mapping[str, Any]) -> str:
    words = str(part.get("text", ""))
    if part.get("type") == "plain_text":
        return _spans([mrkdwn.plain(words)])
    return _spans(mrkdwn.spans(words, verbatim=part.get("verbatim") is True))


def _spans(parts: Iterable[mrkdwn.Span]) -> str:
    return "".join(_span(part) for part in parts)


def _span(part: mrkdwn.Span) -> str:
    words = escape(part.text).replace("\n", "<br>")
    match part.kind:
        case "code":
            shown = f"<code>{words}</code>"
        case "block":
            return f"<pre>{escape(part.text)}</pre>"
        case "link":
            shown = f'<a href="{escape(part.target)}" rel="noreferrer noopener" target="_blank">{words}</a>'
        case "mention":
            shown = f"<mark>{words}</mark>"
        case "date":
            seconds, _, form = part.target.partition("^")
            form = form.partition("^")[0]
            known = seconds.lstrip("-").isdigit()
            shown = f'<time data-seconds="{escape(seconds)}" data-format="{escape(form)}">{words}</time>' if known else words
        case _:
            shown = words
    for style, tag in _TAGS.items():
        if style in part.styles:
            shown = f"<{tag}>{shown}</{tag}>"
    return shown


def _current(is_current: bool) -> str:
    return ' aria-current="page"' if is_current else ""
