"""Random histories that crowd the edges of windows, and what rules leave out of them: `only` and `except`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from alertbot.event import Event
from alertbot.moments import from_us
from alertbot.rules.model import Exemption, Selection
from tests.engine.build import MINUTE, event, selection

CHATHAM = ZoneInfo("Pacific/Chatham")
"""There a day ends a quarter of an hour after START."""
GERMAN = selection(country="Germany")
OLD_VPN = selection(ip="1.1.1.1")

moves = st.tuples(
    st.integers(0, 6),
    st.sampled_from(["anna", "anna", "Anna", "ben", None]),
    st.sampled_from(["failure", "failure", "success"]),
    st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3", "", "2001"]),
    st.sampled_from(["Germany", "Germany", "germany", "France", "Japan"]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events some minutes apart, often in the same second; some of a directory's people, some at a cut address."""
    after = timedelta()
    events = []
    # Short ones are easy to read when they fail; in long ones windows end.
    drawn = draw(st.lists(moves, max_size=10) | st.lists(moves, min_size=20, max_size=40))
    for number, (minutes, account, outcome, ip, country) in enumerate(drawn):
        after += minutes * MINUTE
        who = {"account": account, "known": account == "ben"}
        events.append(event(number, after, outcome, **who, ip=ip, ip_partial=ip == "2001", country=country))
    return events


@dataclass(frozen=True)
class Spared:
    """A rule's `only` and `except`, and the plainest way to say what they mean."""

    only: Selection | None
    exemptions: tuple[Exemption, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """What the rule says of it."""
        return {"only": self.only, "exemptions": self.exemptions, "zone": CHATHAM}

    def wanted(self, event: Event) -> bool:
        """Whether a finding may begin at an event."""
        return self.only is None or self.only.test(event)

    def exempt(self, event: Event) -> bool:
        """Whether an event neither counts nor fires."""
        day = from_us(event.at_us, CHATHAM).date()
        return any(one.match.test(event) and day <= (one.until or date.max) for one in self.exemptions)

    def fires(self, event: Event) -> bool:
        """Whether a pattern that judges each match by itself may fire at an event."""
        return self.wanted(event) and not self.exempt(event)

    def counted(self, events: list[Event]) -> list[Event]:
        """The events that are not exempt."""
        return [event for event in events if not self.exempt(event)]


spared = st.builds(
    Spared,
    st.sampled_from([None, GERMAN]),
    st.sampled_from([
        (),
        (),
        (Exemption(OLD_VPN, "the old VPN", None),),
        (Exemption(OLD_VPN, "the old VPN, until it was gone", date(2026, 1, 15)),),
        (Exemption(selection(account="ben"), "a test", date(2026, 1, 15)), Exemption(OLD_VPN, "the old VPN", None)),
    ]),
)  # fmt: skip


def text(value: object) -> str | None:
    """A field's value as key and as value that is counted: text, whatever its case."""
    return str(value).lower() if value else None
