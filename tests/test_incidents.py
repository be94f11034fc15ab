"""Findings become incidents: one for what goes on together, each step with a named reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec

from alertbot.event import Event, EventRef
from alertbot.finding import Finding
from alertbot.incidents import About, Decision, Incident, Occasion, Reason, Untold, Watch, close, decide, holding_keys
from alertbot.moments import span_us
from alertbot.rules.model import Each, Raise, Rule, Selection
from tests.engine.build import rule
from tests.people import incident

MINUTE_US = span_us(timedelta(minutes=1))
GUESSING = rule(Each(), name="guessing", quiet=timedelta(hours=1))
RULES = {"guessing": GUESSING}
WATCHING = Watch(portal_us=0)


def finding(
    name: str,
    at: int,
    *,
    until: int | None = None,
    key: str = "anna",
    count: int = 5,
    version: str = "1",
    by: str = "guessing",
) -> Finding:
    return Finding(
        id=name,
        rule=by,
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
    now: int = 100,
    firing: dict[str, Event] | None = None,
) -> Decision:
    return decide(changed, gone, incidents, rules, watch, now * MINUTE_US, firing)


def told(decision: Decision) -> dict[str, Occasion]:
    return {telling.incident.id: telling.occasion for telling in decision.tell}


def shown(incident: Incident, message: str = "m1") -> Incident:
    """The incident as it is once its message is written."""
    return msgspec.structs.replace(incident, message=message, posts=1)


def replaced(incident: Incident, **changes: object) -> Incident:
    return msgspec.structs.replace(incident, **changes)


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
    decision = decided(finding("a", 10, until=20, count=15), incidents=(opened(finding("a", 10)),), now=20)
    assert reasons(decision) == [Reason.EXTENDED]
    assert told(decision) == {"a": Occasion.UPDATE}
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
    assert (reasons(grown), told(grown)) == ([Reason.COUNTED], {"a": Occasion.UPDATE})
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


def test_an_over_incident_whose_finding_goes_on_is_told_anew() -> None:
    over = close([shown(opened(finding("a", 10)))], 75 * MINUTE_US).incidents["a"]
    decision = decided(finding("a", 10, until=100, count=9), incidents=(over,), now=101)
    assert reasons(decision) == [Reason.EXTENDED, Reason.RETURNED]
    assert told(decision) == {"a": Occasion.RETURN}
    late = decided(finding("a", 10, until=12, count=9), incidents=(over,), now=101)
    assert (reasons(late), told(late)) == ([Reason.EXTENDED], {"a": Occasion.UPDATE})


def test_what_opened_again_closes_the_message_before_with_a_link() -> None:
    before = shown(replaced(opened(finding("a", 10)), phase="over"))
    decision = decided(finding("b", 200), incidents=(before,), now=200)
    assert reasons(decision) == [Reason.OPENED_AGAIN, Reason.OPENED_AGAIN]
    assert told(decision) == {"b": Occasion.OPENING, "a": Occasion.UPDATE}
    assert decision.incidents["a"].followed_by == "b"


def test_a_shadow_rule_is_recorded_and_tells_nobody() -> None:
    shadow = {"guessing": changed_rule(mode="shadow")}
    decision = decided(finding("a", 10), rules=shadow)
    assert (decision.untold, decision.tell) == ({"a": Untold.SHADOW}, [])


def changed_rule(**changes: str) -> Rule:
    return replace(GUESSING, **changes)  # type: ignore[arg-type]


def test_an_incident_that_no_finding_supports_any_more_is_withdrawn_with_the_reason() -> None:
    decision = decided(gone=("a",), incidents=(opened(finding("a", 10)),))
    assert reasons(decision) == [Reason.WITHDRAWN]
    assert decision.incidents["a"].withdrawn


def test_a_finding_that_moved_stays_in_the_incident_that_was_told() -> None:
    decision = decided(finding("moved", 9), gone=("a",), incidents=(opened(finding("a", 10)),))
    assert Reason.WITHDRAWN not in reasons(decision)
    assert decision.incidents["a"].findings == {"moved": 5}
    assert told(decision) == {"a": Occasion.UPDATE}


def test_an_incident_is_over_after_quiet_and_stays_new() -> None:
    incident = opened(finding("a", 10))
    assert close([incident], 69 * MINUTE_US).incidents == {}
    over = close([incident], 70 * MINUTE_US)
    assert reasons(over) == [Reason.OVER]
    assert (over.incidents["a"].phase, over.incidents["a"].work) == ("over", "new")
    assert told(over) == {"a": Occasion.CLOSING}
    assert over.log[0].detail == "nobody has looked"


def test_a_finding_that_closes_the_gap_between_two_incidents_merges_them_into_the_earlier() -> None:
    one, two = shown(opened(finding("a", 10))), shown(opened(finding("b", 120)), "m2")
    decision = decided(finding("between", 65), incidents=(one, replaced(two, follows="a")), now=121)
    assert reasons(decision) == [Reason.JOINED, Reason.MERGED, Reason.MERGED]
    assert decision.incidents["a"].findings == {"a": 5, "between": 5, "b": 5}
    assert (decision.incidents["b"].merged_into, decision.incidents["b"].count) == ("a", 0)
    assert told(decision) == {"a": Occasion.UPDATE, "b": Occasion.UPDATE}
    assert decision.belongs == {"between": "a", "b": "a"}


def test_what_nobody_looked_at_stays_open_work_when_it_is_merged() -> None:
    one = replaced(shown(opened(finding("a", 10))), work="acknowledged")
    decision = decided(finding("between", 65), incidents=(one, opened(finding("b", 120))), now=121)
    assert decision.incidents["a"].work == "new"


# -- raise -----------------------------------------------------------------------------------------------------------------


def selection(**wanted: object) -> Selection:
    return Selection(test=lambda e: all(getattr(e, name) == value for name, value in wanted.items()), fingerprint=repr(wanted))


def login(at: int, **more: object) -> Event:
    fields = {"account": "anna", "ip": "203.0.113.7", "outcome": "failure", **more}
    return Event(portal="main", id=at, at_us=at * MINUTE_US, action_id=1002, **fields)  # type: ignore[arg-type]


RAISING = {
    "guessing": rule(
        Each(),
        name="guessing",
        raises=(Raise(selection(role="owner"), "critical"), Raise(selection(known=True), "high"), Raise(selection(), "low")),
    )
}


def test_the_firing_event_raises_the_level_and_never_lowers_it() -> None:
    events = {"a": login(10), "b": login(11, known=True), "c": login(12, known=True, role="owner")}
    found = (finding("a", 10, key="x"), finding("b", 11, key="y"), finding("c", 12, key="z"))
    decision = decided(*found, rules=RAISING, firing=events)
    assert [decision.incidents[name].level for name in "abc"] == ["medium", "high", "critical"]


def test_an_incident_that_goes_on_rises_with_a_finding_and_never_falls() -> None:
    incident = shown(next(iter(decided(finding("a", 10), rules=RAISING, firing={"a": login(10)}).incidents.values())))
    up = decided(finding("b", 11), incidents=(incident,), rules=RAISING, firing={"b": login(11, known=True)})
    assert (reasons(up), told(up)) == ([Reason.JOINED, Reason.RAISED], {"a": Occasion.RISE})
    assert up.log[1].detail == "from medium to high"
    down = decided(finding("c", 12), incidents=(up.incidents["a"],), rules=RAISING, firing={"c": login(12)})
    assert (down.incidents["a"].level, told(down)) == ("high", {"a": Occasion.UPDATE})


# -- group -----------------------------------------------------------------------------------------------------------------

GROUPED = {"guessing": rule(Each(), name="guessing", group=("ip",), quiet=timedelta(hours=1))}


def test_findings_of_many_accounts_are_one_incident_for_the_group() -> None:
    found = [finding(name, at, key=name) for at, name in enumerate("abc", 10)]
    events = {name: login(at, account=name) for at, name in enumerate("abc", 10)}
    decision = decided(*found, rules=GROUPED, firing=events)
    assert reasons(decision) == [Reason.OPENED, Reason.GROUPED, Reason.GROUPED]
    assert [(i.fields, i.key, i.count) for i in decision.incidents.values()] == [(("ip",), ("203.0.113.7",), 15)]


def test_a_firing_event_without_the_group_field_keys_by_the_findings_own_key() -> None:
    events = {"a": login(10, ip=None), "b": login(11, ip=None, account="ben")}
    decision = decided(finding("a", 10), finding("b", 11, key="ben"), rules=GROUPED, firing=events)
    assert {i.key for i in decision.incidents.values()} == {("anna",), ("ben",)}


# -- inhibits --------------------------------------------------------------------------------------------------------------

GUESSED = replace(rule(Each(), name="guessed", inhibits=("guessing",)), level="critical")
INHIBITING = {"guessing": GUESSING, "guessed": GUESSED}
EQUAL = {"guessing": GUESSING, "guessed": rule(Each(), name="guessed", inhibits=("guessing",), quiet=timedelta(hours=1))}


def test_an_incident_is_called_after_its_person_or_else_after_what_keys_it():
    about = About(account="u1", person="anna@example.com", known=True)
    assert incident(about=about, key=("u1",)).subject == "anna@example.com"
    assert incident(about=about, fields=("ip",), key=("203.0.113.7",)).subject == "203.0.113.7"
    assert incident(about=about, fields=("portal",), key=("main",)).subject == ""
    assert incident(about=None, key=("u1",)).subject == "u1"


def test_while_an_incident_goes_on_findings_of_the_rules_it_inhibits_are_held_back() -> None:
    first = decided(finding("g", 10, by="guessed"), rules=INHIBITING)
    decision = decided(finding("a", 11), finding("b", 12, key="ben"), incidents=(first.incidents["g"],), rules=INHIBITING)
    assert reasons(decision) == [Reason.HELD_BACK, Reason.HELD_BACK, Reason.OPENED]
    assert decision.incidents["a"].held_by == "g"
    assert decision.incidents["g"].holds == ("a",)
    assert told(decision) == {"g": Occasion.UPDATE, "b": Occasion.OPENING}


def test_one_that_was_told_is_taken_over_and_a_higher_level_posts_anew() -> None:
    burst = shown(opened(finding("a", 10)))
    decision = decided(finding("g", 11, by="guessed"), incidents=(burst,), rules=INHIBITING)
    assert reasons(decision) == [Reason.OPENED, Reason.TAKEN_OVER, Reason.TOOK_OVER]
    assert told(decision) == {"g": Occasion.OPENING, "a": Occasion.UPDATE}
    assert (decision.incidents["g"].message, decision.incidents["a"].message) == (None, "m1")


def test_an_equal_level_takes_the_message_itself() -> None:
    burst = shown(opened(finding("a", 10)))
    decision = decided(finding("g", 11, by="guessed"), incidents=(burst,), rules=EQUAL)
    assert told(decision) == {"g": Occasion.OPENING}
    assert (decision.incidents["g"].message, decision.incidents["a"].message) == ("m1", None)


def test_what_comes_up_together_with_what_inhibits_it_is_told_once() -> None:
    decision = decided(finding("a", 10), finding("g", 11, by="guessed"), rules=INHIBITING)
    assert reasons(decision) == [Reason.OPENED, Reason.OPENED, Reason.HELD_BACK, Reason.TOOK_OVER]
    assert told(decision) == {"g": Occasion.OPENING}


def test_what_is_held_back_is_counted_there_and_told_when_it_goes_on_alone() -> None:
    first = decided(finding("a", 10), finding("g", 11, by="guessed"), rules=INHIBITING).incidents
    held = decided(finding("a", 10, until=60, count=9), incidents=tuple(first.values()), rules=INHIBITING, now=60)
    assert (told(held), held.incidents["a"].count) == ({"g": Occasion.UPDATE}, 9)
    alone = decided(finding("a", 10, until=90, count=12), incidents=tuple(first.values()), rules=INHIBITING, now=90)
    assert reasons(alone) == [Reason.EXTENDED, Reason.RELEASED]
    assert (told(alone), alone.incidents["a"].held_by) == ({"a": Occasion.OPENING}, None)


def test_after_a_resolve_an_incident_holds_nothing_back() -> None:
    first = replaced(decided(finding("g", 10, by="guessed"), rules=INHIBITING).incidents["g"], work="resolved")
    decision = decided(finding("a", 11), incidents=(first,), rules=INHIBITING)
    assert told(decision) == {"a": Occasion.OPENING}


def test_an_incident_that_is_withdrawn_gives_back_what_it_held_and_the_message_that_it_took() -> None:
    burst = shown(opened(finding("a", 10)))
    taken = decided(finding("g", 11, by="guessed"), incidents=(burst,), rules=EQUAL).incidents
    decision = decided(gone=("g",), incidents=tuple(taken.values()), rules=EQUAL)
    assert reasons(decision) == [Reason.WITHDRAWN, Reason.RELEASED]
    assert (decision.incidents["a"].message, decision.incidents["a"].held_by) == ("m1", None)
    assert decision.incidents["g"].message is None
    assert told(decision)["a"] is Occasion.UPDATE


def test_what_is_held_back_by_one_that_is_held_back_itself_is_told_with_the_one_that_stands() -> None:
    rules = {**INHIBITING, "lock": rule(Each(), name="lock", quiet=timedelta(hours=1))}
    rules["guessing"] = rule(Each(), name="guessing", inhibits=("lock",), quiet=timedelta(hours=1))
    first = decided(finding("a", 10), finding("g", 11, by="guessed"), rules=rules).incidents
    decision = decided(finding("l", 12, by="lock"), incidents=tuple(first.values()), rules=rules)
    assert decision.incidents["l"].held_by == "g"


def test_a_group_holds_back_findings_whose_firing_event_shares_it() -> None:
    rules = {
        "guessing": GUESSING,
        "spray": rule(Each(), name="spray", inhibits=("guessing",), group=("ip",), by=("portal",), quiet=timedelta(hours=1)),
    }
    events = {"a": login(10), "s": login(11), "b": login(12, account="ben"), "c": login(13, ip="198.51.100.1")}
    found = (finding("a", 10), finding("s", 11, by="spray"), finding("b", 12, key="ben"), finding("c", 13, key="cem"))
    decision = decided(*found, rules=rules, firing=events)
    assert {name: one.held_by for name, one in decision.incidents.items()} == {"a": "s", "s": None, "b": "s", "c": None}
    asked = {(holding.rule, holding.key) for holding in holding_keys(found[2], events["b"], rules)}
    assert asked == {("spray", ("ben",)), ("spray", ("203.0.113.7",))}
    assert told(decision) == {"s": Occasion.OPENING, "c": Occasion.OPENING}


def test_two_rules_that_inhibit_each_other_keep_to_who_came_first() -> None:
    rules = {
        "guessing": rule(Each(), name="guessing", inhibits=("guessed",), quiet=timedelta(hours=1)),
        "guessed": rule(Each(), name="guessed", inhibits=("guessing",), quiet=timedelta(hours=1)),
    }
    decision = decided(finding("a", 10), finding("g", 11, by="guessed"), finding("b", 12), rules=rules)
    assert told(decision) == {"a": Occasion.OPENING}
    assert decision.incidents["g"].held_by == "a"
