"""Station 6: a finding, one firing of a rule's pattern for one key, and its extensions."""

from __future__ import annotations

import hashlib

import msgspec

from alertbot.event import EventRef

Key = tuple[str, ...]
"""The values of a rule's `by` fields, in their order, as the firing event spells them."""


class Finding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A rule, a key, the evidence. Moments are microseconds since 1970, UTC.

    `events` are the matches that made it fire, oldest first, never more; `count` counts the extensions too; `at_us` is the
    firing, `last_us` the last extension. `firing` is the event that made it fire (for `absence`: the last one
    before the silence).
    """

    id: str
    rule: str
    version: str
    portal: str
    fields: tuple[str, ...]
    key: Key
    firing: EventRef
    events: tuple[EventRef, ...]
    first_us: int
    at_us: int
    last_us: int
    count: int


def finding_id(portal: str, rule: str, version: str, key: Key, firing: EventRef) -> str:
    """The id that the same firing always gets, whoever works it out and however often: 20 hex digits."""
    text = "\x1f".join((portal, rule, version, *key, str(firing)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()
