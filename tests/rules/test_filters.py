"""Filters: one condition that the matches of many rules must meet too."""

from __future__ import annotations

import pytest

from alertbot.errors import RulesError
from alertbot.rules.load import load_rules
from alertbot.rules.model import RuleBook, Sequence_
from tests.rules.build import event, write

RULES = """
title: a
name: a
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
logsource: {product: onlyoffice}
detection: {s: {outcome: failure}}
---
title: b
name: b
detection: {s: {known: false}}
---
title: c
name: c
detection: {s: {outcome: failure}, o: {outcome: success}}
sequence: {within: 1h, steps: [{match: s}, {match: o}]}
"""


def loaded(folder, section: str, more: str = "") -> RuleBook:
    """The rules and a filter."""
    write(folder, "a.yml", RULES)
    write(folder, "f.yml", f"title: not the office\n{more}filter: {{{section}}}\n")
    return load_rules([folder])


def narrowed(book: RuleBook) -> set[str]:
    """The rules that an event of the office no longer matches."""
    office = event(ip="10.0.0.1", known=False)
    names = set()
    for rule in book.rules:
        steps = rule.pattern.steps if isinstance(rule.pattern, Sequence_) else ()
        selection = steps[0].selection if steps else rule.condition
        assert selection is not None
        assert selection.test(event(ip="192.0.2.1", known=False))
        if not selection.test(office):
            names.add(rule.name)
    return names


OFFICE = "office: {ip|cidr: 10.0.0.0/8}, condition: not office"


@pytest.mark.parametrize(
    ("rules", "more", "expected"),
    [
        ("any", "", {"a", "b", "c"}),
        ("[]", "", {"a", "b", "c"}),
        ("a", "", {"a"}),
        ("[a, c]", "", {"a", "c"}),
        ("[5638F7C0-AC70-491d-8465-2a65075e0d86]", "", {"a"}),
        ("any", "logsource: {product: OnlyOffice}\n", {"a"}),
    ],
)
def test_a_filter_narrows_the_rules_that_it_names(tmp_path, rules, more, expected):
    book = loaded(tmp_path, f"rules: {rules}, {OFFICE}", more)
    assert narrowed(book) == expected
    assert [str(one) for one in book.warnings if "network" not in str(one) and "keeps" not in str(one)] == []


def test_a_filter_is_in_the_version_of_what_it_narrows(tmp_path):
    plain = {rule.name: rule.version for rule in loaded(tmp_path, f"rules: [c], {OFFICE}").rules}
    other = {rule.name: rule.version for rule in loaded(tmp_path, f"rules: [a], {OFFICE}").rules}
    assert {name for name in plain if plain[name] != other[name]} == {"a", "c"}


@pytest.mark.parametrize(
    ("section", "more", "expected"),
    [
        (f"rules: [aa], {OFFICE}", "", "filter.rules: there is no rule 'aa' of this log source that it could narrow; did you"),
        (
            f"rules: [b], {OFFICE}",
            "logsource: {product: onlyoffice}\n",
            "filter.rules: there is no rule 'b' of this log source",
        ),
        (f"rules: any, {OFFICE}", "logsource: {service: audit}\n", "filter.rules: there is no rule of this log source"),
        ("rules: [a], s: {known: true}, condition: s", "", "filter.condition: matches must meet this too"),
        (f"rules: [a], x: {{known: true}}, {OFFICE}", "", "filter.x: nothing uses this selection"),
        ("rules: [a], s: {role: adminn}, condition: not s", "", "f.yml:2:32: warning: role is never 'adminn'; did you mean"),
    ],
)
def test_a_filter_that_does_not_do_what_one_would_think_is_warned_of(tmp_path, section, more, expected):
    assert any(expected in str(one) for one in loaded(tmp_path, section, more).warnings)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("rules: [a]", "f.yml:2:1: filter: needs a condition"),
        (OFFICE, "f.yml:2:9: filter: rules must be `any`, or names or ids of rules"),
        (f"rules: [1], {OFFICE}", "filter.rules: must be `any`, or names"),
        ("rules: any, office: {ipp: x}, condition: not office", "filter.office.ipp: events have no field 'ipp'"),
        ("rules: any, office: {ip: x}, condition: not offic", "filter.condition: there is no selection 'offic'"),
    ],
)
def test_what_is_wrong_with_a_filter_is_said_at_its_place(tmp_path, section, expected):
    with pytest.raises(RulesError) as raised:
        loaded(tmp_path, section)
    assert any(expected in str(one) for one in raised.value.mistakes), raised.value


def test_a_filter_is_a_document_of_its_own(tmp_path):
    with pytest.raises(RulesError) as raised:
        loaded(tmp_path, f"rules: any, {OFFICE}", "detection: {a: {ip: x}}\n")
    assert [one.message for one in raised.value.mistakes] == [
        "detection: does not go with `filter`: a filter is a document of its own"
    ]


def test_a_filter_beside_a_rule_leaves_the_rule_its_file_s_name(tmp_path):
    write(
        tmp_path,
        "a.yml",
        f"title: a\ndetection: {{s: {{outcome: failure}}}}\n---\ntitle: f\nfilter: {{rules: [a], {OFFICE}}}\n",
    )
    (rule,) = load_rules([tmp_path]).rules
    assert rule.name == "a"
    assert rule.condition is not None
    assert not rule.condition.test(event(ip="10.0.0.1"))
