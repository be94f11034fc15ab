"""What Slack refuses at present: said once in the log, and noted in the store for `status`.

In come entries before and after a try; out goes whether the note has changed.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import structlog

from alertbot.errors import SlackCredential, SlackError, SlackNeverLeft, SlackNotNow, SlackPlace, SlackUnknownOutcome, SlackWait
from alertbot.outbox import OutboxEntry

log = structlog.get_logger("alertbot.delivery")

_EVERYWHERE = ""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Since when (the bot's clock, microseconds) Slack refuses what, in a channel, or everywhere where that is empty."""

    channel: str
    since_us: int
    said: str
    code: str = ""


class SocketState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether buttons work, since when (the bot's clock, microseconds), and what Slack said if they do not."""

    KEY: ClassVar[str] = "slack.socket"

    open: bool
    since_us: int
    said: str = ""


class Troubles:
    """The troubles that go on, one for each channel and one for all."""

    KEY: ClassVar[str] = "slack.trouble"
    """Where the store keeps them: a JSON list of `Trouble`, absent while all is well."""

    def __init__(self) -> None:
        self._going_on: dict[str, Trouble] = {}

    def note(self) -> str | None:
        """What the store is to keep."""
        return msgspec.json.encode(list(self._going_on.values())).decode() if self._going_on else None

    @staticmethod
    def read(note: str | None) -> list[Trouble]:
        """What the store kept."""
        return msgspec.json.decode(note, type=list[Trouble]) if note else []

    def saw(self, before: OutboxEntry, after: OutboxEntry, error: SlackError | None, now_us: int) -> bool:
        """A try, and how the entry stands after it. Whether `note` is another one now."""
        if after.state == "refused":
            log.error("outbox.refused", id=after.id, kind=after.kind, channel=after.channel, said=after.error)
        match error:
            case SlackWait():
                return False
            case SlackCredential() | SlackNotNow() | SlackNeverLeft() | SlackUnknownOutcome():
                return self._begin(_EVERYWHERE, error, now_us)
            case SlackPlace():
                reached = self._end(_EVERYWHERE)
                return self._begin(before.channel, error, now_us) or reached
            case None:
                reached = self._end(_EVERYWHERE)
                return self._end(before.channel) or reached
            case _:
                return self._end(_EVERYWHERE)

    def _begin(self, channel: str, error: SlackError, now_us: int) -> bool:
        known = self._going_on.get(channel)
        if known is not None and (known.code, known.said) == (error.code, str(error)):
            return False
        since_us = known.since_us if known is not None else now_us
        self._going_on[channel] = Trouble(channel=channel, since_us=since_us, said=str(error), code=error.code)
        log.warning("slack.trouble", channel=channel, said=str(error), code=error.code)
        return True

    def _end(self, channel: str) -> bool:
        if self._going_on.pop(channel, None) is None:
            return False
        log.info("slack.well_again", channel=channel)
        return True
