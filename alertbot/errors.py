"""All errors of alertbot, in one tree; who catches one decides by its type.

    AlertbotError             exit_code: what a command ends with (design: 2 wrong input or store, 3 the other side)
    ├── UsageError            2  arguments that make no sense together
    ├── ConfigError           2  configuration: every mistake with its place
    ├── RulesError            2  rule files, lists, calendars: every mistake with its place
    ├── EventsFileError       2  a file of events or people that cannot be read
    ├── StoreError            2  the store cannot be opened, read or written
    │   ├── StoreBusy            another `run` holds it
    │   ├── LostOwnership        another bot took this portal over in a shared store
    │   └── StaleIncident        somebody changed an incident since it was read: read it again and decide anew
    ├── PortalError           3
    │   ├── PortalTransient      try again: time-out, reset, 5xx, broken or empty body
    │   │   ├── PortalUnreachable   nothing answered
    │   │   └── PortalBusy          429, with the time to wait
    │   └── PortalRefused        tell people, try again slowly
    │       ├── PortalTLSError      the certificate is not to be trusted
    │       ├── BadRequest          400: a bug or a bad setting
    │       ├── KeyRejected         401
    │       ├── PlanMissing         402
    │       ├── NotAllowed          403
    │       └── PortalMoved         404 or a redirect: wrong host, or renamed
    └── SlackError            3
        ├── SlackWait            429 or `ratelimited`, with the time to wait: not a failed try
        ├── SlackUnknownOutcome  it may be posted: look before sending again (answered: whether Slack said anything)
        ├── SlackNeverLeft       nothing was sent (connection refused): send again at once
        ├── SlackNotNow          not posted, for now: back off
        ├── SlackPayload         Slack refuses this content: once more as short plain text
        ├── SlackPlace           the channel is wrong: the fallback channel
        ├── SlackCredential      the token is wrong: hold everything, alarm elsewhere
        └── SlackGone            an update whose message is gone or closed: reply or post anew

A message says what happened, where, and what to do, in one sentence, and holds no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


class AlertbotError(Exception):
    """Something that a person can mend; its text is the sentence that they read."""

    exit_code: ClassVar[int] = 2


class UsageError(AlertbotError):
    """Arguments that make no sense together."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing wrong in a file: `path:line:col: message`. Line and column count from 1; 0 where there is none."""

    path: str
    line: int
    col: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.col}" if self.line else self.path
        return _on_one_line(f"{place}: {'warning: ' if self.warning else ''}{self.message}")


def _on_one_line(text: str) -> str:
    """The text with what no terminal should get (line ends, escapes, odd spaces) as it is written in Python."""
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


class Mistakes(AlertbotError):
    """All that is wrong in some files, at once, in the order of the files."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class ConfigError(Mistakes):
    """The configuration cannot be used."""


class RulesError(Mistakes):
    """Rule files, lists or calendars cannot be used."""


class EventsFileError(AlertbotError):
    """A file of events or people cannot be read."""


class StoreError(AlertbotError):
    """The store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another `alertbot run` holds this store."""


class LostOwnership(StoreError):
    """Another bot has taken this portal over; this one must stop to write to it."""


class StaleIncident(StoreError):
    """An incident was changed since it was read: it is to be read again, and decided anew."""


class PortalError(AlertbotError):
    """The portal cannot be read."""

    exit_code = 3


class PortalTransient(PortalError):
    """It may work in a moment: try again with back-off."""


class PortalUnreachable(PortalTransient):
    """Nothing answered: no address, no connection, or no answer in time."""


class PortalBusy(PortalTransient):
    """429: too many requests; `retry_after` is the portal's own word."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class PortalRefused(PortalError):
    """It will not work until people change something: tell them, and try again slowly."""


class PortalTLSError(PortalRefused):
    """The portal's certificate is not to be trusted."""


class BadRequest(PortalRefused):
    """400: a bug or a bad setting."""


class KeyRejected(PortalRefused):
    """401: the key is wrong, expired or revoked."""


class PlanMissing(PortalRefused):
    """402: the portal's plan has no audit service."""


class NotAllowed(PortalRefused):
    """403: the key's owner is no admin, or the key lacks the scope."""


class PortalMoved(PortalRefused):
    """404 or a redirect: a wrong host, or a portal that was renamed. The key never follows."""


class SlackError(AlertbotError):
    """Slack did not take a call. `code` is Slack's own word, e.g. `channel_not_found`, or empty."""

    exit_code = 3

    def __init__(self, message: str, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class SlackWait(SlackError):
    """Too many calls: wait for `retry_after`, in order; this is not a failed try."""

    def __init__(self, message: str, retry_after: timedelta, code: str = "ratelimited") -> None:
        self.retry_after = retry_after
        super().__init__(message, code)


class SlackUnknownOutcome(SlackError):
    """It may be posted or not. `answered`: Slack said something (5xx, internal_error), so it will not appear later."""

    def __init__(self, message: str, code: str = "", *, answered: bool) -> None:
        self.answered = answered
        super().__init__(message, code)


class SlackNeverLeft(SlackError):
    """Nothing was sent at all: it can be sent again at once."""


class SlackNotNow(SlackError):
    """Not posted, for now."""


class SlackPayload(SlackError):
    """Slack refuses this content for good."""


class SlackPlace(SlackError):
    """The channel is not there, archived, or closed to the bot."""


class SlackCredential(SlackError):
    """The token is wrong, revoked, or lacks a scope."""


class SlackGone(SlackError):
    """The message that was to be updated is gone or can no longer be edited."""
