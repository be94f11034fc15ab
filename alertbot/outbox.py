"""Station 8: the outbox, and with it the promise "exactly once"."""

from __future__ import annotations

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What Slack is to show. `text` stands alone (notifications, screen readers); `colour` is the bar's, as `#rrggbb`."""

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    colour: str | None = None
