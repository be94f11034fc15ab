"""Station 7: what people do to incidents. Pure.

In come an incident, what somebody wants done with it, who, and when; out goes the incident as it is to be, the log entries that
say so, and a sentence for whoever asked. Nothing here asks whether they may. All of it is idempotent: what is so already, or
came too late, changes nothing and says what stands. People change `work`, events change `phase`; neither changes the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from alertbot.handling import RESOLUTIONS, Before, Resolution, Sessions, Silenced
from alertbot.incidents import Incident, LogEntry, Reason
from alertbot.moments import from_us
from alertbot.silences import Silence

WORD = 300
"""So long is a word of reason at most."""

ASKED_FOR_S = 60
"""After so long without an answer of the portal's, ending sessions may be asked for again: whoever asked may have crashed."""

ANEW = 0
"""In place of the moment at which an incident escalates: it is nobody's again, and the wait begins anew."""

_replace = msgspec.structs.replace


class Action(StrEnum):
    """What a person may do with an incident. The names travel in buttons, and stand in the log."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    UNDO = "undo"
    REOPEN = "reopen"
    SILENCE = "silence"
    LIFT = "lift"
    END_SESSIONS = "end_sessions"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person: the name that people know them by, and their Slack id; None for somebody at a shell."""

    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What an action does: `incident` is None where it changes nothing; `said` is for whoever asked."""

    said: str
    incident: Incident | None = None
    log: tuple[LogEntry, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to store."""
        return self.incident is not None


def acknowledge(incident: Incident, who: Actor, now_us: int) -> Response:
    """Take an incident on. It does not escalate any more."""
    if gone := elsewhere(incident):
        return gone
    if incident.work != "new":
        return Response(f"Nothing changed: {standing(incident)}.")
    changed = _replace(
        _stepped(incident, who, now_us), work="acknowledged", word=None, resolution=None, before=None, escalate_at_us=None
    )
    return Response("You have it.", changed, (_entry(incident, who, now_us, Reason.ACKNOWLEDGED),))


def resolve(incident: Incident, who: Actor, now_us: int, resolution: Resolution, word: str = "") -> Response:
    """Settle an incident. What its findings still bring is only counted; a new finding opens a new incident."""
    if gone := elsewhere(incident):
        return gone
    if incident.work == "resolved":
        return Response(f"Nothing changed: {standing(incident)}.")
    word = _short(word)
    before = Before(work=incident.work, by=incident.by, by_id=incident.by_id, by_at_us=incident.by_at_us)
    changed = _replace(
        _stepped(incident, who, now_us),
        work="resolved",
        resolution=resolution,
        word=word or None,
        before=before if incident.work == "acknowledged" else Before(),
        escalate_at_us=None,
    )
    shown = RESOLUTIONS[resolution]
    entry = _entry(incident, who, now_us, Reason.RESOLVED, f"{shown}: {word}" if word else shown)
    return Response(f"Resolved as {shown}.", changed, (entry,))


def undo(incident: Incident, who: Actor, now_us: int, turn: int | None = None) -> Response:
    """Take back the last acknowledgement or resolve; `turn` names the step that is meant, None the last one."""
    if gone := elsewhere(incident):
        return gone
    if incident.work == "new" or (turn is not None and turn != incident.turn):
        return Response(f"Nothing changed: {standing(incident)}.")
    was = incident.work
    before = incident.before if was == "resolved" and incident.before is not None else Before()
    changed = _replace(
        _stepped(incident, who, now_us),
        work=before.work,
        by=before.by,
        by_id=before.by_id,
        by_at_us=before.by_at_us,
        word=None,
        resolution=None,
        before=None,
        escalate_at_us=ANEW if before.work == "new" else None,
    )
    said = f"Undone: it is {'nobody’s again' if before.work == 'new' else f'{before.by}’s again'}."
    return Response(said, changed, (_entry(incident, who, now_us, Reason.UNDONE, was),))


def reopen(incident: Incident, who: Actor, now_us: int, word: str = "") -> Response:
    """Make a resolved incident open work again, nobody's."""
    if gone := elsewhere(incident):
        return gone
    if incident.work != "resolved":
        return Response(f"Nothing changed: {standing(incident)}.")
    changed = _replace(
        _stepped(incident, who, now_us),
        work="new",
        word=_short(word) or None,
        resolution=None,
        before=None,
        escalate_at_us=ANEW,
    )
    return Response(
        "Reopened: it is open work again.", changed, (_entry(incident, who, now_us, Reason.REOPENED, _short(word)),)
    )


def silence(incident: Incident, one: Silence, who: Actor, now_us: int) -> Response:
    """Note on an incident that a silence was asked for at its message and holds back what would be told of it."""
    held = incident.silenced or Silenced(silence=one.id, since_us=now_us, told=incident.count)
    changed = _replace(incident, silenced=_replace(held, silence=one.id), revision=incident.revision + 1)
    detail = f"{one.what} until {from_us(one.until_us):%Y-%m-%d %H:%M} UTC: {one.reason}"
    return Response("Silenced.", changed, (_entry(incident, who, now_us, Reason.SILENCED, detail),))


def lifted(incident: Incident, one: Silence, who: Actor, now_us: int) -> Response:
    """Note on an incident that somebody ended its silence; what was held back is told when its end is noticed."""
    entry = _entry(incident, who, now_us, Reason.SILENCE_LIFTED, one.what)
    return Response("The silence is lifted.", _replace(incident, revision=incident.revision + 1), (entry,))


def ask_to_end_sessions(incident: Incident, who: Actor, now_us: int) -> Response:
    """Claim the ending of the account's sessions, before the portal is asked: however many press, one asks."""
    asked = incident.sessions
    if asked is not None and asked.ended:
        return Response(f"Nothing changed: {asked.by} has ended the sessions; the portal said: {asked.answer}.")
    if asked is not None and asked.answer is None and now_us - asked.at_us < ASKED_FOR_S * 1_000_000:
        return Response(f"Nothing changed: {asked.by} has just asked the portal to end them.")
    sessions = Sessions(by=who.name, by_id=who.id, at_us=now_us)
    changed = _replace(incident, sessions=sessions, revision=incident.revision + 1)
    return Response("", changed, (_entry(incident, who, now_us, Reason.SESSIONS_ASKED),))


def sessions_answered(incident: Incident, answer: str, now_us: int, *, ended: bool) -> Response:
    """Write down what the portal said."""
    asked = incident.sessions
    if asked is None or asked.ended:
        return Response("")
    changed = _replace(incident, sessions=_replace(asked, answer=answer, ended=ended), revision=incident.revision + 1)
    reason = Reason.SESSIONS_ENDED if ended else Reason.SESSIONS_KEPT
    entry = LogEntry(incident=incident.id, at_us=now_us, who=asked.by, reason=reason, detail=answer)
    said = "All sessions of the account have ended." if ended else f"The sessions go on: {answer}"
    return Response(said, changed, (entry,))


def refusal(incident: str, who: Actor, now_us: int, action: str, why: str) -> LogEntry:
    """The entry that somebody tried what they may not do."""
    return LogEntry(incident=incident, at_us=now_us, who=_named(who), reason=Reason.REFUSED, detail=f"{action}: {why}")


def standing(incident: Incident, show: Callable[[str], str] = str) -> str:
    """How an incident stands with people, in words: `Ben resolved it as expected`. `show` makes a name fit to be shown."""
    if incident.merged_into is not None:
        return "it was merged into another incident"
    match incident.work:
        case "acknowledged":
            return f"{show(incident.by or 'somebody')} has it"
        case "resolved":
            shown = RESOLUTIONS[incident.resolution] if incident.resolution else "done"
            return f"{show(incident.by or 'somebody')} resolved it as {shown}"
        case _:
            return "nobody has taken it on"


def elsewhere(incident: Incident) -> Response | None:
    """Where people are told of another incident in its place, that one is to be acted on."""
    if incident.merged_into is not None:
        return Response(f"Nothing changed: it was merged into incident {incident.merged_into[:8]}; act there.")
    if incident.held_by is not None:
        return Response(f"Nothing changed: incident {incident.held_by[:8]} is told in its place; act there.")
    return None


def _stepped(incident: Incident, who: Actor, now_us: int) -> Incident:
    """The incident with one more step of a person's."""
    return _replace(
        incident,
        by=who.name,
        by_id=who.id,
        by_at_us=now_us,
        turn=incident.turn + 1,
        revision=incident.revision + 1,
    )


def _entry(incident: Incident, who: Actor, now_us: int, reason: Reason, detail: str = "") -> LogEntry:
    return LogEntry(incident=incident.id, at_us=now_us, who=_named(who), reason=reason, detail=detail)


def _named(who: Actor) -> str:
    return f"{who.name} ({who.id})" if who.id else who.name


def _short(word: str) -> str:
    return " ".join(word.split())[:WORD]
