"""What a reader has to tell, kept until it is stored: each thing once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from alertbot.portal import notes
from alertbot.portal.notes import Note
from alertbot.rows import Complaint

_MOST_COMPLAINTS = 1_000


class Notebook:
    """The notes of one reader. `max_skew` is how far the portal's clock may be off; None: as far as it likes."""

    def __init__(self, portal: str, max_skew: timedelta | None) -> None:
        self._portal = portal
        self._max_skew = max_skew
        self._notes: list[Note] = []
        self._is_skewed = False
        self._complained: set[str] = set()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is to be told."""
        return tuple(self._notes)

    def stored(self, told: Iterable[Note]) -> None:
        """These were stored."""
        gone = set(told)
        self._notes = [note for note in self._notes if note not in gone]

    def add(self, note: Note) -> None:
        """Keep a note; one about the same thing is replaced."""
        about = note.kind, note.text if note.start_us is None else note.start_us
        others = [n for n in self._notes if (n.kind, n.text if n.start_us is None else n.start_us) != about]
        self._notes = [*others, note]

    def look_at_clock(self, skew: timedelta | None) -> None:
        """A clock that is too far from ours is told when that begins."""
        is_skewed = skew is not None and self._max_skew is not None and abs(skew) > self._max_skew
        if is_skewed and not self._is_skewed and skew is not None:
            self.add(notes.skewed(self._portal, skew))
        self._is_skewed = is_skewed

    def complain(self, complaints: Iterable[Complaint]) -> None:
        """Rows that could not be understood, each once."""
        for complaint in complaints:
            key = complaint.text if complaint.id is None else str(complaint.id)
            if key not in self._complained and len(self._complained) < _MOST_COMPLAINTS:
                self._complained.add(key)
                self.add(notes.bad_row(self._portal, complaint))
