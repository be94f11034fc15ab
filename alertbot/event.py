"""Station 1: an event, a row of the portal's login history or audit trail.

In comes a row of the portal's JSON, the last place where a raw dict is seen; out goes an `Event`. Who and where are
filled in by `identity` and `places` and stored with it.
"""

from __future__ import annotations

from typing import Literal, NewType

import msgspec

Feed = Literal["login", "audit"]
FEEDS: tuple[Feed, ...] = ("login", "audit")
EventRef = NewType("EventRef", int)
"""An event's feed and id in one number that sorts as (id, feed) does: what windows and findings keep of an event."""

GUEST_ID = "712d9ec3-5d2b-4b13-824f-71f00191dcca"
"""The user id that every failed login carries: DocSpace-server writes it before it knows who tries."""


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel", kw_only=True):
    """One row, as the portal names its fields, and what is known of who and where.

    An absent field is None. `at_us` is the row's date in microseconds since 1970, UTC. Text is exactly as the portal gave
    it: hostile where an outsider wrote it.
    """

    portal: str
    id: int
    at_us: int
    action_id: int
    feed: Feed = "login"
    # as the portal names them
    user: str | None = None
    user_id: str | None = None
    login: str | None = None
    action: str | None = None
    ip: str | None = None
    country: str | None = None
    city: str | None = None
    browser: str | None = None
    platform: str | None = None
    page: str | None = None
    # what the action means
    event: str | None = None
    outcome: str | None = None
    method: str | None = None
    reason: str | None = None
    # who
    account: str | None = None
    known: bool = False
    name: str | None = None
    email: str | None = None
    role: str | None = None
    groups: tuple[str, ...] = ()
    status: str | None = None
    tfa: bool | None = None
    # where
    country_code: str | None = None
    geo: tuple[float, float] | None = None
    network: str | None = None
    ip_partial: bool = False
    # when: its date may be an hour off
    hour_doubtful: bool = False
    # audit feed
    action_type: str | None = None
    product: str | None = None
    location: str | None = None
    target: str | None = None
    entries: str | None = None
    context: str | None = None

    @property
    def ref(self) -> EventRef:
        """Feed and id in one number."""
        # A hot path: the type is named without a call.
        return self.id * 2 + (self.feed == "audit")  # type: ignore[return-value]

    @property
    def order(self) -> tuple[int, str, int]:
        """The order in which the engine folds events."""
        return (self.at_us, self.feed, self.id)


def event_ref(feed: Feed, number: int) -> EventRef:
    """The reference of the event with an id."""
    return EventRef(number * 2 + (feed == "audit"))


def feed_of(ref: EventRef) -> Feed:
    """The feed of an event's reference."""
    return "audit" if ref & 1 else "login"


def id_of(ref: EventRef) -> int:
    """The id that the portal gave the event."""
    return ref >> 1


ATTRIBUTES: dict[str, str] = {
    "date": "at_us",
    **{encoded: attribute for attribute, encoded in zip(Event.__struct_fields__, Event.__struct_encode_fields__, strict=True)},
}
"""A field's name in rule files (`userId`, `countryCode`, `date`) → the attribute of `Event` that holds it."""
del ATTRIBUTES["atUs"]
