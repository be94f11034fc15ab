"""Station 9: what a person can do at an incident's message: its buttons, and what became of them. Pure.

In comes an incident as it stands; out go the blocks below its message: who has it, what silences it, and the buttons that make
sense now. A button's value is an opaque id and the number of the incident's last step: what it is about is looked up when it is
pressed, and a button of yesterday knows that it is. Forms, where a word is needed, are Block Kit views.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from alertbot.handling import RESOLUTIONS, Resolution
from alertbot.incidents import Incident
from alertbot.responses import Action
from alertbot.silences import Scope, Silence
from alertbot.slack import blocks, text, words
from alertbot.slack.blocks import Block

PREFIX = "alertbot."
RESOLVE_FORM = "alertbot.resolve_form"
SILENCE_FORM = "alertbot.silence_form"
WITH_A_WORD = "word"
"""The choice that opens the form in place of resolving at once."""

LIFT_ALL = "alertbot silence lift"
_RESOLVE_AT_ONCE: tuple[Resolution, ...] = ("real", "false_alarm")
LASTING: dict[str, str] = {"1h": "1 hour", "8h": "8 hours", "date": "Until the end of a day:"}
"""How long a silence may last, and what the form calls it."""


@dataclass(slots=True)
class Hands:
    """What people can do at a portal's messages now. `buttons`: there is a connection that brings what is pressed, else the
    message says how to act from a shell. `end_sessions`: the portal's key may write, and somebody may use it.
    """

    buttons: bool = False
    end_sessions: bool = False


def below(incident: Incident, zone: ZoneInfo, hands: Hands, silence: Silence | None = None) -> list[Block]:
    """The end of an incident's message: what became of it, what holds it back, and what can be done now."""
    told = became(incident, zone, silence)
    if not incident.stands_for_itself or incident.withdrawn:
        return told
    if hands.buttons:
        return [*told, *_buttons(incident, end_sessions=hands.end_sessions, silenced=silence is not None)]
    return [*told, _by_shell(incident)]


def became(incident: Incident, zone: ZoneInfo, silence: Silence | None = None) -> list[Block]:
    """What people did: who has it or settled it, what silences it, whether the sessions were ended."""
    lines = list(_lines(incident, zone, silence))
    return [blocks.context("\n".join(lines))] if lines else []


def _lines(incident: Incident, zone: ZoneInfo, silence: Silence | None) -> Iterable[str]:
    by = person(incident.by, incident.by_id)
    when = f", {words.reader_time(incident.by_at_us, incident.by_at_us, zone)}" if incident.by_at_us else ""
    if incident.work == "acknowledged":
        yield f"👤 *{by}* has it{when}"
    elif incident.work == "resolved":
        how = RESOLUTIONS[incident.resolution] if incident.resolution else "done"
        why = f": {text.inline(incident.word, 300)}" if incident.word else ""
        yield f"✅ Resolved as *{how}* by {by}{when}{why}"
    elif incident.turn and incident.by is None:
        yield "↩ Undone: nobody has it"
    elif incident.turn:
        yield f"↩ Reopened by {by}{when}"
    if silence is not None:
        until = words.reader_time(silence.until_us, silence.until_us, zone)
        why = text.inline(silence.reason, 300)
        yield f"🔕 Silenced until {until} by {person(silence.by, silence.by_id)} ({text.inline(silence.what, 200)}): {why}"
    if incident.sessions is not None:
        asked = person(incident.sessions.by, incident.sessions.by_id)
        answer = text.inline(incident.sessions.answer, 200) if incident.sessions.answer else "no answer yet"
        done = "🔒 All sessions ended" if incident.sessions.ended else "🔓 Sessions not ended"
        when = words.reader_time(incident.sessions.at_us, incident.sessions.at_us, zone)
        yield f"{done}, asked for by {asked}, {when}; the portal said: {answer}"


def person(name: str | None, slack_id: str | None) -> str:
    """A person of ours in mrkdwn: as Slack shows them, else by name. In an update this calls nobody."""
    if slack_id is not None and slack_id.isalnum():
        return f"<@{slack_id}>"
    return text.inline(name or "somebody", 80)


def _buttons(incident: Incident, *, end_sessions: bool, silenced: bool) -> list[Block]:
    value = reference(incident)
    elements: list[Block] = []
    if incident.work == "new":
        elements.append(_button(Action.ACKNOWLEDGE, "Acknowledge", value, style="primary"))
    if incident.work != "resolved":
        elements.append(_resolve(value))
        if silenced:
            elements.append(_button(Action.LIFT, "End the silence", value))
        else:
            elements.append(_button(Action.SILENCE, "Silence…", value))
    if incident.work != "new":
        elements.append(_button(Action.UNDO, "Undo", value))
    if incident.work == "resolved":
        elements.append(_button(Action.REOPEN, "Reopen", value))
    if end_sessions and can_end_sessions(incident):
        elements.append(_button(Action.END_SESSIONS, "End sessions", value, style="danger", confirm=_confirm(incident)))
    return [{"type": "actions", "block_id": f"{PREFIX}{value}", "elements": elements}]


def can_end_sessions(incident: Incident) -> bool:
    """Whether the incident is about somebody whose sessions can be ended, and were not. One of many whom an address only tried
    is not that: the person logged in, or the incident is theirs.
    """
    about = incident.about
    ended = incident.sessions is not None and incident.sessions.ended
    return about is not None and about.known and bool(about.account) and (incident.is_personal or about.success) and not ended


def reference(incident: Incident) -> str:
    """What a button carries."""
    return f"{incident.id}.{incident.turn}"


def _button(action: Action, label: str, value: str, **more: Any) -> Block:
    return {"type": "button", "action_id": f"{PREFIX}{action}", "text": _plain(label), "value": value, **more}


def _resolve(value: str) -> Block:
    labels = {"real": "Real", "false_alarm": "False alarm", "expected": "Expected …", WITH_A_WORD: "With a word of reason …"}
    return {
        "type": "static_select",
        "action_id": f"{PREFIX}{Action.RESOLVE}",
        "placeholder": _plain("Resolve"),
        "options": [{"text": _plain(label), "value": f"{value}.{choice}"} for choice, label in labels.items()],
    }


def at_once(choice: str) -> Resolution | None:
    """The resolution that a choice of the message means without asking further; None: the form is to be opened."""
    return next((resolution for resolution in _RESOLVE_AT_ONCE if resolution == choice), None)


def _confirm(incident: Incident) -> Block:
    about = incident.about
    who = text.plain((about.person or about.account or "") if about else "", 120)
    return {
        "title": _plain("End all sessions?"),
        "text": _plain(f"{who} is logged out everywhere at once, in every browser and app, and has to log in again."),
        "confirm": _plain("End them"),
        "deny": _plain("Leave them"),
        "style": "danger",
    }


def _by_shell(incident: Incident) -> Block:
    command = text.code(f"alertbot incidents acknowledge {incident.id}")
    return blocks.context(f"To act, at a shell: {command}, or `resolve`, or `show` for its story")


# -- forms -------------------------------------------------------------------------------------------------------------


def resolve_form(incident: Incident, place: str, choice: str) -> Block:
    """The form that asks how an incident was settled, with a word of reason."""
    chosen: Resolution = "expected" if choice == "expected" else "real"
    options = [{"text": _plain(label.capitalize()), "value": key} for key, label in RESOLUTIONS.items()]
    how = {
        "type": "radio_buttons",
        "action_id": "how",
        "options": options,
        "initial_option": next(option for option in options if option["value"] == chosen),
    }
    return _view(
        RESOLVE_FORM,
        "Resolve",
        f"{reference(incident)}.{place}",
        [
            _about(incident),
            _input("how", "What was it?", how),
            _input("word", "Why, in a few words", {"type": "plain_text_input", "action_id": "word", "max_length": 300}),
        ],
    )


def silence_form(incident: Incident, place: str, scopes: Sequence[Scope]) -> Block:
    """The form that asks what is to be silent, how long, and why."""
    options = [{"text": _plain(text.plain(scope.words, 70)), "value": scope.name} for scope in scopes]
    first = next((n for n, scope in enumerate(scopes) if incident.is_personal or not scope.is_personal), 0)
    what = {"type": "radio_buttons", "action_id": "what", "options": options, "initial_option": options[first]}
    lasting = [{"text": _plain(label), "value": key} for key, label in LASTING.items()]
    long = {"type": "radio_buttons", "action_id": "long", "options": lasting, "initial_option": lasting[0]}
    why = {"type": "plain_text_input", "action_id": "why", "max_length": 300}
    return _view(
        SILENCE_FORM,
        "Silence",
        f"{reference(incident)}.{place}",
        [
            _about(incident),
            _input("what", "What", what),
            _input("long", "How long", long),
            _input("until", "Day", {"type": "datepicker", "action_id": "until"}, optional=True),
            _input("why", "Why, in a few words", why),
        ],
    )


def _about(incident: Incident) -> Block:
    title = text.plain(incident.title, 150)
    return blocks.plain_section(f"{incident.level.upper()} · {title} · {text.plain(incident.portal, 60)}")


def _view(kind: str, title: str, metadata: str, parts: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": kind,
        "title": _plain(title),
        "submit": _plain(title),
        "close": _plain("Cancel"),
        "private_metadata": metadata,
        "blocks": parts,
    }


def _input(name: str, label: str, element: Block, *, optional: bool = False) -> Block:
    return {"type": "input", "block_id": name, "label": _plain(label), "element": element, "optional": optional}


def _plain(label: str) -> Block:
    return {"type": "plain_text", "text": label, "emoji": False}
