"""Calendars: hours with holidays that rules share by name."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from alertbot.engine import Engine
from alertbot.errors import RulesError
from alertbot.moments import to_us
from alertbot.rules.load import load_rules
from alertbot.rules.model import Calendar, Hours, Window
from tests.rules.build import event, write

RULE = "title: x\ndetection: {a: {outcome: failure}}\nhours: {calendar: berlin}\n"
BERLIN = """
berlin:
  zone: Europe/Berlin
  hours: Mon-Fri 07:00-20:00
  holidays: DE/BE
  not_holidays: [2026-03-08]
  closed: [2026-12-24]
"""


def test_a_rule_has_the_hours_and_the_zone_of_its_calendar(tmp_path):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "calendars.yml", BERLIN)
    (rule,) = load_rules([tmp_path]).rules
    zone = ZoneInfo("Europe/Berlin")
    hours = (Window(frozenset(range(5)), 420, 1200),)
    days = frozenset({date(2026, 3, 8)}), frozenset({date(2026, 12, 24)})
    assert rule.pattern == Hours(Calendar("berlin", zone, hours, "DE/BE", *days))
    assert rule.zone == zone


@pytest.mark.parametrize(
    ("moment", "fires"),
    [
        (datetime(2026, 1, 15, 8, 0), False),
        (datetime(2026, 1, 15, 6, 59), True),
        (datetime(2026, 5, 1, 8, 0), True),  # a holiday
        (datetime(2026, 12, 24, 8, 0), True),  # closed
        (datetime(2027, 3, 8, 8, 0), True),  # Berlin's own holiday
    ],
)
def test_holidays_and_closed_days_have_no_hours(tmp_path, moment, fires):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "calendars.yml", BERLIN)
    one = event(at_us=to_us(moment.replace(tzinfo=ZoneInfo("Europe/Berlin"))))
    assert bool(Engine(load_rules([tmp_path]).rules, "main", ZoneInfo("UTC")).fold_all([one])) is fires


def test_what_a_calendar_holds_makes_the_version_of_its_rules_and_its_name_does_not(tmp_path):
    def version(calendar: str, name: str = "berlin") -> str:
        write(tmp_path, "a.yml", RULE.replace("berlin", name))
        write(tmp_path, "calendars.yml", calendar)
        return load_rules([tmp_path]).rules[0].version

    first = version(BERLIN)
    assert version(BERLIN.replace("berlin:", "office:"), "office") == first
    changes = [("DE/BE", "DE/BY"), ("07:00", "08:00"), ("2026-12-24", "2026-12-31"), ("Europe/Berlin", "Europe/Vienna")]
    assert len({first, *(version(BERLIN.replace(*change)) for change in changes)}) == 5


@pytest.mark.parametrize(
    ("calendar", "expected"),
    [
        ("[x]\n", "calendars.yml:1:1: must be calendars by name"),
        ("berlin: {}\n", "calendars.yml:1:1: berlin.hours: is missing"),
        ("berlin: {hours: 7-20}\n", "calendars.yml:1:17: berlin.hours: must be days and hours"),
        ("berlin: {hours: 07:00-20:00, holiday: DE}\n", "berlin.holiday: unknown key; did you mean `holidays`?"),
        (
            "berlin: {hours: 07:00-20:00, holidays: Germany}\n",
            "berlin.holidays: must be a country's code, with a region if need be, like DE or DE/BE",
        ),
        (
            "berlin: {hours: 07:00-20:00, holidays: XX}\n",
            "a.yml:3:19: hours.calendar: berlin: nobody knows the holidays of 'XX'",
        ),
        ("berlin: {hours: 07:00-20:00, holidays: DE/XX}\n", "hours.calendar: berlin: DE has no region 'XX'; there are BB, BE"),
        ("berlin: {hours: 07:00-20:00, zone: Europe/Berlim}\n", "berlin.zone: unknown time zone"),
        ("berlim: {hours: 07:00-20:00}\n", "hours.calendar: there is no calendar 'berlin'; did you mean 'berlim'?"),
        ("", "hours.calendar: there is no calendar 'berlin'; calendars stand in calendars.yml"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said_at_its_place(tmp_path, calendar, expected):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "calendars.yml", calendar)
    with pytest.raises(RulesError) as raised:
        load_rules([tmp_path])
    assert any(expected in str(one) for one in raised.value.mistakes), raised.value


def test_a_broken_calendar_is_one_mistake_and_not_one_for_each_rule_that_names_it(tmp_path):
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "calendars.yml", "berlin: {zone: Europe/Berlin}\n")
    with pytest.raises(RulesError) as raised:
        load_rules([tmp_path])
    assert [one.message for one in raised.value.mistakes] == ["berlin.hours: is missing"]
