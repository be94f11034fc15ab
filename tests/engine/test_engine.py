"""However polls cut the history, whatever comes late, whenever the bot restarts or a commit fails: findings are one pass's."""

from __future__ import annotations

from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Difference, Engine
from alertbot.event import Event
from alertbot.finding import Finding
from alertbot.rules.model import Burst, Distinct, Each, FirstSeen, Rule, Sequence_, Step
from tests.engine.build import ANY, FAILED, MINUTE, SUCCEEDED, event, rule

RULES: list[Rule] = [
    rule(Each(), SUCCEEDED, name="each"),
    rule(Burst(3, 10 * MINUTE), name="burst"),
    rule(Burst(4, 7 * MINUTE), name="by-portal", by=("portal",)),
    rule(Distinct(("account",), 2, 9 * MINUTE), name="spray", by=("ip",)),
    rule(Sequence_(20 * MINUTE, (Step(2, FAILED), Step(1, SUCCEEDED))), None, name="taken"),
    rule(Sequence_(60 * MINUTE, (Step(1, rule="burst"), Step(1, SUCCEEDED))), None, name="burst-then-success"),
    rule(FirstSeen((("ip",),), 40 * MINUTE, 15 * MINUTE), ANY, name="new-ip"),
]

moves = st.tuples(
    st.integers(0, 15),
    st.sampled_from(["anna", "ben"]),
    st.sampled_from(["failure", "failure", "success"]),
    st.sampled_from("12"),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    after = timedelta()
    events = []
    for number, (minutes, account, outcome, ip) in enumerate(draw(st.lists(moves, min_size=1, max_size=60))):
        after += minutes * MINUTE
        events.append(event(number, after, outcome, account=account, ip=f"198.51.100.{ip}"))
    return events


class Bot:
    """What the service does with an engine, with dicts for a store."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.findings: dict[str, Finding] = {}
        self.engine = self.started()

    def started(self) -> Engine:
        engine = Engine(RULES, "test", UTC)
        stored = sorted(self.events.values(), key=lambda e: e.order)
        meanwhile = stored[-2:]
        for cut in range(0, len(stored) - 2, 7):
            engine.load(stored[: len(stored) - 2][cut : cut + 7])
        self.take(engine.resume(meanwhile, self.findings.values()))
        engine.accept()
        return engine

    def restart(self) -> None:
        self.engine = self.started()

    def poll(self, new: list[Event], *, fails: bool) -> None:
        difference = self.engine.propose(new)
        if fails:
            self.engine.drop()
            difference = self.engine.propose(new)
        self.events.update({e.id: e for e in new})
        self.take(difference)
        self.engine.accept()
        if difference.deep:
            self.restart()

    def take(self, difference: Difference) -> None:
        for found in difference.changed:
            self.findings[found.id] = found
        for gone in difference.gone:
            del self.findings[gone]


@settings(max_examples=150)
@given(histories(), st.data())
def test_any_cut_any_order_any_restart_gives_the_findings_of_one_pass(events: list[Event], data: st.DataObject) -> None:
    expected = Engine(RULES, "test", UTC).fold_all(events)
    delays = data.draw(st.lists(st.integers(0, 3), min_size=len(events), max_size=len(events)))
    arriving = [e for _, e in sorted(enumerate(events), key=lambda pair: pair[0] + 7 * delays[pair[0]])]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(events)), max_size=12)) | {len(events)})
    bot = Bot()
    start = 0
    for cut in cuts:
        bot.poll(arriving[start:cut], fails=data.draw(st.booleans()))
        if data.draw(st.integers(0, 3)) == 0:
            bot.restart()
        start = cut
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
