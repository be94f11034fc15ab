"""The rules that ship, judged on a month of an office's ordinary life."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from alertbot.backtest import backtest
from alertbot.event import id_of
from alertbot.identity import Directory, enrich
from alertbot.moments import span_us
from alertbot.portal.people import read_people_file
from alertbot.rows import read_events_file
from alertbot.rules.load import load_rules, shipped_rules
from alertbot.rules.model import LEVELS
from alertbot.sandbox.cast import BERLIN
from alertbot.sandbox.envelope import Dialect, row_json
from alertbot.sandbox.story import office


def test_on_ordinary_days_a_thousand_people_bring_at_most_one_finding_of_level_medium_or_higher(tmp_path: Path) -> None:
    story = office()
    played = {number for attack in story.expected for number in attack.events}
    rows = [row_json(row, BERLIN, Dialect()) for row in story.rows if row.id not in played and row.feed == "login"]
    (tmp_path / "logins.json").write_bytes(msgspec.json.encode(rows))
    (tmp_path / "people.json").write_bytes(msgspec.json.encode([member.row for member in story.people]))
    directory = Directory(read_people_file(tmp_path / "people.json"))
    events = [enrich(event, directory) for event in read_events_file(tmp_path / "logins.json", "main")]
    report = backtest(load_rules([shipped_rules()]).rules, events, lambda _: BERLIN)
    loud = [found for found in report.findings if LEVELS.index(report.level(found)) >= LEVELS.index("medium")]
    thousand_days = len(story.people) / 1_000 * (events[-1].at_us - events[0].at_us) / span_us(timedelta(days=1))
    assert len(events) > 1_500
    assert len(loud) <= thousand_days, [(found.rule, found.key, [id_of(ref) for ref in found.events]) for found in loud]
