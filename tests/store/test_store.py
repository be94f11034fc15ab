"""What is stored, and how it comes out: everything of a poll at once, in order, and once."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertbot.errors import LostOwnership
from alertbot.event import Event, EventRef
from alertbot.finding import Finding, finding_id
from alertbot.incidents import Incident, LogEntry, Reason
from alertbot.outbox import Message, OutboxEntry
from alertbot.store.records import (
    FindingCount,
    IncidentCount,
    PollCommit,
    PortalState,
    RuleVersion,
    StoredFinding,
    StoredPerson,
)
from alertbot.store.store import Store

MAIN = PortalState(name="main")
MINUTE = 60_000_000


def login(id_: int, at_us: int, *, portal: str = "main", **fields: object) -> Event:
    return Event(portal=portal, id=id_, at_us=at_us, action_id=1000, **fields)  # type: ignore[arg-type]


def guessing(number: int, *, at_us: int, last_us: int | None = None, rule: str = "guessing", key: str = "anna") -> Finding:
    return Finding(
        id=finding_id("main", rule, "v1", (key,), EventRef(number)),
        rule=rule,
        version="v1",
        portal="main",
        fields=("account",),
        key=(key,),
        firing=EventRef(number),
        events=(EventRef(number),),
        first_us=at_us,
        at_us=at_us,
        last_us=at_us if last_us is None else last_us,
        count=1,
    )


def incident(id_: str, *, at_us: int = 0, key: str = "anna", over_at_us: int = MINUTE, **more: object) -> Incident:
    fields: dict[str, object] = {
        "portal": "main",
        "rule": "guessing",
        "version": "v1",
        "title": "Password guessing",
        "level": "high",
        "fields": ("account",),
        "key": (key,),
        "findings": {"f": 5},
        "first_us": at_us,
        "at_us": at_us,
        "last_us": at_us,
        "over_at_us": over_at_us,
    }
    return Incident(id=id_, **(fields | more))  # type: ignore[arg-type]


def ids(events: Iterable[Event]) -> list[int]:
    return [event.id for event in events]


def test_an_event_is_stored_once_however_often_a_poll_brings_it(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(1, 10), login(2, 20)]))
    store.commit_poll(PollCommit(state=MAIN, events=[login(2, 20, user="another"), login(3, 30), login(3, 30)]))
    stored = list(store.events("main"))
    assert ids(stored) == [1, 2, 3]
    assert stored[1].user is None


def test_events_come_in_the_order_of_the_fold(store: Store) -> None:
    given_events = [login(5, 30), login(4, 30), login(9, 10), login(4, 30, feed="audit"), login(2, 20)]
    store.commit_poll(PollCommit(state=MAIN, events=given_events))
    stored = list(store.events("main"))
    assert stored == sorted(given_events, key=lambda event: event.order)
    assert ids(store.events("main", after_us=10, until_us=20)) == [2]
    assert ids(store.events("main", feed="audit")) == [4]
    assert ids(store.events("other")) == []


def test_a_stream_of_events_is_of_the_moment_at_which_it_began(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(n, n) for n in range(1, 11)]))
    stream = store.events("main")
    first = next(stream)
    store.commit_poll(PollCommit(state=MAIN, events=[login(n, n) for n in range(11, 21)]))
    assert ids([first, *stream]) == list(range(1, 11))
    assert len(ids(store.events("main"))) == 20


def test_a_stream_that_is_not_read_to_its_end_holds_up_nobody(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(n, n) for n in range(1, 20_001)]))
    streams = [store.events("main") for _ in range(8)]
    assert [next(stream).id for stream in streams] == [1] * 8
    store.commit_poll(PollCommit(state=MAIN, events=[login(30_000, 30_000)]))
    for stream in streams:
        stream.close()


HOSTILE = st.text(st.characters(), max_size=600)


def whole(text: str) -> str:
    """A text as it is stored: half a surrogate pair is no character."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE, other=HOSTILE, at_us=st.integers(0, 2**52))
def test_whatever_an_outsider_typed_is_stored_and_found_again(store: Store, text: str, other: str, at_us: int) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(7, at_us, login=text, account=text, ip=text, user=other)]))
    kept, kept_other = whole(text), whole(other)
    event = login(7, at_us, login=kept, account=kept, ip=kept, user=kept_other)
    assert list(store.events("main")) == [event]
    assert store.logins_of_account("main", text, until_us=at_us, limit=5) == [event]
    assert store.logins_of_account("main", text + other + ".", until_us=at_us, limit=5) == []
    opened = incident("i", key=text)
    store.commit_poll(PollCommit(state=MAIN, incidents=[opened]))
    assert store.open_incidents("main", "guessing", [(text,)]) == [opened]
    assert store.prune(MAIN, at_us + 1) == 1


@pytest.mark.parametrize("text", ["nul\x00", "\ud800 alone", "\x01", "x" * 100_000, "x" * 99_999 + "y"])
def test_text_that_no_database_likes_is_stored(store: Store, text: str) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(1, 1, login=text, account=text, ip=text)]))
    (stored,) = store.events("main")
    assert stored.account == text.replace("\ud800", "\ufffd")
    assert store.logins_of_account("main", text, until_us=1, limit=1) == [stored]
    assert store.logins_of_account("main", text[:-1], until_us=1, limit=1) == []


def test_what_an_account_does_in_the_portal_does_not_hide_its_logins(store: Store) -> None:
    acts = [login(n, 10 + n, account="anna", feed="audit") for n in range(50)]
    store.commit_poll(PollCommit(state=MAIN, events=[login(1, 5, account="anna"), *acts]))
    assert [event.at_us for event in store.logins_of_account("main", "anna", until_us=99, limit=5)] == [5]


def test_events_are_found_by_what_a_finding_keeps_of_them(store: Store) -> None:
    events = [login(1, 30), login(1, 10, feed="audit"), login(2, 20)]
    store.commit_poll(PollCommit(state=MAIN, events=events))
    assert store.events_by_ref("main", [event.ref for event in events]) == [events[1], events[2], events[0]]
    assert store.events_by_ref("main", [EventRef(98)]) == []
    assert store.events_by_ref("other", [events[0].ref]) == []


def test_the_reader_is_given_what_is_stored_of_a_time(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, events=[login(1, 10), login(2, 20), login(3, 20, feed="audit")]))
    assert store.ids("main", "login", 20, 20) == [(2, 20)]
    assert sorted(store.ids("main", "login", 10, 20)) == [(1, 10), (2, 20)]
    assert store.ids("main", "login", 0, 9) == store.ids("main", "login", 21, sys.maxsize) == []


def test_covered_ranges_are_replaced_for_the_feeds_that_a_poll_names(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, coverage={"login": [(1, 5), (9, 12)], "audit": [(2, 3)]}))
    store.commit_poll(PollCommit(state=MAIN, coverage={"login": [(1, 12)]}))
    assert store.coverage("main", "login") == [(1, 12)]
    assert store.coverage("main", "audit") == [(2, 3)]
    assert store.coverage("other", "login") == []


def test_a_portal_begins_at_nothing_and_asking_makes_no_row(store: Store) -> None:
    assert store.portal("main") == MAIN
    assert store.portals() == []
    watching = msgspec.structs.replace(MAIN, watching_since_us=5, rebuild_from_us=3, plan="no audit", last_poll_us=9)
    store.commit_poll(PollCommit(state=watching))
    assert store.portal("main") == watching
    store.commit_poll(PollCommit(state=msgspec.structs.replace(watching, rebuild_from_us=None)))
    assert store.portal("main").rebuild_from_us is None


def test_a_poll_of_another_owner_leaves_everything_as_it_was(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN))
    stranger = msgspec.structs.replace(MAIN, owner=2, watching_since_us=7)
    with pytest.raises(LostOwnership):
        store.commit_poll(PollCommit(state=stranger, events=[login(1, 1)], log=[_step("opened")]))
    with pytest.raises(LostOwnership):
        store.prune(stranger, 10)
    assert store.portal("main") == MAIN
    assert list(store.events("main")) == []
    assert store.incident_log("i") == []


def _step(reason: str, at_us: int = 1) -> LogEntry:
    return LogEntry(incident="i", at_us=at_us, who="alertbot", reason=Reason(reason), detail="\x00 from NUL to \U0001f600")


def test_findings_are_read_by_when_they_were_touched_last(store: Store) -> None:
    old, grown, new = guessing(1, at_us=10), guessing(2, at_us=20, last_us=95), guessing(3, at_us=90)
    stored = [StoredFinding(finding=f, history=f is old, incident=None if f is old else "i") for f in (old, grown, new)]
    store.commit_poll(PollCommit(state=MAIN, findings=stored))
    assert store.findings("main") == stored
    assert store.findings("main", touched_since_us=90) == stored[1:]
    assert store.findings_by_id([old.id, "none"]) == {old.id: stored[0]}
    assert store.findings("other") == []


def test_a_finding_that_grows_replaces_itself_and_one_that_is_gone_says_why(store: Store) -> None:
    found = guessing(1, at_us=10)
    store.commit_poll(PollCommit(state=MAIN, findings=[StoredFinding(finding=found)]))
    grown = StoredFinding(finding=msgspec.structs.replace(found, last_us=30, count=2), incident="i")
    store.commit_poll(PollCommit(state=MAIN, findings=[grown]))
    assert store.findings("main") == [grown]
    store.commit_poll(PollCommit(state=MAIN, gone={found.id: "late events"}))
    assert store.findings("main") == []
    assert store.findings("main", with_gone=True)[0].gone == "late events"
    assert store.findings_by_id([found.id])[found.id].gone == "late events"
    store.commit_poll(PollCommit(state=MAIN, findings=[grown]))
    assert store.findings("main") == [grown]


def test_incidents_are_found_by_key_in_any_case_of_letters(store: Store) -> None:
    over = incident("a", at_us=1, phase="over")
    going_on = incident("b", at_us=2, key="ANNA")
    other = incident("c", at_us=3, key="ben")
    store.commit_poll(PollCommit(state=MAIN, incidents=[over, going_on, other]))
    assert store.open_incidents("main", "guessing", [("anna",)]) == [going_on]
    assert store.latest_incidents("main", "guessing", [("Anna",), ("ben",), ("nobody",)]) == [going_on, other]
    assert store.open_incidents("main", "spray", [("anna",)]) == []
    assert store.open_incidents("other", "guessing", [("anna",)]) == []
    assert store.incident("c") == other
    assert store.incident("none") is None


def test_many_keys_at_once_are_no_burden(store: Store) -> None:
    all_of_them = [incident(f"i{n}", key=f"key{n}") for n in range(1_200)]
    store.commit_poll(PollCommit(state=MAIN, incidents=all_of_them))
    found = store.open_incidents("main", "guessing", [(f"KEY{n}",) for n in range(1_200)])
    assert {each.id for each in found} == {each.id for each in all_of_them}


def test_incidents_whose_quiet_time_has_ended_are_due(store: Store) -> None:
    first, second = incident("a", over_at_us=5), incident("b", over_at_us=3)
    later, over = incident("c", over_at_us=7), incident("d", over_at_us=1, phase="over")
    store.commit_poll(PollCommit(state=MAIN, incidents=[first, second, later, over]))
    assert store.due_incidents("main", 5) == [second, first]
    assert store.due_incidents("other", 5) == []
    closed = msgspec.structs.replace(second, phase="over", work="acknowledged")
    store.commit_poll(PollCommit(state=MAIN, incidents=[closed]))
    assert store.due_incidents("main", 5) == [first]
    assert store.incidents(phase="over", work="acknowledged") == [closed]
    assert len(store.incidents(portal="main")) == 4


def test_the_log_of_an_incident_only_grows(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, log=[_step("opened"), _step("extended", at_us=9)]))
    store.commit_poll(PollCommit(state=MAIN, log=[_step("over", at_us=5)]))
    assert [step.reason for step in store.incident_log("i")] == ["opened", "extended", "over"]
    assert store.incident_log("i")[0].detail == "\x00 from NUL to \U0001f600"


def test_rule_versions_keep_since_when_they_are_in_force(store: Store) -> None:
    first = RuleVersion(portal="main", rule="guessing", version="v1", since_us=5, title="Guessing", level="high")
    second = msgspec.structs.replace(first, version="v2", since_us=9)
    store.commit_poll(PollCommit(state=MAIN, rule_versions=[second, first]))
    store.commit_poll(PollCommit(state=MAIN, rule_versions=[msgspec.structs.replace(first, title="Password guessing")]))
    assert [(v.version, v.since_us, v.title) for v in store.rule_versions("main")] == [
        ("v1", 5, "Password guessing"),
        ("v2", 9, "Guessing"),
    ]


def test_the_directory_is_replaced_as_a_whole(store: Store) -> None:
    everybody = [StoredPerson("anna", b"{}"), StoredPerson("ben", b'{"name":"Ben"}')]
    store.commit_poll(PollCommit(state=MAIN, people=everybody))
    assert store.people("main") == everybody
    store.commit_poll(PollCommit(state=MAIN))
    assert store.people("main") == everybody
    store.commit_poll(PollCommit(state=MAIN, people=everybody[1:]))
    assert store.people("main") == everybody[1:]


def test_retention_deletes_events_and_keeps_from_when_the_rest_is(store: Store) -> None:
    events = [login(n, n) for n in range(1, 11)]
    store.commit_poll(PollCommit(state=MAIN, events=events, findings=[StoredFinding(finding=guessing(1, at_us=2))]))
    assert store.prune(MAIN, 6) == 5
    assert ids(store.events("main")) == [6, 7, 8, 9, 10]
    assert store.portal("main").kept_from_us == 6
    assert len(store.findings("main")) == 1
    assert store.prune(store.portal("main"), 3) == 0
    assert store.portal("main").kept_from_us == 6


def test_the_store_in_numbers(store: Store) -> None:
    version = RuleVersion(portal="main", rule="guessing", version="v1", since_us=0, title="Guessing", level="high")
    findings = [StoredFinding(finding=guessing(n, at_us=n), history=n < 3) for n in range(1, 6)]
    unknown = StoredFinding(finding=guessing(9, at_us=9, rule="unheard"))
    entries = [OutboxEntry(id=f"o{n}", created_us=1, kind="opening", channel="#a", message=Message(text="x")) for n in (1, 2)]
    store.commit_poll(
        PollCommit(
            state=MAIN,
            events=[login(1, 10), login(2, 30)],
            findings=[*findings, unknown],
            gone={findings[4].finding.id: "late"},
            rule_versions=[version],
            incidents=[incident("a"), incident("b"), incident("c", phase="over")],
            outbox=entries,
        )
    )
    counts = store.counts()
    assert [(e.portal, e.count, e.first_us, e.last_us) for e in counts.events] == [("main", 2, 10, 30)]
    assert set(counts.findings) == {
        FindingCount(portal="main", rule="guessing", title="Guessing", level="high", history=True, count=2),
        FindingCount(portal="main", rule="guessing", title="Guessing", level="high", history=False, count=2),
        FindingCount(portal="main", rule="unheard", title="unheard", level="medium", history=False, count=1),
    }
    assert set(counts.incidents) == {
        IncidentCount(portal="main", level="high", phase="going_on", work="new", count=2),
        IncidentCount(portal="main", level="high", phase="over", work="new", count=1),
    }
    assert counts.outbox == {"waiting": 2}


def test_notes_are_kept_and_dropped(store: Store) -> None:
    assert store.meta("first_start") is None
    store.set_meta("first_start", "done\x00")
    assert store.meta("first_start") == "done\ufffd"
    store.set_meta("first_start", None)
    assert store.meta("first_start") is None


def test_large_numbers_survive(store: Store) -> None:
    event = login(2**62, sys.maxsize)
    store.commit_poll(PollCommit(state=MAIN, events=[event]))
    assert list(store.events("main")) == [event]


def test_incidents_near_in_time_open_work_and_those_of_a_rule_are_found(store: Store) -> None:
    kept = [
        incident("old", at_us=0, key="Anna"),
        incident("near", at_us=90, key="anna"),
        incident("other", at_us=95, key="ben", phase="over"),
        incident("done", at_us=99, key="cem", phase="over", work="resolved"),
    ]
    store.commit_poll(PollCommit(state=MAIN, incidents=kept))
    assert [one.id for one in store.near_incidents("main", "guessing", [("ANNA",)], 50, 100)] == ["near"]
    assert [one.id for one in store.near_incidents("main", "guessing", [("anna",)], 0, 100)] == ["old", "near"]
    assert [one.id for one in store.open_incidents("main", "guessing")] == ["old", "near"]
    assert [one.id for one in store.open_work("main", 0, 10)] == ["other", "near", "old"]
    assert [one.id for one in store.open_work("main", 91, 10)] == ["other"]
    assert [one.id for one in store.incidents_of_rule("main", "guessing", 90)] == ["near", "other", "done"]
    assert store.count_incidents("main", "guessing", 95) == 2


def test_notes_of_a_poll_replace_those_of_the_same_name(store: Store) -> None:
    store.commit_poll(PollCommit(state=MAIN, notes={"storms:main": "[1]"}))
    store.commit_poll(PollCommit(state=MAIN, notes={"storms:main": "[]"}))
    assert store.meta("storms:main") == "[]"
