"""What the engine costs: `python -m benchmarks.engine [ten] [many] [keys] [late] [restart] [--events N] [--rounds N]`.

Every figure is a ratio of two things that this run measured on the same events, or a time that has a bound of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from alertbot.engine import Engine
from alertbot.engine.engine import SETTLE_AFTER
from alertbot.engine.plan import Plan
from alertbot.engine.state import Record
from alertbot.event import Event, id_of
from alertbot.moments import span_us
from alertbot.rules.load import load_rules
from alertbot.rules.model import Rule
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store
from benchmarks.by_hand import by_hand
from benchmarks.events import PORTAL, bodies, made_up
from benchmarks.measure import Report, cpu_seconds, fastest

RULES = Path(__file__).with_name("rules")
SLICE = 1_000
_DAY_US = 86_400_000_000
_decode = msgspec.json.Decoder(Event).decode


def decoded(stored: Iterable[bytes]) -> Iterable[Event]:
    """The events of stored bodies, one after another."""
    return map(_decode, stored)


def decode_alone(stored: Sequence[bytes]) -> Callable[[], object]:
    """Decoding, and nothing else."""

    def work() -> None:
        for _ in decoded(stored):
            pass

    return work


def fold(rules: Sequence[Rule], stored: Sequence[bytes]) -> Callable[[], object]:
    """Decoding and folding, as a backtest over the store does it."""
    return lambda: Engine(rules, PORTAL, UTC).fold_in_order(decoded(stored))


def ten_rules() -> tuple[Rule, ...]:
    """The ten of `rules/ten.yml`."""
    return load_rules([RULES / "ten.yml"]).rules


def ten(report: Report, stored: Sequence[bytes], rounds: int) -> None:
    """Ten rules against decoding alone, and against the same rules written by hand."""
    rules = ten_rules()
    by_hand_fired: list[tuple[str, int]] = []

    def hand() -> None:
        by_hand_fired.clear()
        step = by_hand(by_hand_fired)
        for event in decoded(stored):
            step(event)

    took = fastest({"decode": decode_alone(stored), "by hand": hand, "ten": fold(rules, stored)}, rounds)
    ours = {(found.rule, id_of(found.firing)) for found in Engine(rules, PORTAL, UTC).fold_in_order(decoded(stored))}
    if ours != set(by_hand_fired):
        sys.exit(f"The loop by hand and the engine disagree about {len(ours ^ set(by_hand_fired))} firings")
    report.say(f"Ten rules over {len(stored):,} stored events, {len(ours):,} findings, the same as by hand")
    for name, seconds in took.items():
        report.figure(f"{name}", seconds / len(stored) * 1e6, "µs an event")
    report.figure("ten rules by hand ÷ decoding alone", took["by hand"] / took["decode"], "times")
    report.figure("ten rules ÷ decoding alone (goal 10)", took["ten"] / took["decode"], "times", most=15)
    report.figure("ten rules ÷ ten rules by hand", took["ten"] / took["by hand"], "times")


def many(report: Report, stored: Sequence[bytes], rounds: int) -> None:
    """A hundred rules: with what the ten ask for, and with conditions of their own."""
    with tempfile.TemporaryDirectory() as folder:
        shared, unrelated = Path(folder, "shared.yml"), Path(folder, "unrelated.yml")
        shared.write_text("\n---\n".join(_sharing()))
        unrelated.write_text("\n---\n".join(_unrelated()))
        sets = {
            "ten": ten_rules(),
            "a hundred that share": load_rules([RULES / "ten.yml", shared]).rules,
            "a hundred unrelated": load_rules([unrelated]).rules,
        }
    assert [len(rules) for rules in sets.values()] == [10, 100, 100]
    took = fastest({name: fold(rules, stored) for name, rules in sets.items()}, rounds)
    report.say(f"A hundred rules over {len(stored):,} stored events")
    for name, seconds in took.items():
        report.figure(name, seconds / len(stored) * 1e6, "µs an event")
    report.figure("a hundred over shared conditions ÷ ten", took["a hundred that share"] / took["ten"], "times", most=1.5)
    report.figure("a hundred unrelated ÷ ten", took["a hundred unrelated"] / took["ten"], "times", most=4)


def _sharing() -> Iterable[str]:
    """Ninety more rules over the conditions and keys of the ten: other counts, other windows, other countries' lists."""
    for number in range(1, 19):
        count, minutes = 5 + number, 5 + number
        yield _rule(f"account-failures-{number}", "outcome: failure", f"burst: {{count: {count}, within: {minutes}m}}")
        yield _rule(f"address-failures-{number}", "outcome: failure", f"burst: {{count: {count}, within: {minutes}m}}\nby: ip")
        yield _rule(f"spray-{number}", "outcome: failure", f"distinct: {{of: account, count: {count}, within: 10m}}\nby: ip")
        yield _rule(f"addresses-{number}", "outcome: success", f"distinct: {{of: ip, count: {count}, within: {number}h}}")
        yield _rule(f"logins-{number}", "outcome: success", f"burst: {{count: {10 + count}, within: {minutes}m}}")


def _unrelated() -> Iterable[str]:
    """A hundred rules that have no condition in common: each looks at a department's, country's or browser's logins."""
    patterns = ("burst: {count: 5, within: 10m}", "distinct: {of: ip, count: 5, within: 1h}", "first_seen: {of: countryCode}")
    for number in range(100):
        outcome = ("failure", "success")[number % 2]
        alone = (f"groups: Department {number // 2 % 25}", f"browser|startswith: 'Chrome {100 + number}'")[number // 50]
        yield _rule(f"unrelated-{number}", f"outcome: {outcome}, {alone}", patterns[number % 3])


def _rule(name: str, selection: str, pattern: str) -> str:
    return f"title: {name}\nname: {name}\ndetection: {{looked_at: {{{selection}}}}}\n{pattern}\n"


def keys(report: Report, events: int, rounds: int) -> None:
    """From 10,000 keys to 1,000,000: time for each event, and memory for each key."""
    (rule,) = load_rules([RULES / "burst.yml"]).rules
    streams = {count: [msgspec.json.encode(event) for event in made_up(events, count)] for count in (10_000, 1_000_000)}

    def work(count: int) -> Callable[[], object]:
        return lambda: _unbounded(rule).fold_in_order(decoded(streams[count]))

    took = fastest({f"{count:,} keys": work(count) for count in streams}, rounds)
    few, plenty = took.values()
    report.say(f"One burst rule over {events:,} failures")
    for name, seconds in took.items():
        report.figure(name, seconds / events * 1e6, "µs an event")
    report.figure("1,000,000 keys ÷ 10,000 keys", plenty / few, "times", most=3)
    report.figure("memory of a key beside its text", _bytes_a_key(rule), "bytes", most=250)


def _unbounded(rule: Rule) -> Engine:
    return Engine([rule], PORTAL, UTC, most_keys=10_000_000)


def _bytes_a_key(rule: Rule, count: int = 200_000) -> float:
    """What a burst rule's state grows by for each key with one match, its text left out."""
    state = Plan([rule], UTC).states(Record(PORTAL, most_keys=10_000_000))[0]
    events = list(islice(made_up(count, count), count))
    texts = [event.account or "" for event in events]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for event, text in zip(events, texts, strict=True):
        state.step(event, events[0].at_us, text)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def late(report: Report, stored: Sequence[bytes], rounds: int) -> None:
    """One event that comes late into a full tail, with all the others folded before: the best of some rounds, as ever, for each
    of twenty such events, and of these the slowest."""
    events = [_decode(body) for body in stored[-40_000:]]
    start_us = (events[0].at_us // _DAY_US + 1) * _DAY_US + _DAY_US // 3  # at eight in the morning
    apart_us = 7_000_000_000 // 20_000  # 20,000 events in less than two hours
    crowded = [msgspec.structs.replace(event, at_us=start_us + n * apart_us) for n, event in enumerate(events)]
    engine = Engine(ten_rules(), PORTAL, UTC, timedelta(minutes=5))
    engine.load(decoded(stored[:-40_000]), start_us)
    engine.load(crowded[:-1])
    engine.resume([crowded[-1]], [])
    engine.accept()
    times = []
    newest = crowded[-2]
    for number in range(20):
        at_us = newest.at_us - (number + 1) * 300_000_000
        one = msgspec.structs.replace(newest, id=newest.id + 10_000_000 + number, at_us=at_us)

        def put(one: Event = one) -> None:
            assert not engine.propose([one]).deep

        took = cpu_seconds(put)
        for _ in range(rounds - 1):
            engine.drop()
            took = min(took, cpu_seconds(put))
        engine.accept()
        times.append(took)
    report.say(f"A late event with {len(stored):,} events folded and a full tail of 20,000, the slowest of {len(times)}")
    report.figure("putting it in order", max(times) * 1e3, "ms", most=200)


def restart(report: Report, stored: Sequence[bytes], _: int) -> None:
    """A start: all events from an SQLite store folded, to where new ones can be judged."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        with Store.open(url, write=True) as store:
            for start in range(0, len(stored), 10_000):
                batch = list(decoded(stored[start : start + 10_000]))
                store.commit_poll(PollCommit(state=PortalState(name=PORTAL), events=batch))
            rules = ten_rules()

            def work(*, again: bool) -> None:
                engine = Engine(rules, PORTAL, UTC)
                newest_us = store.newest_us(PORTAL)
                assert newest_us is not None
                if again:
                    engine.begin(newest_us - span_us(SETTLE_AFTER))
                stream = store.bodies(PORTAL)
                while batch := list(islice(stream, SLICE)):
                    engine.load(decoded(batch), newest_us)
                engine.resume([], [])

            wall = time.monotonic()
            took = cpu_seconds(partial(work, again=True))
            wall = time.monotonic() - wall
            first = cpu_seconds(partial(work, again=False))
    a_million = 1e6 / len(stored)
    report.say(f"A start with {len(stored):,} events in an SQLite store, ten rules, two of which remember all of them")
    report.figure("watching again after, for each million events (CPU)", took * a_million, "s", most=10)
    report.figure("the same by the clock on the wall, on this machine now", wall * a_million, "s")
    report.figure("a first start, or one with rules that have changed (CPU)", first * a_million, "s")


def main() -> None:
    """Measure what is asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="ten, many, keys, late, restart; left out: all")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    parts = given.parts or ["ten", "many", "keys", "late", "restart"]
    report = Report()
    stored = bodies(given.events) if set(parts) - {"keys"} else []
    for part in parts:
        if part == "keys":
            keys(report, given.events, given.rounds)
        else:
            {"ten": ten, "many": many, "late": late, "restart": restart}[part](report, stored, given.rounds)
    report.end()


if __name__ == "__main__":
    main()
