"""ElastAlert2's own rule classes on the same events in the same process: `python -m benchmarks.elastalert [--events N]`.

Needs `pip install 'alertbot[bench]'`; no Elasticsearch: the rule classes take lists of dicts. What Elasticsearch would do for
them (decoding, filters, the terms known before) is done beforehand and not counted; alertbot's figure holds its decoding.

ElastAlert's runs are five minutes apart. Where it has no such rule, one that does less stands in: for `guessed` a frequency of
failures, for `travel` a change of country. Its `change` puts all that it holds into a log line at every event, whether anybody
reads it or not: it gets a tenth of the events, with fewer keys than it would hold, and a figure without it is given too.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from elastalert.ruletypes import (
    AnyRule,
    BlacklistRule,
    CardinalityRule,
    ChangeRule,
    FrequencyRule,
    NewTermsRule,
    RuleType,
)

from alertbot.engine import Engine
from alertbot.event import Event, id_of
from alertbot.finding import Finding
from alertbot.moments import from_us
from alertbot.rules.load import load_rules
from alertbot.rules.model import Rule
from benchmarks.engine import RULES, decoded, ten_rules
from benchmarks.events import PORTAL, bodies
from benchmarks.measure import Report, fastest_prepared

logging.getLogger("elastalert").setLevel(logging.WARNING)

RUN_EVERY = timedelta(minutes=5)
SLICE = 30_000
_MINUTE = timedelta(minutes=1)
_FAR_US = 1 << 62
Hit = dict[str, Any]


class KnownTerms(NewTermsRule):
    """`new_term` that is told which terms there were, where it would ask Elasticsearch."""

    def get_all_terms(self, args: object) -> None:
        self.seen_values = {tuple(given): list(self.rules["known"]) for given in self.fields}


@dataclass
class Theirs:
    """One of ElastAlert's rules: its class, its options, and the events that its filter would choose.

    `slow`: one of its two slowest kinds. `share`: only one run in so many is measured, from the first on.
    """

    kind: type[RuleType]
    wants: Callable[[Event], bool]
    options: dict[str, Any]
    slow: bool = False
    share: int = 1
    runs: list[tuple[datetime, list[Event]]] = field(default_factory=list)

    def take(self, events: Iterable[Event]) -> None:
        """The events of each run."""
        for event in events:
            end = _run_end(event.at_us)
            if not self.runs or self.runs[-1][0] != end:
                self.runs.append((end, []))
            if self.wants(event):
                self.runs[-1][1].append(event)

    def hits(self) -> list[tuple[datetime, list[Hit]]]:
        """The runs as Elasticsearch answers them, made anew: a rule writes into them."""
        return [(end, [_hit(event) for event in events]) for end, events in self.runs]


def _failed(event: Event) -> bool:
    return event.outcome == "failure"


def _entered(event: Event) -> bool:
    return event.outcome == "success"


def _at_night(event: Event) -> bool:
    return _entered(event) and not 5 <= from_us(event.at_us).hour < 23


def _run_end(at_us: int) -> datetime:
    moment = from_us(at_us)
    return moment - (moment - datetime.min.replace(tzinfo=UTC)) % RUN_EVERY + RUN_EVERY


def _hit(event: Event) -> Hit:
    return {
        "@timestamp": from_us(event.at_us),
        "id": event.id,
        "account": event.account,
        "ip": event.ip,
        "country_code": event.country_code,
        "browser": event.browser,
        "platform": event.platform,
    }


def theirs(known: Iterable[Event] = ()) -> dict[str, Theirs]:
    """The ten rules in ElastAlert's terms; `known` came before."""
    countries: set[tuple[str | None, ...]] = set()
    devices: set[tuple[str | None, ...]] = set()
    for event in filter(_entered, known):
        countries.add((event.account, event.country_code))
        devices.add((event.account, event.browser, event.platform))
    listed = {"compare_key": "country_code", "blacklist": ["RU", "IR", "KP", "CN"]}
    moved = {"compound_compare_key": ["country_code"], "ignore_null": True, "timeframe": timedelta(hours=22)}
    country = {"fields": [["account", "country_code"]], "known": countries}
    device = {"fields": [["account", "browser", "platform"]], "known": devices}
    return {
        "account-failures": Theirs(FrequencyRule, _failed, _frequency("account", 5, 10)),
        "address-failures": Theirs(FrequencyRule, _failed, _frequency("ip", 20, 10)),
        "spray": Theirs(CardinalityRule, _failed, _cardinality("ip", "account", 9, 10), slow=True),
        "many-addresses": Theirs(CardinalityRule, _entered, _cardinality("account", "ip", 4, 60), slow=True),
        "guessed": Theirs(FrequencyRule, _failed, _frequency("account", 5, 30)),
        "new-country": Theirs(KnownTerms, _entered, country, slow=True),
        "new-device": Theirs(KnownTerms, _entered, device, slow=True),
        "country-list": Theirs(BlacklistRule, _entered, listed),
        "night": Theirs(AnyRule, _at_night, {}),
        "travel": Theirs(ChangeRule, _entered, {"query_key": "account", **moved}, share=10),
    }


def _frequency(key: str, count: int, minutes: int) -> dict[str, Any]:
    return {"query_key": key, "num_events": count, "timeframe": minutes * _MINUTE}


def _cardinality(key: str, of: str, most: int, minutes: int) -> dict[str, Any]:
    return {"query_key": key, "cardinality_field": of, "max_cardinality": most, "timeframe": minutes * _MINUTE}


def run(rule: Theirs, hits: list[tuple[datetime, list[Hit]]]) -> list[Hit]:
    """What ElastAlert does with a rule, run after run; its matches."""
    one = rule.kind({"timestamp_field": "@timestamp", **rule.options})
    matches: list[Hit] = []
    for end, found in hits:
        if found:
            one.add_data(found)
        one.garbage_collect(end)
        matches += one.matches
        one.matches = []
    return matches


# -- speed -------------------------------------------------------------------------------------------------------------


def speed(report: Report, stored: Sequence[bytes], rounds: int) -> None:
    """Ten rules each, and those that ElastAlert is quicker at; both know what came before."""
    before, now = stored[:-SLICE], stored[-SLICE:]
    rules = theirs(decoded(before))
    for one in rules.values():
        one.take(decoded(now))
    sets = {
        "all ten": list(rules),
        "six, without cardinality and new_term": [name for name, one in rules.items() if not one.slow],
        "five, without change too": [name for name, one in rules.items() if not one.slow and one.share == 1],
    }
    folds = {what: (partial(_primed, names, before), partial(_fold, now)) for what, names in sets.items()}
    runs = {name: (partial(_part, one), partial(run, one)) for name, one in rules.items()}
    took = fastest_prepared({**folds, **runs}, rounds)
    report.say(f"{len(now):,} events after {len(before):,} that both know of; alertbot decodes too")
    for name, one in rules.items():
        took[name] *= one.share
        report.figure(f"elastalert, {name} ({one.kind.__name__})", took[name] / len(now) * 1e6, "µs an event")
    for what, names in sets.items():
        others = sum(took[name] for name in names)
        report.figure(f"alertbot, {what}", len(now) / took[what], "events a second")
        report.figure(f"elastalert, {what}", len(now) / others, "events a second")
        least = {"all ten": 30, "six, without cardinality and new_term": 9}.get(what)
        report.figure(f"alertbot is faster, {what}", others / took[what], "times", least=least)


def _part(one: Theirs) -> list[tuple[datetime, list[Hit]]]:
    hits = one.hits()
    return hits[: len(hits) // one.share]


def _primed(names: Sequence[str], before: Sequence[bytes]) -> Engine:
    engine = Engine([rule for rule in ten_rules() if rule.name in names], PORTAL, UTC)
    engine.load(decoded(before), _FAR_US)
    return engine


def _fold(now: Sequence[bytes], engine: Engine) -> None:
    engine.load(decoded(now), _FAR_US)


# -- the same matches --------------------------------------------------------------------------------------------------


def same_matches(report: Report, stored: Sequence[bytes]) -> None:
    """Where both define the same rule they must find the same; both begin with nothing."""
    events = list(decoded(stored))
    rules = {rule.name: rule for rule in load_rules([RULES / "elastalert.yml"]).rules}
    report.say(f"The same matches on {len(events):,} events, where both define the same")
    for name, one in theirs().items():
        if name not in rules:
            continue
        one.take(events)
        found = Engine([rules[name]], PORTAL, UTC).fold_all(events)
        matches = run(one, one.hits())
        compare = {FrequencyRule: _first_of_each_row, CardinalityRule: _first_and_how_many}.get(one.kind, _every_one)
        ours, others = compare(rules[name], found, matches, [event for event in events if one.wants(event)])
        if ours != others:
            sys.exit(f"{name}: {sum(((ours - others) + (others - ours)).values())} matches differ")
        report.say(f"  {name:<17}{len(found):>7,} findings, {len(matches):>6,} matches; equal: {compare.__doc__}")


Compared = tuple[Counter[object], Counter[object]]


def _every_one(_: Rule, found: list[Finding], matches: list[Hit], __: list[Event]) -> Compared:
    """every single one"""
    return Counter(id_of(f.firing) for f in found), Counter(match["id"] for match in matches)


def _first_and_how_many(rule: Rule, found: list[Finding], matches: list[Hit], _: list[Event]) -> Compared:
    """their matches are our firings and extensions, key by key"""
    ours: Counter[object] = Counter()
    for one in found:
        ours[one.key[0].lower()] += 1 + one.count - len(one.events)
    return ours, Counter(match[rule.by[0]].lower() for match in matches)


def _first_of_each_row(rule: Rule, found: list[Finding], matches: list[Hit], events: list[Event]) -> Compared:
    """the first of each row (then theirs begins anew, ours goes on)"""
    rows = dict(_rows(rule, events))
    return _first_in(rows, [id_of(f.firing) for f in found]), _first_in(rows, [match["id"] for match in matches])


def _rows(rule: Rule, events: list[Event]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Event → the row that it belongs to: its key and the number of the row."""
    within_us = rule.pattern.within // timedelta(microseconds=1)  # type: ignore[union-attr]  # these rules have windows
    last: dict[str, tuple[int, int]] = {}
    for event in events:
        key = str(getattr(event, rule.by[0]))
        at_us, row = last.get(key, (-_FAR_US, 0))
        row += event.at_us - at_us > within_us
        last[key] = (event.at_us, row)
        yield event.id, (key, row)


def _first_in(rows: dict[int, tuple[str, int]], ids: list[int]) -> Counter[object]:
    first: dict[tuple[str, int], int] = {}
    for one in sorted(ids):
        first.setdefault(rows[one], one)
    return Counter(first.values())


def main() -> None:
    """Measure, and compare what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="how many there are; the last 30,000 are measured")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    stored = bodies(given.events, days=max(given.events * 30 // 1_000_000, 1))
    report = Report()
    same_matches(report, stored[-SLICE:])
    speed(report, stored, given.rounds)
    report.end()


if __name__ == "__main__":
    main()
