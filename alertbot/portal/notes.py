"""What a reader has to tell beside events: gaps, a plan that shows too little, a clock that is off, rows that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from alertbot.event import Feed
from alertbot.moments import iso
from alertbot.rows import Complaint


class NoteKind(StrEnum):
    """What a note is about. The names are stable."""

    NO_PLAN = "no_plan"
    PLAN_BACK = "plan_back"
    GAP = "gap"
    SKEW = "skew"
    BAD_ROW = "bad_row"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that people should know: a sentence and its feed; of a gap start and end, of a skew how far it is ahead."""

    kind: NoteKind
    text: str
    start_us: int | None = None
    end_us: int | None = None
    skew: timedelta | None = None
    feed: Feed = "login"

    def __str__(self) -> str:
        return self.text


def no_plan(portal: str, feed: Feed) -> Note:
    """Only the newest 20 events are shown."""
    text = (
        f"The portal {portal} has a plan without the audit service and shows the newest 20 events of its {HISTORIES[feed]} "
        "only: it is asked more often, and what comes faster is lost. A paid plan shows all."
    )
    return Note(NoteKind.NO_PLAN, text, feed=feed)


def plan_back(portal: str, feed: Feed) -> Note:
    """The whole history is shown again."""
    return Note(NoteKind.PLAN_BACK, f"The portal {portal} shows its whole {HISTORIES[feed]} again.", feed=feed)


HISTORIES: Mapping[Feed, str] = {"login": "login history", "audit": "audit trail"}
"""What people call the feeds."""


def passed_by(portal: str, feed: Feed, start_us: int, end_us: int) -> Note:
    """More events than `/last` shows came between two looks."""
    text = (
        f"The {HISTORIES[feed]} of the portal {portal} had more events from {iso(start_us)} to {iso(end_us)} than the newest "
        "20 that its plan shows; those between were not seen."
    )
    return Note(NoteKind.GAP, text, start_us, end_us, feed=feed)


def deleted(portal: str, feed: Feed, start_us: int, end_us: int) -> Note:
    """The portal's history does not reach back to what was read last."""
    span = f"from {iso(start_us)} to {iso(end_us)}"
    text = f"The portal {portal} has deleted its {HISTORIES[feed]} {span} before it could be read."
    return Note(NoteKind.GAP, text, start_us, end_us, feed=feed)


def crowded(portal: str, feed: Feed, start_us: int, end_us: int) -> Note:
    """A second of so many rows that some may have been missed."""
    where = f"The {HISTORIES[feed]} of the portal {portal}"
    text = f"{where} has more events in the second {iso(start_us)} than a page holds; some of them may be missing."
    return Note(NoteKind.GAP, text, start_us, end_us, feed=feed)


def skewed(portal: str, skew: timedelta) -> Note:
    """The portal's clock and ours are too far apart."""
    where = "ahead of" if skew > timedelta() else "behind"
    text = f"The clock of the portal {portal} is {abs(skew).total_seconds():.0f} s {where} ours: one of them is wrong."
    return Note(NoteKind.SKEW, text, skew=skew)


def bad_row(portal: str, complaint: Complaint) -> Note:
    """A row that could not be understood."""
    which = "A row" if complaint.id is None else f"Row {complaint.id}"
    return Note(NoteKind.BAD_ROW, f"{which} of the portal {portal} cannot be understood: {complaint.text}.")
