"""What comes to an end is warned of a week ahead, and after it."""

from __future__ import annotations

from datetime import date

import pytest

from alertbot.rules.expiry import expiring
from alertbot.rules.model import Expiry

TRIP = Expiry(date(2026, 2, 1), "rules/a.yml", 3, 40, "the exception (trip)")
PLACE = "rules/a.yml:3:40: warning: the exception (trip)"


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 1, 24), []),
        (date(2026, 1, 25), [f"{PLACE} stops to apply at the end of 2026-02-01"]),
        (date(2026, 2, 1), [f"{PLACE} stops to apply at the end of 2026-02-01"]),
        (
            date(2026, 2, 2),
            [f"{PLACE} has not applied since the end of 2026-02-01; take it out, or give it a new end"],
        ),
    ],
)
def test_an_end_is_told_of_a_week_ahead_and_after_it(today, expected):
    assert [str(one) for one in expiring([TRIP], today)] == expected
