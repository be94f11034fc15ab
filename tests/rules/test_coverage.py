"""Who is under which hours, as far as the person decides it."""

from __future__ import annotations

import pytest

from alertbot.portal.people import Person
from alertbot.rules.coverage import hours_coverage
from tests.rules.build import book

ANNA = Person(id="1", email="anna@x.org", groups=("Sales", "Staff"), status="active", role="user", tfa=True)
BOB = Person(id="2", email="bob@x.org", groups=("Sales",), status="active", role="admin", tfa=False)
EVE = Person(id="3", email="eve@x.org", status="terminated")
PEOPLE = [ANNA, BOB, EVE]


def said(folder, *rules: str) -> list[str]:
    """What is said of rules with these detections and further keys."""
    texts = [f"title: x\ndetection: {rule}\nhours: {{outside: 07:00-20:00}}\n" for rule in rules]
    return list(hours_coverage(book(folder, *texts).rules, PEOPLE))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["{a: {outcome: success}}"], []),
        (["{a: {outcome: success, country: Germany, ip|cidr: 10.0.0.0/8}}"], []),
        (["{a: {groups: staff}}"], ["no hours rule covers 1 active person: bob@x.org"]),
        (["{a: {groups: nobody}}"], ["no hours rule covers 2 active people: anna@x.org, bob@x.org"]),
        (["{a: {outcome: success}}\nonly: {role: [owner, admin]}"], ["no hours rule covers 1 active person: anna@x.org"]),
        (
            ["{a: {outcome: success}}\nexcept: [{match: {account: '2'}, why: night owl}]"],
            ["no hours rule covers 1 active person: bob@x.org"],
        ),
        (["{a: {groups: staff}}", "{a: {groups: sales}}"], ["the hours rules a, b all cover 1 active person: anna@x.org"]),
        (["{a: {groups: staff}}", "{a: {groups: sales, groups|neq: staff}}"], []),
        (["{a: {tfa: true}}"], ["no hours rule covers 1 active person: bob@x.org"]),
        (["{a: {groups: staff}}", "{a: {groups: sales}}\nmode: off"], ["no hours rule covers 1 active person: bob@x.org"]),
    ],
)
def test_active_people_without_hours_and_under_two_are_named(tmp_path, rules, expected):
    assert said(tmp_path, *rules) == expected


def test_where_no_rule_has_hours_nothing_is_said(tmp_path):
    rules = book(tmp_path, "title: x\ndetection: {a: {outcome: success}}\n").rules
    assert list(hours_coverage(rules, PEOPLE)) == []


def test_rules_without_hours_cover_nobody_twice(tmp_path):
    success = "detection: {a: {outcome: success}}\n"
    texts = [f"title: x\n{success}hours: {{outside: 07:00-20:00}}\n", f"title: y\n{success}"]
    assert list(hours_coverage(book(tmp_path, *texts).rules, PEOPLE)) == []


def test_of_many_people_some_are_named(tmp_path):
    many = [Person(id=str(number), email=f"p{number:03}@x.org", status="active") for number in range(50)]
    (text,) = hours_coverage(book(tmp_path, "title: x\ndetection: {a: {groups: x}}\nhours: {outside: 7:00-8:00}\n").rules, many)
    assert text.startswith("no hours rule covers 50 active people: p000@x.org, ")
    assert text.endswith("p019@x.org and 30 more")
