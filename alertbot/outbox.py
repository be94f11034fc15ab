"""Station 8: the outbox, and with it the promise "exactly once".

In come entries, written in the transaction of the decision that they tell of; out comes, for an entry and what happened to
it, the entry as it stands next. Pure: times are arguments, `slack.delivery` does the work, `store` keeps the entries.

    waiting ── claimed ──▶ sending ── answer ──▶ sent
       ▲                      │ no answer, 5xx, a crash
       │                      ▼
       └── is not there ── unknown ── stands there ──▶ sent

Updates of a message are joined: one that waits is replaced by the newer state, and a message that does not stand yet is changed
before it is sent. What waited for so long that it is no news any more is `summed` up: another entry tells of it.

An entry is sent again only after a look into the channel did not find it. Nothing is dropped: what Slack refuses for good in
every form and place is kept as `refused`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

from alertbot.errors import (
    SlackCredential,
    SlackError,
    SlackGone,
    SlackNeverLeft,
    SlackNotNow,
    SlackPayload,
    SlackPlace,
    SlackUnknownOutcome,
    SlackWait,
)
from alertbot.moments import span_us
from alertbot.rules.model import LEVELS, Level

State = Literal["waiting", "sending", "unknown", "sent", "refused", "summed"]
Step = Literal["send", "look", "wait", "done"]

LONGEST_WAIT = timedelta(hours=1)
"""No entry waits longer. One that seems to was written before the clock was set back, and is due at once."""

LATER = len(LEVELS)
"""The priority of what can wait behind every opening: updates and replies."""

UPDATE = "update"
"""The kind of entries that show a message's newest state, and are joined while they wait."""

JOIN = timedelta(seconds=3)
"""An update waits so long for others: a message changes at most once in that time."""

_LINK = "https://message.alertbot.invalid/"
_LINKED = re.compile(r"<https://message\.alertbot\.invalid/([0-9a-f]+)\|([^<>|]*)>")
_PLAIN_CHARACTERS = 2_900
_PART_OF_AN_ENTITY = re.compile(r"&[a-z]{0,4}\Z")
_CLOSED_FOR_EDITING = frozenset({"cant_update_message", "edit_window_closed"})
_MAY_NOT_LOOK = frozenset({"missing_scope", "no_permission", "access_denied"})


class File(msgspec.Struct, frozen=True):
    """A file that a message carries."""

    name: str
    content: str


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Slack is to show. `text` stands alone (notifications, screen readers); `colour` is the bar's, as `#rrggbb`.

    `links` are the entries whose messages it links to (`link_to`): where they stand is known when it is sent.
    """

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    colour: str | None = None
    links: tuple[str, ...] = ()
    file: File | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a message stands in Slack."""

    channel: str
    ts: str


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One message to post, reply or update, and how its delivery stands. Moments are the bot's own clock, microseconds.

    `thread_of` and `update_of` name the entry whose message this one replies to or changes; it waits until that one stands.
    A lower `priority` goes first within a channel.
    """

    id: str
    created_us: int
    kind: str
    channel: str
    message: Message
    portal: str | None = None
    incident: str | None = None
    thread_of: str | None = None
    update_of: str | None = None
    priority: int = 2
    # how its delivery stands
    state: State = "waiting"
    attempts: int = 0
    not_before_us: int = 0
    claimed_us: int | None = None
    look_until_us: int | None = None
    settled_us: int | None = None
    slack_channel: str | None = None
    slack_ts: str | None = None
    error: str | None = None
    plain: bool = False
    """Slack refused the blocks: short plain text instead."""
    repeat: bool = False
    """It may stand already and nobody can look: it says so."""
    meant_for: str | None = None
    """The channel that refused it, where it goes to the fallback channel instead."""

    @property
    def refers_to(self) -> str | None:
        """The entry whose message must stand before this one can be sent."""
        return self.update_of or self.thread_of

    @property
    def place(self) -> Place | None:
        """Where it stands in Slack, once it does."""
        return Place(self.slack_channel, self.slack_ts) if self.slack_channel and self.slack_ts else None


class Due(msgspec.Struct, frozen=True):
    """An entry whose turn it is, and where the message stands that it refers to. `orphan`: that one stands nowhere.

    `links` says where the messages stand that it links to.
    """

    entry: OutboxEntry
    target: Place | None = None
    orphan: bool = False
    links: dict[str, Place] = {}


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient delivery is. `can_look` is false for an incoming webhook, behind which nobody sees the channel."""

    fallback: str | None = None
    can_look: bool = True
    patience: timedelta = timedelta(seconds=30)
    look_after: timedelta = timedelta(seconds=1)
    first_back_off: timedelta = timedelta(seconds=1)
    longest_back_off: timedelta = timedelta(seconds=30)
    slowly: timedelta = timedelta(minutes=5)

    def back_off(self, failures: int, longest: timedelta | None = None) -> timedelta:
        """How long to wait after so many failures in a row: doubling, with a limit."""
        doubled: int = 1 << min(max(failures - 1, 0), 20)
        return min(longest or self.longest_back_off, self.first_back_off * doubled)


def entry_id(*parts: str) -> str:
    """The id that the same message always gets; it travels in Slack's metadata, so it tells nothing of its content."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def priority_of(level: Level) -> int:
    """The place of a level in a channel's queue: critical is 0."""
    return LEVELS[::-1].index(level)


def next_step(entry: OutboxEntry, now_us: int) -> Step:
    """What is to be done with an entry now. `sending` is whoever claimed it at work: there is nothing to do for others."""
    if entry.state in ("sent", "refused", "summed"):
        return "done"
    if entry.state == "sending" or not due(entry.not_before_us, now_us):
        return "wait"
    return "look" if entry.state == "unknown" else "send"


def due(not_before_us: int, now_us: int) -> bool:
    """Whether the wait is over, also after the clock was set back."""
    return not_before_us <= now_us or not_before_us > now_us + span_us(LONGEST_WAIT)


def claimed(due: Due, now_us: int) -> Due:
    """It is about to be sent: committed before the first byte leaves. What has nothing to refer to stands for itself."""
    entry = msgspec.structs.replace(due.entry, state="sending", claimed_us=now_us)
    if entry.refers_to is None or due.target is not None:
        return msgspec.structs.replace(due, entry=entry)
    return msgspec.structs.replace(due, entry=msgspec.structs.replace(entry, update_of=None, thread_of=None), orphan=True)


def joined(waiting: OutboxEntry, newer: OutboxEntry) -> OutboxEntry:
    """An entry that waits, with the newer state of what it tells. Where and when it goes stays, so it is still sent once."""
    return msgspec.structs.replace(waiting, message=newer.message, plain=False)


def stands(entry: OutboxEntry, place: Place | None, now_us: int) -> OutboxEntry:
    """Slack has it: it said so, or a look found it. A webhook does not say where."""
    return msgspec.structs.replace(
        entry,
        state="sent",
        settled_us=now_us,
        slack_channel=place.channel if place else None,
        slack_ts=place.ts if place else None,
        look_until_us=None,
        error=None,
    )


def lost(entry: OutboxEntry, now_us: int, policy: Policy) -> OutboxEntry:
    """The process died while sending it: as if no answer had come, counted from the moment it was claimed."""
    outcome = SlackUnknownOutcome("alertbot ended while this was being sent", answered=False)
    asked_us = now_us if entry.claimed_us is None else min(entry.claimed_us, now_us)
    return _unknown(entry, outcome, asked_us, policy)


def failed(entry: OutboxEntry, error: SlackError, now_us: int, policy: Policy) -> OutboxEntry:
    """Slack did not take it: what to do with this entry next, by the class of the answer."""
    match error:
        case SlackWait():
            wait = min(error.retry_after, LONGEST_WAIT)
            return _waits(entry, error, now_us + span_us(wait))
        case SlackUnknownOutcome():
            return _unknown(_counted(entry), error, now_us, policy)
        case SlackNeverLeft() | SlackNotNow() | SlackCredential():
            return _waits(_counted(entry), error, now_us)  # the gate before all entries does the waiting
        case SlackPayload() if not entry.plain:
            return _waits(msgspec.structs.replace(_counted(entry), plain=True), error, now_us)
        case SlackPayload():
            return _elsewhere(_counted(entry), error, now_us, policy) or refused(_counted(entry), str(error), now_us)
        case SlackPlace():
            return _elsewhere(_counted(entry), error, now_us, policy) or _later(_counted(entry), error, now_us, policy)
        case SlackGone() if entry.refers_to is not None:
            return _anew(_counted(entry), error, now_us)
        case _:
            counted = _counted(entry)
            return _waits(counted, error, now_us + span_us(policy.back_off(counted.attempts)))


def looked(entry: OutboxEntry, found: Place | None, now_us: int, policy: Policy) -> OutboxEntry:
    """A look into the channel: it stands, or it may still appear, or it is to be sent again."""
    if found is not None:
        return stands(entry, found, now_us)
    patience_us = span_us(policy.patience)
    until_us = min(entry.look_until_us or 0, now_us + patience_us)  # the clock may have been set back
    if now_us < until_us:
        gap_us = max(span_us(policy.look_after), now_us - (until_us - patience_us))
        next_us = min(now_us + gap_us, until_us)
        return msgspec.structs.replace(entry, not_before_us=next_us, look_until_us=until_us)
    wait = policy.back_off(entry.attempts - 1) if entry.attempts > 1 else timedelta()
    return msgspec.structs.replace(entry, state="waiting", not_before_us=now_us + span_us(wait), look_until_us=None)


def look_failed(entry: OutboxEntry, error: SlackError, now_us: int, policy: Policy) -> OutboxEntry:
    """The look itself failed, so nothing is known and nothing is sent; unless the bot may never look there."""
    may_not = isinstance(error, SlackPlace) or error.code in _MAY_NOT_LOOK
    if may_not and now_us >= (entry.look_until_us or 0):
        return _waits(msgspec.structs.replace(entry, repeat=True), error, now_us)
    so_far = timedelta(microseconds=max(0, now_us - (entry.claimed_us or now_us)))
    patiently = min(max(so_far, policy.first_back_off), policy.longest_back_off)
    wait = error.retry_after if isinstance(error, SlackWait) else patiently
    not_before_us = now_us + span_us(min(wait, LONGEST_WAIT))
    return msgspec.structs.replace(entry, not_before_us=not_before_us, error=str(error))


def refused(entry: OutboxEntry, said: str, now_us: int) -> OutboxEntry:
    """It cannot be shown in any form or place: kept, and counted in `status`."""
    return msgspec.structs.replace(entry, state="refused", settled_us=now_us, error=said)


def link_to(entry: str, words: str) -> str:
    """A link, in mrkdwn, to the message of an entry. The message that holds it names the entry in its `links`."""
    return f"<{_LINK}{entry}|{words.replace('|', '¦')}>"


def linked(message: Message, addresses: Mapping[str, str]) -> Message:
    """The message with its links to other messages; of those that stand nowhere only the words stay."""
    if not message.links:
        return message

    def put(match: re.Match[str]) -> str:
        address = addresses.get(match[1])
        return f"<{address}|{match[2]}>" if address else match[2]

    def fill(part: Any) -> Any:
        if isinstance(part, str):
            return _LINKED.sub(put, part)
        if isinstance(part, Mapping):
            return {name: fill(value) for name, value in part.items()}
        return [fill(each) for each in part] if isinstance(part, list | tuple) else part

    return msgspec.structs.replace(message, text=fill(message.text), blocks=tuple(fill(message.blocks)), links=())


def shown(entry: OutboxEntry, *, mark_repeat: bool = True, addresses: Mapping[str, str] | None = None) -> Message:
    """The message as it is to be posted: shortened where Slack refused it, with what people must know of its way.

    `addresses` are those of the messages that it links to.
    """
    message = linked(entry.message, addresses or {})
    if entry.plain:
        text = message.text
        if len(text) > _PLAIN_CHARACTERS:
            text = _PART_OF_AN_ENTITY.sub("", text[:_PLAIN_CHARACTERS]) + " …"
        message = Message(text=text)
    notes = []
    if entry.meant_for:
        notes.append(f"Meant for {entry.meant_for}, where Slack does not let alertbot post.")
    if entry.repeat and mark_repeat:
        notes.append("This may be a repeat: whether it was posted before could not be found out.")
    return _with_note(message, " ".join(notes)) if notes else message


def _with_note(message: Message, note: str) -> Message:
    text = f"{note}\n{message.text}"
    if not message.blocks:
        return msgspec.structs.replace(message, text=text)
    context = {"type": "context", "elements": [{"type": "plain_text", "text": note, "emoji": False}]}
    return msgspec.structs.replace(message, text=text, blocks=(context, *message.blocks[:49]))


def _counted(entry: OutboxEntry) -> OutboxEntry:
    return msgspec.structs.replace(entry, attempts=entry.attempts + 1)


def _waits(entry: OutboxEntry, error: SlackError, until_us: int) -> OutboxEntry:
    return msgspec.structs.replace(entry, state="waiting", not_before_us=until_us, look_until_us=None, error=str(error))


def _unknown(entry: OutboxEntry, error: SlackUnknownOutcome, asked_us: int, policy: Policy) -> OutboxEntry:
    if entry.update_of is not None:  # the same update twice is one update
        return _waits(entry, error, asked_us + span_us(policy.back_off(entry.attempts)))
    if not policy.can_look:
        again_us = asked_us + span_us(policy.back_off(entry.attempts))
        return _waits(msgspec.structs.replace(entry, repeat=True), error, again_us)
    return msgspec.structs.replace(
        entry,
        state="unknown",
        not_before_us=asked_us + span_us(policy.look_after),
        look_until_us=asked_us if error.answered else asked_us + span_us(policy.patience),
        error=str(error),
    )


def _elsewhere(entry: OutboxEntry, error: SlackError, now_us: int, policy: Policy) -> OutboxEntry | None:
    """To the fallback channel, as a message of its own; None where there is none, or it was there already."""
    if policy.fallback is None or policy.fallback == entry.channel or entry.meant_for is not None:
        return None
    moved = msgspec.structs.replace(entry, channel=policy.fallback, meant_for=entry.channel, thread_of=None, update_of=None)
    return _waits(moved, error, now_us)


def _later(entry: OutboxEntry, error: SlackError, now_us: int, policy: Policy) -> OutboxEntry:
    """No channel takes it: kept, and tried again slowly where it belongs, because people can mend that."""
    home = msgspec.structs.replace(entry, channel=entry.meant_for or entry.channel, meant_for=None)
    return _waits(home, error, now_us + span_us(policy.slowly))


def _anew(entry: OutboxEntry, error: SlackError, now_us: int) -> OutboxEntry:
    """The message that it refers to is gone, or closed for editing: a reply there, else a message of its own."""
    thread = entry.update_of if error.code in _CLOSED_FOR_EDITING else None
    return _waits(msgspec.structs.replace(entry, update_of=None, thread_of=thread), error, now_us)
