"""The message of the first start: told once for each portal, when it is watched, with what its history holds.

All portals share one message where they are ready within a minute; those that come later have one of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alertbot.config import PortalSettings
from alertbot.outbox import LATER, OutboxEntry, entry_id
from alertbot.rules.model import Rule
from alertbot.slack.first_start import Found, Watched, first_start, first_start_list
from alertbot.store.records import Counts


def announcement(
    portals: Sequence[PortalSettings],
    missing: Sequence[str],
    rules: Sequence[Rule],
    counts: Counts,
    *,
    channel: str,
    by_webhook: bool,
    now_us: int,
) -> list[OutboxEntry]:
    """The message that `portals` are watched now, and the list for its thread; through a webhook the list is in the message."""
    names = {portal.name for portal in portals}
    found = Counter[str]()
    for count in counts.findings:
        if count.portal in names and count.history:
            found[count.rule] += count.count
    listed = [Found(rule.name, rule.title, rule.level, found[rule.name]) for rule in rules if rule.mode != "off"]
    held = {count.portal: count for count in counts.events}
    watched = [
        Watched(portal.name, one.count if one else 0, one.first_us if one else None, one.last_us if one else None, portal.zone)
        for portal, one in ((portal, held.get(portal.name)) for portal in portals)
    ]
    message = first_start(watched, len(listed), listed, missing=missing, with_list=by_webhook)
    first = OutboxEntry(
        id=entry_id("first start", *sorted(names)),
        created_us=now_us,
        kind="first_start",
        channel=channel,
        message=message,
        priority=LATER,
    )
    if by_webhook or not any(each.count for each in listed):
        return [first]
    reply = OutboxEntry(
        id=entry_id("first start list", *sorted(names)),
        created_us=now_us,
        kind="first_start_list",
        channel=channel,
        message=first_start_list(listed),
        thread_of=first.id,
        priority=LATER,
    )
    return [first, reply]
