"""The demo's office: a month of an office's logins, then a live attack, then ordinary life again.

In come a moment and a seed; out goes a `Story`: the directory, every row with the moment at which the portal shows it, and
the ground truth of what was played. It asks no clock: the same moment and seed give the same story to the byte.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alertbot.actions import AUDIT_ACTIONS
from alertbot.moments import to_us
from alertbot.sandbox.attack import Attack, Family, Scene, neighbours, scenes
from alertbot.sandbox.cast import BERLIN, colleagues
from alertbot.sandbox.intake import Member
from alertbot.sandbox.ledger import Row
from alertbot.sandbox.office import Draft, ordinary

__all__ = ["DEFAULT_END", "Attack", "Family", "Story", "office"]

DEFAULT_END = datetime(2026, 2, 24, 3, 4, tzinfo=BERLIN)
"""A Tuesday night: where the office is, no administrator works; in New York it is evening, in Singapore morning."""

MONTH = timedelta(days=30)
AFTERWARDS = timedelta(days=3)
LIVE = timedelta(seconds=25)
_FIRST_ID = 48_000


@dataclass(frozen=True, slots=True)
class Story:
    """What is played. `end` is where history ends and the live attack begins; rows are in the order of their ids."""

    zone: ZoneInfo
    end: datetime
    people: tuple[Member, ...]
    rows: tuple[Row, ...]
    expected: tuple[Attack, ...]

    @property
    def history(self) -> tuple[Row, ...]:
        """The rows that the portal shows at `end`."""
        return tuple(row for row in self.rows if row.appears_us <= to_us(self.end))

    @property
    def live(self) -> tuple[tuple[float, Row], ...]:
        """The rows of the live attack and what happens meanwhile, with the seconds after `end` at which each is shown."""
        end_us, until_us = to_us(self.end), to_us(self.end + LIVE)
        shown = [row for row in self.rows if end_us < row.appears_us <= until_us]
        shown.sort(key=lambda row: (row.appears_us, row.id))
        return tuple(((row.appears_us - end_us) / 1e6, row) for row in shown)


def office(end: datetime = DEFAULT_END, seed: int = 1) -> Story:
    """The story around a moment. Scenes end within `LIVE` of it; ordinary life goes on for days."""
    staff = colleagues()
    played = tuple(scenes(staff, end))
    life = [_committed(draft, end, seed) for draft in ordinary(staff, end - MONTH, end + AFTERWARDS, end, seed)]
    drafts = [*life, *neighbours(staff, end), *(draft for scene in played for draft in scene.drafts)]
    rows, ids = _numbered(drafts, seed)
    return Story(
        zone=BERLIN,
        end=end,
        people=tuple(person.member() for person in staff),
        rows=tuple(rows),
        expected=tuple(_true(scene, ids) for scene in played),
    )


def _true(scene: Scene, ids: dict[str, list[int]]) -> Attack:
    return replace(scene.attack, events=tuple(ids[scene.attack.name]))


def _committed(draft: Draft, end: datetime, seed: int) -> Draft:
    """Some rows come late: the queue before the table was slow, or another server committed first."""
    chance = random.Random(f"{seed}/{draft.at}/{draft.fields.get('user')}")  # noqa: S311  (a story, not a secret)
    if chance.random() > 0.02 or end - timedelta(minutes=5) < draft.at < end + LIVE:
        return draft
    lag = timedelta(seconds=chance.randint(1, 90))
    return replace(draft, queued=lag) if chance.random() < 0.7 else replace(draft, hidden=lag)


def _numbered(drafts: Iterable[Draft], seed: int) -> tuple[list[Row], dict[str, list[int]]]:
    """Rows with ids in the order in which they were put into the table, with gaps as on a host of many portals."""
    chance = random.Random(f"{seed}/ids")  # noqa: S311  (a story, not a secret)
    rows: list[Row] = []
    scenes_ids: dict[str, list[int]] = defaultdict(list)
    number = _FIRST_ID
    for draft in sorted(drafts, key=lambda draft: draft.at + draft.queued):
        number += chance.choice((1, 1, 1, 2, 5))
        rows.append(_row(number, draft))
        if draft.scene:
            scenes_ids[draft.scene].append(number)
    return rows, scenes_ids


def _row(number: int, draft: Draft) -> Row:
    at_us = to_us(draft.at)
    return Row(
        id=number,
        at_us=at_us - at_us % 1_000_000,
        appears_us=to_us(draft.at + draft.queued + draft.hidden),
        action_id=int(draft.action),
        user_id=draft.user_id,
        feed="audit" if draft.action in AUDIT_ACTIONS else "login",
        fields=draft.fields,
    )
