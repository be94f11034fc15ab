"""However polls cut the history, whatever comes late, whenever the bot restarts or a commit fails: findings are one pass's."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alertbot.engine import Difference, Engine
from alertbot.engine.engine import SETTLE_AFTER
from alertbot.engine.table import MOST_KEYS
from alertbot.event import FEEDS, Event, Feed
from alertbot.finding import Finding
from alertbot.moments import span_us, to_us
from alertbot.rules.hours import parse_window
from alertbot.rules.model import (
    Absence,
    Burst,
    Calendar,
    Distinct,
    Dormant,
    Each,
    Exemption,
    FirstSeen,
    Hours,
    LearnedHours,
    Rule,
    Selection,
    Sequence_,
    Source,
    Spike,
    Step,
    Temporal,
    Travel,
)
from tests.engine.build import ANY, FAILED, MINUTE, START, SUCCEEDED, event, rule, selection

OFFICE = Calendar("office", None, (parse_window("Mon-Fri 08:00-18:30"),))
OLD_VPN = Exemption(selection(ip="198.51.100.1"), "the old VPN", date(2026, 1, 15))
TESTS = Exemption(selection(account="ben", outcome="failure"), "a test of the monitoring", None)
GAPS = {
    "login": [(to_us(START + a * MINUTE), to_us(START + b * MINUTE)) for a, b in ((40, 70), (200, 1_000), (5_000, 5_001))],
    "audit": [(to_us(START + 60 * MINUTE), to_us(START + 90 * MINUTE))],
}
AUDIT, BOTH = frozenset({"audit"}), frozenset({"login", "audit"})
PLACES = {"1": (52.52, 13.41), "2": (35.69, 139.69)}

HEARD = (Source("heard", ("account",)), Source("burst-heard", ("account",)), Source("each", ("login",)))

RULES: list[Rule] = [
    rule(Each(), SUCCEEDED, name="each"),
    rule(Burst(3, 10 * MINUTE), name="burst"),
    rule(Burst(4, 7 * MINUTE), name="by-portal", by=("portal",)),
    rule(Distinct(("account",), 2, 9 * MINUTE), name="spray", by=("ip",)),
    rule(Sequence_(20 * MINUTE, (Step(2, FAILED), Step(1, SUCCEEDED))), None, name="taken"),
    rule(Sequence_(60 * MINUTE, (Step(1, rule="burst"), Step(1, SUCCEEDED))), None, name="burst-then-success"),
    rule(FirstSeen((("ip",),), 40 * MINUTE, 15 * MINUTE), ANY, name="new-ip"),
    rule(
        FirstSeen((("ip",), ("account",)), 90 * MINUTE, 0 * MINUTE), ANY, name="both-new", by=("portal",), exemptions=(TESTS,)
    ),
    rule(Hours(OFFICE), SUCCEEDED, name="night", exemptions=(OLD_VPN,)),
    rule(LearnedHours(timedelta(days=14), None), ANY, name="unusual", exemptions=(TESTS,)),
    rule(Travel(900.0, 500.0, None), ANY, name="travel"),
    rule(Travel(900.0, 500.0, 60 * MINUTE), ANY, name="travel-home", exemptions=(OLD_VPN,)),
    rule(Spike(6 * MINUTE, 1.5, 30 * MINUTE, 2), ANY, name="spike"),
    rule(Spike(20 * MINUTE, 2.0, 60 * MINUTE, 3), name="portal-spike", by=("portal",), exemptions=(TESTS,)),
    rule(Dormant(20 * MINUTE, 100 * MINUTE), ANY, name="dormant", exemptions=(TESTS,)),
    rule(Absence(13 * MINUTE, None), name="silence", by=("portal",)),
    rule(Absence(9 * MINUTE, None), ANY, name="nobody", only=SUCCEEDED, exemptions=(OLD_VPN,)),
    rule(Absence(50 * MINUTE, OFFICE), SUCCEEDED, name="office-silence", by=("portal",)),
    rule(Each(), name="heard", heard_only=True),
    rule(Burst(2, 5 * MINUTE), name="burst-heard", heard_only=True),
    rule(Burst(2, 20 * MINUTE, 3), None, name="two-or-three", by=("who",), sources=HEARD),
    rule(Burst(3, 20 * MINUTE), None, name="three", by=("portal",), sources=(Source("heard", ("portal",)),)),
    rule(Distinct(("ip",), 2, 20 * MINUTE), None, name="addresses", by=("who",), sources=HEARD),
    rule(Temporal(2, 15 * MINUTE), None, name="both", by=("who",), sources=HEARD, exemptions=(OLD_VPN,)),
    rule(Burst(2, 30 * MINUTE), ANY, name="busy", feeds=AUDIT),
    rule(FirstSeen((("ip",),), 40 * MINUTE, 0 * MINUTE), ANY, name="new-ip-anywhere", feeds=BOTH),
    rule(Sequence_(60 * MINUTE, (Step(1, rule="new-ip"), Step(1, ANY))), None, name="entered-then-acted", feeds=AUDIT),
    rule(Absence(20 * MINUTE, None), ANY, name="no-action", feeds=AUDIT),
    rule(Absence(30 * MINUTE, None), ANY, name="nothing-at-all", by=("portal",), feeds=BOTH),
    rule(Burst(2, 12 * MINUTE), ANY, name="burst-of-ben", only=selection(account="ben"), by=("ip",), exemptions=(OLD_VPN,)),
]

LISTENERS = {"burst", "new-ip", "heard", "burst-heard", "each"}
INDEPENDENT = [r for r in RULES if not (r.needs or r.sources or r.name in LISTENERS or isinstance(r.pattern, Absence))] + [
    rule(Burst(3, 10 * MINUTE), name="own-burst"),
    rule(Burst(4, 30 * MINUTE), name="with-it"),
    rule(Distinct(("ip",), 2, 30 * MINUTE), ANY, name="own-addresses"),
    rule(FirstSeen((("ip",),), 40 * MINUTE, 15 * MINUTE), ANY, name="own-new-ip"),
    rule(FirstSeen((("ip",),), 10 * MINUTE, 0 * MINUTE), ANY, name="pair", by=("account", "outcome")),
    rule(Each(), SUCCEEDED, name="own-each"),
]
"""Rules of which a late event is judged anew with its keys alone."""

OUTCOMES = ["failure", "failure", "success"]
moves = st.tuples(
    st.integers(0, 15),
    st.sampled_from(["anna", "anna", "ben", "ben", "eve", "zoe"]),
    st.sampled_from(OUTCOMES),
    st.sampled_from("123"),
)


@st.composite
def long_ones(draw: st.DrawFn) -> list[tuple[int, str, str, str]]:
    """More moves than are drawn one by one: what is learned needs days."""
    chance = draw(st.randoms(use_true_random=False))
    return [
        (
            chance.choice([0, 1, 2, 4, 10]),
            chance.choice(["anna", "anna", "ben", "ben", "eve"]),
            chance.choice(OUTCOMES),
            chance.choice("1123"),
        )
        for _ in range(draw(st.integers(60, 200)))
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events some minutes apart, or some hours."""
    pace = draw(st.sampled_from([MINUTE, MINUTE, 150 * MINUTE]))
    after = timedelta()
    events = []
    for number, (steps, account, outcome, ip) in enumerate(draw(st.lists(moves, min_size=1, max_size=60) | long_ones())):
        after += steps * pace
        known = account == "anna"
        place = PLACES.get(ip)
        events.append(event(number, after, outcome, account=account, ip=f"198.51.100.{ip}", known=known, geo=place))
    return events


class Bot:
    """What the service does with an engine, with dicts for a store."""

    def __init__(self, rules: list[Rule] = RULES, most_keys: int = MOST_KEYS) -> None:
        self.rules = rules
        self.most_keys = most_keys
        self.events: dict[int, Event] = {}
        self.findings: dict[str, Finding] = {}
        self.engine = self.started()

    def started(self, since_us: int | None = None) -> Engine:
        engine = Engine(self.rules, "test", UTC, most_keys=self.most_keys, gaps=GAPS)
        stored = sorted(self.events.values(), key=lambda e: e.order)
        if since_us is not None:
            engine.begin(since_us)
        meanwhile = stored[-2:] if since_us is None else []  # at a start nobody has judged what comes meanwhile
        for cut in range(0, len(stored) - len(meanwhile), 7):
            engine.load(stored[: len(stored) - len(meanwhile)][cut : cut + 7])
        if len(stored) % 2:
            for _ in engine.fold_tail(3):
                pass
        difference = engine.resume(meanwhile, self.findings.values())
        self.take(difference)
        engine.accept()
        return self.started() if difference.deep else engine

    def restart(self, *, quick: bool = False) -> None:
        """`quick`: rules see of the past only what they remember; what was found before the tail stands."""
        since_us = max((e.at_us for e in self.events.values()), default=0) - span_us(SETTLE_AFTER)
        self.engine = self.started(since_us if quick and not self.engine.dropped else None)

    def poll(self, new: list[Event], *, fails: bool, now_us: dict[Feed, int]) -> None:
        difference = self.propose(new, now_us)
        if fails:
            self.engine.drop()
            difference = self.propose(new, now_us)
        self.events.update({e.id: e for e in new})
        self.take(difference)
        self.engine.accept()
        if difference.deep:
            self.restart()

    def propose(self, new: list[Event], now_us: dict[Feed, int]) -> Difference:
        for feed, moment_us in now_us.items():
            self.engine.advance_to(moment_us, feed)
        return self.engine.propose(new)

    def take(self, difference: Difference) -> None:
        for found in difference.changed:
            self.findings[found.id] = found
        for gone in difference.gone:
            del self.findings[gone]


@pytest.mark.parametrize("rules", [RULES, INDEPENDENT], ids=["some listen to others", "each by itself"])
@settings(max_examples=200)
@given(histories(), st.sampled_from([MOST_KEYS, MOST_KEYS, 8, 3]), st.data())
def test_any_cut_any_order_any_restart_gives_the_findings_of_one_pass(
    rules: list[Rule], events: list[Event], most_keys: int, data: st.DataObject
) -> None:
    """Of one feed or of both, each of which has a clock of its own."""
    actions = data.draw(st.sets(st.integers(0, len(events) - 1)))
    events = [replace(e, feed="audit", outcome=None) if n in actions else e for n, e in enumerate(events)]
    end_us = max(e.at_us for e in events) + data.draw(st.integers(0, 100)) * 60_000_000
    one_pass = Engine(rules, "test", UTC, most_keys=most_keys, gaps=GAPS)
    one_pass.advance_to(end_us)
    expected = one_pass.fold_all(events)
    delays = data.draw(st.lists(st.integers(0, 3), min_size=len(events), max_size=len(events)))
    arriving = [e for _, e in sorted(enumerate(events), key=lambda pair: pair[0] + 7 * delays[pair[0]])]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(events)), max_size=12)) | {len(events)})
    bot = Bot(rules, most_keys)
    start = 0
    for cut in cuts:
        newest_us = max(e.at_us for e in arriving[:cut])
        clocks = {feed: newest_us + data.draw(st.integers(-20, 40)) * 60_000_000 for feed in FEEDS}
        now_us = {feed: min(end_us, clock) for feed, clock in clocks.items()}
        bot.poll(arriving[start:cut], fails=data.draw(st.booleans()), now_us=now_us)
        restart = data.draw(st.sampled_from(["no", "no", "no", "whole", "quick"]))
        if restart != "no":
            bot.restart(quick=restart == "quick")
        start = cut
    bot.poll([], fails=False, now_us=dict.fromkeys(FEEDS, end_us))
    assert sorted(bot.findings.values(), key=lambda f: f.id) == sorted(expected, key=lambda f: f.id)


def test_an_extension_that_a_late_event_undoes_leaves_the_finding_as_it_was() -> None:
    only_burst = [rule(Burst(2, 10 * MINUTE), name="burst")]
    engine = Engine(only_burst, "test", UTC)
    first = engine.propose([event(1, 0 * MINUTE), event(2, 1 * MINUTE)])
    engine.accept()
    engine.propose([event(3, 200 * MINUTE)])
    engine.accept()
    late = engine.propose([event(4, 199 * MINUTE)])
    engine.accept()
    assert [f.count for f in first.changed] == [2]
    assert [(f.count, f.firing) for f in late.changed] == [(2, event(3, MINUTE).ref)]
    assert late.gone == ()


def test_an_event_before_the_mark_is_handed_back() -> None:
    engine = Engine(RULES, "test", UTC)
    engine.propose([event(n, n * MINUTE) for n in range(0, 600, 10)])
    engine.accept()
    old = event(9_999, 1 * MINUTE)
    assert engine.propose([old]).deep == (old,)


def test_the_tail_is_kept_short_but_never_shorter_than_lateness() -> None:
    engine = Engine(RULES, "test", UTC, lateness=timedelta(minutes=30), tail_events=10)
    engine.propose([event(n, n * MINUTE) for n in range(100)])
    engine.accept()
    assert engine.propose([event(500, 69 * MINUTE)]).deep == ()
    engine.drop()
    assert len(engine.propose([event(501, 68 * MINUTE - timedelta(seconds=1))]).deep) == 1


ATTACKS = [
    rule(Burst(3, 10 * MINUTE), name="burst"),
    rule(Burst(5, 12 * MINUTE), name="by-portal", by=("portal",)),
    rule(Distinct(("ip",), 2, 15 * MINUTE), name="addresses"),
]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["anna", "Anna", "ben"])), min_size=30, max_size=200), st.data())
def test_an_attack_whose_beginning_is_stored_no_more_goes_on_as_the_same_finding(
    steps: list[tuple[int, str]], data: st.DataObject
) -> None:
    after, events = timedelta(), []
    for number, (minutes, who) in enumerate(steps):
        after += minutes * MINUTE
        # Both are attacked all the time, so that the condition is never false.
        events += [
            event(2 * number + n, after, account=account, ip=f"198.51.100.{(number + n) % 3}")
            for n, account in enumerate((who, "ben" if who != "ben" else "anna"))
        ]
    expected = Engine(ATTACKS, "test", UTC).fold_all(events)
    assert len(expected) == 5
    engine = Engine(ATTACKS, "test", UTC)
    stored: dict[str, Finding] = {}
    read = 30
    kept = 0
    difference = engine.propose(events[:read])
    while True:
        assert difference.gone == ()
        engine.accept()
        stored.update({f.id: f for f in difference.changed})
        if read >= len(events):
            break
        step = data.draw(st.integers(1, 30))
        if data.draw(st.booleans()):
            # Retention goes by dates.
            kept = data.draw(st.integers(kept, read - 20))
            left = [e for e in events[:read] if e.at_us >= events[kept].at_us]
            engine = Engine(ATTACKS, "test", UTC)
            engine.load(left)
            difference = engine.resume(events[read : read + step], stored.values())
        else:
            difference = engine.propose(events[read : read + step])
        read += step
    assert sorted(stored.values(), key=lambda f: f.id) == sorted(expected, key=lambda f: f.id)


def test_an_attack_that_began_before_what_a_start_looks_at_is_cut_in_two_by_a_late_event() -> None:
    addresses = [(0, "1"), (0, "3"), (21, "1"), (42, "2"), (69, "1"), (89, "3")]
    attack = [event(n, at * MINUTE, "failure", ip=f"198.51.100.{ip}") for n, (at, ip) in enumerate(addresses)]
    now = event(10, 121 * MINUTE, "failure", account="ben")
    late = event(11, 79 * MINUTE, "failure", ip="198.51.100.1")  # the second to last address but one was 37 minutes ago
    rules = [rule(Distinct(("ip",), 2, 30 * MINUTE), name="addresses")]
    bot = Bot(rules)
    bot.poll([*attack, now], fails=False, now_us={})
    assert [f.count for f in bot.findings.values()] == [6]
    bot.restart(quick=True)
    bot.poll([late], fails=False, now_us={})
    expected = Engine(rules, "test", UTC).fold_all([*attack, now, late])
    assert sorted(bot.findings.values(), key=lambda f: f.at_us) == expected
    assert [f.count for f in expected] == [5, 2]


def test_a_late_event_within_an_adopted_finding_counts_once() -> None:
    rules = [rule(Burst(2, 10 * MINUTE))]
    events = [event(n, n * MINUTE) for n in range(20)]
    engine = Engine(rules, "test", UTC)
    (stored,) = engine.propose(events).changed
    again = Engine(rules, "test", UTC)
    again.load(events[10:])
    assert again.resume([], [stored]).changed == ()
    again.accept()
    (grown,) = again.propose([event(50, 10 * MINUTE + MINUTE / 2), event(51, 20 * MINUTE)]).changed
    assert (grown.id, grown.first_us, grown.count) == (stored.id, stored.first_us, 22)


def test_a_finding_whose_evidence_is_stored_no_more_is_final() -> None:
    rules = [rule(Burst(2, 10 * MINUTE)), rule(Absence(30 * MINUTE, None), name="silence")]
    events = [event(1, 0 * MINUTE), event(2, MINUTE), event(3, 100 * MINUTE)]
    engine = Engine(rules, "test", UTC)
    stored = engine.propose(events).changed
    assert {f.rule for f in stored} == {"rule", "silence"}
    for left in (events[1:], events[2:], []):
        again = Engine(rules, "test", UTC)
        again.load(left)
        difference = again.resume([], stored)
        assert (difference.gone, [f for f in difference.changed if f.id not in {s.id for s in stored}]) == ((), [])


def test_a_new_attack_after_the_stored_one_was_over_is_a_new_finding() -> None:
    rules = [rule(Burst(2, 10 * MINUTE))]
    old, new = [event(n, n * MINUTE) for n in range(5)], [event(n, n * MINUTE) for n in range(60, 65)]
    (stored,) = Engine(rules, "test", UTC).propose(old).changed
    again = Engine(rules, "test", UTC)
    again.load(new)
    (found,) = again.resume([], [stored]).changed
    assert found.id != stored.id


def test_a_start_shows_each_rule_of_the_past_only_what_it_remembers() -> None:
    seen: dict[str, list[int]] = {"night": [], "burst": [], "new-ip": [], "silence": []}

    def noting(name: str) -> Selection:
        return Selection(test=lambda e: seen[name].append(e.id) or True, fingerprint=name)  # type: ignore[func-returns-value]

    rules = [
        rule(Hours(OFFICE), noting("night"), name="night"),
        rule(Burst(3, 10 * MINUTE), noting("burst"), name="burst"),
        rule(FirstSeen((("ip",),), 40 * MINUTE, 15 * MINUTE), noting("new-ip"), name="new-ip"),
        rule(Absence(10 * MINUTE, None), noting("silence"), name="silence"),
    ]
    engine = Engine(rules, "test", UTC)
    engine.begin(to_us(START + 1_000 * MINUTE))
    engine.load([event(n, n * MINUTE) for n in range(1_200)], to_us(START + 1_200 * MINUTE))
    assert {name: min(numbers) for name, numbers in seen.items()} == {"night": 1_000, "burst": 980, "new-ip": 945, "silence": 0}


def test_an_attack_that_began_before_what_a_start_looks_at_goes_on_as_the_same_finding() -> None:
    attack = [event(n, n * MINUTE) for n in range(500)]
    engine = Engine(ATTACKS, "test", UTC)
    stored = {found.id: found for found in engine.propose(attack).changed}
    assert engine.propose([]).deep == ()
    engine.accept()
    again = Engine(ATTACKS, "test", UTC)
    again.begin(to_us(START + 380 * MINUTE))
    again.load(attack)
    assert again.resume([], stored.values()) == Difference((), (), ())
    again.accept()
    more = [event(n, n * MINUTE) for n in range(500, 510)]
    assert again.propose(more).changed == engine.propose(more).changed
