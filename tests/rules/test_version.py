"""A rule's version: what decides its findings, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from alertbot.rules.match import select
from alertbot.rules.model import Exemption
from alertbot.rules.version import version_of
from tests.rules.build import condition, rule

RULE = """
title: x
detection: {a: {outcome: failure, login|contains: [root, admin]}}
burst: {count: 5, within: 10m}
"""
KNOWN = "71cb413485a0340a"


def test_the_version_is_the_same_on_every_machine_and_with_every_release(tmp_path):
    assert rule(tmp_path, RULE).version == KNOWN


def test_the_version_does_not_depend_on_the_seed_of_hashes(tmp_path):
    rule(tmp_path, RULE)
    program = "import sys, pathlib; from alertbot.rules.load import load_rules; "
    program += "print(load_rules([pathlib.Path(sys.argv[1])]).rules[0].version)"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == KNOWN


@pytest.mark.parametrize(
    "change",
    [
        ("title: x", "title: y\nname: other\nlevel: high\nquiet: 3h\nmode: shadow\nrespond: z\ntags: [attack.t1110]"),
        ("title: x", "title: x\ntests: [{it: x, events: [], alerts: []}]"),
        ("title: x", "title: x\nby: account"),
        ("{outcome: failure, login|contains: [root, admin]}", "{login|contains: [Admin, root], outcome: [FAILURE]}"),
        ("{a: {", "{renamed: {"),
        ("within: 10m", "within: 600s"),
    ],
)
def test_what_decides_no_finding_makes_no_new_version(tmp_path, change):
    assert rule(tmp_path, RULE.replace(*change)).version == KNOWN


@pytest.mark.parametrize(
    "change",
    [
        ("outcome: failure", "outcome: success"),
        ("login|contains", "login|contains|all"),
        ("count: 5", "count: 6"),
        ("within: 10m", "within: 11m"),
        ("title: x", "title: x\nby: ip"),
        ("title: x", "title: x\nby: [ip, account]"),
        ("title: x", "title: x\nonly: {role: admin}"),
        ("title: x", "title: x\nlogsource: {service: audit}"),
        ("burst: {count: 5, within: 10m}", "distinct: {of: account, count: 5, within: 10m}"),
        ("burst: {count: 5, within: 10m}", "distinct: {of: ip, count: 5, within: 10m}"),
        ("burst: {count: 5, within: 10m}", "hours: {outside: 1:00-2:00}"),
        ("burst: {count: 5, within: 10m}", "hours: {outside: 1:00-2:00, zone: UTC}"),
        ("burst: {count: 5, within: 10m}", ""),
    ],
)
def test_what_decides_findings_makes_a_new_version(tmp_path, change):
    other = rule(tmp_path, RULE.replace(*change)).version
    assert other != KNOWN


def test_an_exception_and_its_end_are_in_the_version_and_its_reason_is_not(tmp_path):
    from dataclasses import replace

    plain = rule(tmp_path, RULE)
    match = select(condition("f: {ip: x}"))

    def version(why: str, until: date | None) -> str:
        return version_of(replace(plain, exemptions=(Exemption(match, why, until),)), {})

    assert version("a", None) == version("b", None)
    assert len({KNOWN, version("a", None), version("a", date(2026, 2, 1)), version("a", date(2026, 2, 2))}) == 4
