"""Hours of a week as people write them."""

from __future__ import annotations

import re

import pytest

from alertbot.rules.hours import PATTERN, parse_window
from alertbot.rules.model import Window

EVERY_DAY = {0, 1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("07:00-20:00", EVERY_DAY, 420, 1200),
        ("7:00-20:00", EVERY_DAY, 420, 1200),
        ("07:59-23:59", EVERY_DAY, 479, 1439),
        ("Mon-Fri 07:00-20:00", {0, 1, 2, 3, 4}, 420, 1200),
        ("Mon-Thu,Sat 22:00-06:00", {0, 1, 2, 3, 5}, 1320, 360),
        ("Sat-Mon 00:00-24:00", {5, 6, 0}, 0, 1440),
        ("sun 18:30-24:00", {6}, 1110, 1440),
        ("Wed 22:00-00:00", {2}, 1320, 0),
        ("Mon,Mon 01:00-02:00", {0}, 60, 120),
    ],
)
def test_a_window_is_days_and_hours(text, days, start, end):
    assert parse_window(text) == Window(frozenset(days), start, end)
    assert re.fullmatch(PATTERN, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be days and hours, like Mon-Fri 07:00-20:00"),
        ("Mon-Fri", "must be days and hours"),
        ("07:00", "must be days and hours"),
        ("07:00-20:00-22:00", "must be days and hours"),
        ("Moo 07:00-20:00", "unknown day 'Moo'; did you mean Mon?"),
        ("Mon- 07:00-20:00", "unknown day ''"),
        ("Montag 07:00-20:00", "unknown day 'Montag'; did you mean Mon?"),
        ("10:00-10:00", "starts and ends at the same minute; a whole day is 00:00-24:00"),
        ("24:00-06:00", "must not start at 24:00"),
        ("07:60-20:00", "07:60 is no time of day"),
        ("07:00-24:01", "24:01 is no time of day"),
        ("07:00-25:00", "25:00 is no time of day"),
    ],
)
def test_what_is_no_window_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_window(text)
