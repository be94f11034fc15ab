"""Station 9: what came over the socket when somebody pressed a button or sent a form. Pure: the last place of raw payloads.

In comes an interactive payload of Slack's, or something forged; out goes a `Press` or a `Form` with named fields, or None where
it is nothing of ours. Nothing in it is believed here: who may do what, and whether the message is ours, is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from alertbot.responses import Action, Actor
from alertbot.silences import LONGEST
from alertbot.slack.actions import PREFIX, RESOLVE_FORM, SILENCE_FORM

_REFERENCE = re.compile(r"([0-9a-f]{1,40})\.([0-9]{1,9})(?:\.([a-z_]{1,20}))?\Z")
_METADATA = re.compile(r"([0-9a-f]{1,40})\.([0-9]{1,9})\.([A-Z0-9]{1,30})-([0-9.]{1,30})\Z")
_ID = re.compile(r"[A-Z0-9]{1,30}\Z")
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}\Z")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent something, from where: ids as Slack gives them, empty where it gives none."""

    who: Actor
    team: str
    home: str
    """The team that the person belongs to: another one in a channel that is shared with strangers."""
    app: str


@dataclass(frozen=True, slots=True)
class Press:
    """A button was pressed at a message."""

    sender: Sender
    action: Action
    incident: str
    turn: int
    choice: str
    channel: str
    ts: str
    trigger: str
    key: str
    """The same press has the same key, however often it arrives."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form was sent, that had been opened from a message. `answers` are the fields that were filled in."""

    sender: Sender
    action: Action
    incident: str
    turn: int
    channel: str
    ts: str
    answers: Mapping[str, str]
    key: str


def read(payload: object) -> Press | Form | None:
    """What an interactive payload says."""
    if not isinstance(payload, Mapping):
        return None
    sender = _sender(payload)
    if sender is None:
        return None
    match payload.get("type"):
        case "block_actions":
            return _press(payload, sender)
        case "view_submission":
            return _form(payload, sender)
        case _:
            return None


def faults(form: Form, today: date) -> dict[str, str]:
    """What is wrong with a form’s answers, by field; it stays open and shows them. Nothing is looked up for it."""
    found = {}
    if form.action is Action.RESOLVE and not form.answers.get("word", "").strip():
        found["word"] = "Say why in a few words."
    if form.action is Action.SILENCE:
        if not form.answers.get("why", "").strip():
            found["why"] = "Say why in a few words."
        if form.answers.get("long") == "date":
            until = day(form.answers.get("until", ""))
            if until is None:
                found["until"] = "Choose the day up to which it is silent."
            elif until < today - timedelta(days=1):  # it may still be that day where they are
                found["until"] = "That day is over."
            elif until > today + LONGEST - timedelta(days=2):
                found["until"] = (
                    f"A silence lasts {LONGEST.days} days at most; what is expected for good belongs into the rule."
                )
    return found


def day(value: str) -> date | None:
    """A day as a form gives it."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _press(payload: Mapping[str, Any], sender: Sender) -> Press | None:
    pressed = payload.get("actions")
    if not isinstance(pressed, list) or len(pressed) != 1 or not isinstance(pressed[0], Mapping):
        return None
    one = pressed[0]
    action = _action(one.get("action_id"))
    option = one.get("selected_option")
    value = option.get("value") if isinstance(option, Mapping) else one.get("value")
    match = _REFERENCE.match(value) if isinstance(value, str) else None
    container = _part(payload, "container")
    channel, ts = _part(payload, "channel").get("id"), container.get("message_ts")
    if action is None or match is None or not _is(channel, _ID) or not _is(ts, _TS):
        return None
    trigger = payload.get("trigger_id")
    when = one.get("action_ts")
    return Press(
        sender=sender,
        action=action,
        incident=match[1],
        turn=int(match[2]),
        choice=match[3] or "",
        channel=str(channel),
        ts=str(ts),
        trigger=trigger if isinstance(trigger, str) else "",
        key=f"{sender.who.id} {action} {value} {ts} {when}",
    )


def _form(payload: Mapping[str, Any], sender: Sender) -> Form | None:
    view = _part(payload, "view")
    action = {RESOLVE_FORM: Action.RESOLVE, SILENCE_FORM: Action.SILENCE}.get(str(view.get("callback_id")))
    metadata = view.get("private_metadata")
    match = _METADATA.match(metadata) if isinstance(metadata, str) else None
    if action is None or match is None:
        return None
    values = _part(_part(view, "state"), "values")
    return Form(
        sender=sender,
        action=action,
        incident=match[1],
        turn=int(match[2]),
        channel=match[3],
        ts=match[4],
        answers={str(name): answer for name, fields in values.items() if (answer := _answer(fields, name)) is not None},
        key=f"{sender.who.id} form {view.get('id')} {view.get('hash')}",
    )


def _answer(fields: object, name: object) -> str | None:
    field = fields.get(name) if isinstance(fields, Mapping) else None
    if not isinstance(field, Mapping):
        return None
    option = field.get("selected_option")
    value = option.get("value") if isinstance(option, Mapping) else field.get("value") or field.get("selected_date")
    return value[:1_000] if isinstance(value, str) else None


def _sender(payload: Mapping[str, Any]) -> Sender | None:
    user, team = _part(payload, "user"), _part(payload, "team")
    number = user.get("id")
    if not _is(number, _ID):
        return None
    name = next((user[key] for key in ("username", "name") if isinstance(user.get(key), str) and user[key]), str(number))
    home = user.get("team_id") or team.get("id")
    return Sender(
        who=Actor(" ".join(str(name).split())[:80], str(number)),
        team=str(team.get("id") or ""),
        home=str(home or ""),
        app=str(payload.get("api_app_id") or ""),
    )


def _action(named: object) -> Action | None:
    if not isinstance(named, str) or not named.startswith(PREFIX):
        return None
    try:
        return Action(named.removeprefix(PREFIX))
    except ValueError:
        return None


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = payload.get(name)
    return part if isinstance(part, Mapping) else {}


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None
