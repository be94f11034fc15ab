"""Tables stay small whoever makes up keys, and never at the cost of people in the directory."""

from __future__ import annotations

from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.engine import Engine
from alertbot.engine.keep import MOST_VALUES, Keep, People
from alertbot.engine.table import Table
from alertbot.rules.model import Burst, Distinct, Dormant, FirstSeen
from tests.engine.build import ANY, MINUTE, event, rule

HOUR = timedelta(hours=1)


def _counter(most_keys: int, people: People | None = None, by: tuple[str, ...] = ("account",)) -> Table[list[int]]:
    keep = Keep(people or People(), by)
    return Table(1_000, lambda: [0], lambda cell: cell[:], most_keys=most_keys, keep=keep)


def _touch(table: Table[list[int]], at_us: int, key: str) -> int:
    if table.turn_us is None or at_us >= table.turn_us:
        table.turn(at_us)
    cell = table.cells[key]
    cell[0] += 1
    return cell[0]


def test_no_more_keys_are_held_than_the_cap() -> None:
    table = _counter(most_keys=10)
    for number in range(1_000):
        _touch(table, number // 100, f"made up {number}")
        assert len(table) <= 10
    assert table.dropped == 1_000 - len(table)


def test_a_key_that_goes_on_is_kept_however_many_are_made_up() -> None:
    table = _counter(most_keys=10)
    for number in range(100):
        _touch(table, 1, f"made up {number}")
        assert _touch(table, 1, "busy") == number + 1


def test_a_person_s_key_outlives_every_flood_within_its_window() -> None:
    people = People()
    people.own.add("Anna")
    table = _counter(10, people)
    _touch(table, 900, "anna")
    for number in range(500):
        _touch(table, 950, f"made up {number}")
    assert _touch(table, 1_899, "anna") == 2


def test_a_person_s_key_goes_with_its_window_once_the_flood_is_over() -> None:
    people = People()
    people.own.add("anna")
    table = _counter(10, people)
    _touch(table, 0, "anna")
    for number in range(100):
        _touch(table, 500, f"made up {number}")
    assert table.peek("anna") is not None
    for at_us in (1_500, 2_500):
        _touch(table, at_us, "ben")
    assert table.peek("anna") is None


def test_a_person_s_key_with_a_part_that_can_be_made_up_is_not_kept() -> None:
    people = People()
    people.own.add("anna")
    key = ("anna", "203.0.113.7")
    assert Keep(people, ("countryCode",)).choose({"anna": (1, False)}) == {}
    assert Keep(people, ("account", "ip")).choose({key: (1, False)}) == {}
    assert Keep(people, ("account", "countryCode")).choose({key: (1, False)}) == {key: (1, False)}


def test_of_one_person_the_values_seen_last_are_kept() -> None:
    people = People()
    people.own |= {"anna", "ben"}
    places = {
        (who, 0, f"{n}"): (n, False) for who in ("anna", "ben", "eve") for n in range(3 * MOST_VALUES if who == "anna" else 5)
    }
    places = dict(sorted(places.items(), key=repr))  # not in the order in which they were seen
    kept = Keep(people, ("account",), inside=True).choose(places)
    assert {place for place in kept if place[0] == "ben"} == {("ben", 0, f"{n}") for n in range(5)}
    assert {place for place in kept if place[0] == "anna"} == {
        ("anna", 0, f"{n}") for n in range(2 * MOST_VALUES, 3 * MOST_VALUES)
    }
    assert not [place for place in kept if place[0] == "eve"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([*"abcdefghi", "anna", "ben"])), max_size=80), st.data())
def test_a_fork_drops_what_its_table_would_have_dropped(touches: list[tuple[int, str]], data: st.DataObject) -> None:
    people = People()
    table, plain = _counter(6, people), _counter(6, people)
    people.own |= {"anna", "ben"}
    at_us, seen = 0, []
    for step, key in touches:
        at_us += step
        seen.append((at_us, key))
    counts = [_touch(plain, *touch) for touch in seen]
    cut = data.draw(st.integers(0, len(seen)))
    again = data.draw(st.integers(cut, len(seen)))
    assert [_touch(table, *touch) for touch in seen[:cut]] == counts[:cut]
    fork = table.fork(people.fork())
    assert [_touch(fork, *touch) for touch in seen[cut:again]] == counts[cut:again]
    behind = data.draw(st.integers(cut, again))
    assert [_touch(table, *touch) for touch in seen[cut:behind]] == counts[cut:behind]
    assert [_touch(fork, *touch) for touch in seen[again:]] == counts[again:]
    assert [_touch(table, *touch) for touch in seen[behind:]] == counts[behind:]
    assert fork.dropped == table.dropped == plain.dropped


def test_a_flood_of_logins_hides_no_attack_on_a_person_and_is_counted() -> None:
    rules = [rule(Burst(3, HOUR)), rule(Distinct(("ip",), 3, HOUR), name="addresses")]
    events = []
    for number in range(300):
        events.append(event(number, number * MINUTE / 10, account=f"made up {number}", ip=f"10.0.0.{number}"))
        if number in (0, 150, 299):
            events.append(event(1_000 + number, number * MINUTE / 10, account="anna", known=True, ip=f"10.0.1.{number}"))
    engine = Engine(rules, "test", UTC, most_keys=20)
    assert [(f.rule, f.key) for f in engine.fold_all(events)] == [("addresses", ("anna",)), ("rule", ("anna",))]
    assert engine.dropped["rule"] > 200
    assert engine.dropped["addresses"] > 200


def test_a_flood_makes_nobody_forget_what_was_learned_of_a_person() -> None:
    rules = [
        rule(FirstSeen((("country",),), timedelta(days=90), HOUR), ANY, name="country"),
        rule(Dormant(timedelta(days=30), timedelta(days=180)), ANY, name="dormant"),
    ]
    flood = [event(n, HOUR + n * MINUTE, account=f"made up {n}", country=f"{n}") for n in range(10, 300)]
    anna = [event(n, n * 5 * HOUR, "success", account="anna", known=True, country="Germany") for n in range(3)]
    assert Engine(rules, "test", UTC, most_keys=20).fold_all([*flood, *anna]) == []
