"""Station 7: what people do with an incident: the words for it, and what an undo must know.

The incident holds the last of it, for its message and for `status`; the whole story is in the incident's log. Moments are the
bot's own clock, microseconds: people act by the wall clock, not by the portal's.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Resolution = Literal["real", "false_alarm", "expected"]
RESOLUTIONS: dict[Resolution, str] = {"real": "real", "false_alarm": "false alarm", "expected": "expected"}
"""The ways in which people settle an incident, and what they call them."""


class Before(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who held an incident before somebody settled it: what an undo brings back."""

    work: Literal["new", "acknowledged"] = "new"
    by: str | None = None
    by_id: str | None = None
    by_at_us: int | None = None


class Silenced(msgspec.Struct, frozen=True, kw_only=True):
    """A silence holds back what would be told: its id, since when, and how many matches had been told before it."""

    silence: str
    since_us: int
    told: int


class Sessions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody asked the portal to end the account's sessions; `answer` is the portal's, None as long as there is none."""

    by: str
    at_us: int
    by_id: str | None = None
    answer: str | None = None
    ended: bool = False
