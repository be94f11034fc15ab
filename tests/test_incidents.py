"""Findings become incidents: one for what goes on together, each step with a named reason."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from alertbot.event import EventRef
from alertbot.finding import Finding
from alertbot.incidents import Decision, Incident, Reason, Untold, Watch, close, decide
from alertbot.moments import span_us
from alertbot.rules.model import Each, Rule
from tests.engine.build import rule

MINUTE_US = span_us(timedelta(minutes=1))
GUESSING = rule(Each(), name="guessing", quiet=timedelta(hours=1))
RULES = {"guessing": GUESSING}
WATCHING = Watch(portal_us=0)


def finding(name: str, at: int, *, until: int | None = None, key: str = "anna", count: int = 5, version: str = "1") -> Finding:
    return Finding(
        id=name,
        rule="guessing",
        version=version,
        portal="main",
        fields=("account",),
        key=(key,),
        firing=EventRef(at),
        events=(EventRef(at),),
        first_us=at * MINUTE_US,
        at_us=at * MINUTE_US,
        last_us=(at if until is None else until) * MINUTE_US,
        count=count,
    )


def decided(
    *changed: Finding,
    gone: tuple[str, ...] = (),
    incidents: tuple[Incident, ...] = (),
    rules: dict[str, Rule] = RULES,
    watch: Watch = WATCHING,
    now: int = 1_000,
) -> Decision:
    return decide(changed, gone, incidents, rules, watch, now * MINUTE_US)


def opened(*changed: Finding) -> Incident:
    return next(iter(decided(*changed).incidents.values()))


def reasons(decision: Decision) -> list[Reason]:
    return [entry.reason for entry in decision.log]


def test_a_finding_opens_an_incident_and_people_are_told() -> None:
    decision = decided(finding("a", 10))
    assert reasons(decision) == [Reason.OPENED]
    assert [(t.incident.key, t.incident.count) for t in decision.tell] == [(("anna",), 5)]
    assert decision.belongs == {"a": "a"}


def test_a_finding_that_grows_extends_its_incident_silently() -> None:
    decision = decided(finding("a", 10, until=20, count=15), incidents=(opened(finding("a", 10)),))
    assert reasons(decision) == [Reason.EXTENDED]
    assert decision.tell == []
    assert decision.incidents["a"].count == 15
    assert decision.incidents["a"].over_at_us == 80 * MINUTE_US


def test_findings_of_one_key_within_quiet_are_one_incident_however_the_key_is_spelled() -> None:
    decision = decided(finding("a", 10), finding("b", 69, key="ANNA"), finding("c", 128))
    assert reasons(decision) == [Reason.OPENED, Reason.JOINED, Reason.JOINED]
    assert decision.incidents["a"].count == 15
    assert len(decision.tell) == 1


def test_after_quiet_a_finding_opens_an_incident_that_links_back() -> None:
    decision = decided(finding("b", 200), incidents=(opened(finding("a", 10)),))
    assert reasons(decision) == [Reason.OPENED_AGAIN]
    assert decision.incidents["b"].follows == "a"


def test_after_a_resolve_extensions_are_counted_and_a_new_finding_opens_anew() -> None:
    resolved = msgspec.structs.replace(opened(finding("a", 10)), work="resolved")
    grown = decided(finding("a", 10, until=20, count=9), incidents=(resolved,))
    assert (reasons(grown), grown.tell) == ([Reason.COUNTED], [])
    again = decided(finding("b", 30), incidents=(resolved,))
    assert (reasons(again), again.incidents["b"].follows) == ([Reason.OPENED_AGAIN], "a")


def test_what_only_history_supports_is_counted_and_told_to_nobody() -> None:
    watch = Watch(portal_us=50 * MINUTE_US)
    decision = decided(finding("a", 10, until=50), watch=watch)
    assert (decision.untold, decision.tell) == ({"a": Untold.HISTORY}, [])


def test_what_began_in_history_and_goes_on_is_news() -> None:
    decision = decided(finding("a", 10, until=51), watch=Watch(portal_us=50 * MINUTE_US))
    assert [t.finding.id for t in decision.tell] == ["a"]


def test_what_a_new_version_would_have_found_before_it_was_in_force_is_history() -> None:
    watch = Watch(portal_us=0, versions_us={("guessing", "2"): 40 * MINUTE_US})
    assert decided(finding("a", 10, version="2"), watch=watch).untold == {"a": Untold.HISTORY}
    assert decided(finding("b", 41, version="2"), watch=watch).tell


def test_a_shadow_rule_is_recorded_and_tells_nobody() -> None:
    shadow = {"guessing": changed_rule(mode="shadow")}
    decision = decided(finding("a", 10), rules=shadow)
    assert (decision.untold, decision.tell) == ({"a": Untold.SHADOW}, [])


def changed_rule(**changes: str) -> Rule:
    from dataclasses import replace

    return replace(GUESSING, **changes)  # type: ignore[arg-type]


def test_an_incident_that_no_finding_supports_any_more_is_withdrawn_with_the_reason() -> None:
    decision = decided(gone=("a",), incidents=(opened(finding("a", 10)),))
    assert reasons(decision) == [Reason.WITHDRAWN]
    assert decision.incidents["a"].withdrawn


def test_a_finding_that_moved_stays_in_the_incident_that_was_told() -> None:
    decision = decided(finding("moved", 9), gone=("a",), incidents=(opened(finding("a", 10)),))
    assert Reason.WITHDRAWN not in reasons(decision)
    assert decision.incidents["a"].findings == {"moved": 5}
    assert decision.tell == []


def test_an_incident_is_over_after_quiet_and_stays_new() -> None:
    incident = opened(finding("a", 10))
    assert close([incident], 69 * MINUTE_US).incidents == {}
    over = close([incident], 70 * MINUTE_US)
    assert reasons(over) == [Reason.OVER]
    assert (over.incidents["a"].phase, over.incidents["a"].work) == ("over", "new")
