"""The outbox in the store: whose turn it is."""

from __future__ import annotations

import msgspec

from alertbot.outbox import Due, Message, OutboxEntry, Place, refused, stands
from alertbot.store.records import PollCommit, PortalState
from alertbot.store.store import Store

HOUR = 3_600_000_000


def entry(id_: str, *, channel: str = "#a", **more: object) -> OutboxEntry:
    text = Message(text=f"{id_} \x00 <&>", blocks=({"type": "divider"},), colour="#d00000")
    fields = {"id": id_, "created_us": 1, "kind": "opening", "channel": channel, "message": text}
    return OutboxEntry(**(fields | more))  # type: ignore[arg-type]


def put(store: Store, *entries: OutboxEntry) -> None:
    store.commit_poll(PollCommit(state=PortalState(name="main"), outbox=entries))


def names(taken: list[Due]) -> list[str]:
    return [due.entry.id for due in taken]


def test_an_entry_comes_out_as_it_went_in(store: Store) -> None:
    written = entry("o1", portal="main", incident="i", thread_of="o0", priority=1, error="was \ud800 broken")
    put(store, written)
    assert store.entries() == [msgspec.structs.replace(written, error="was \ufffd broken")]
    assert store.entries(incident="i", ids=["o1"], state="waiting") == store.entries()
    assert store.entries(state="sent") == []


def test_an_entry_is_written_once(store: Store) -> None:
    put(store, entry("o1"))
    (taken,) = store.claim(5)
    put(store, entry("o1"), entry("o2"))
    assert [each.state for each in store.entries()] == ["sending", "waiting"]
    assert taken.entry.claimed_us == 5


def test_the_most_urgent_of_each_channel_is_taken_then_the_oldest(store: Store) -> None:
    put(store, entry("low", priority=3), entry("first", priority=1), entry("second", priority=1), entry("b", channel="#b"))
    assert names(store.claim(5)) == ["first", "b"]
    assert names(store.claim(5, busy=["#b"])) == ["second"]
    assert names(store.claim(5)) == ["low"]
    assert names(store.claim(5)) == []


def test_the_limit_is_kept_by_urgency(store: Store) -> None:
    put(store, *(entry(f"o{n}", channel=f"#{n}", priority=9 - n) for n in range(5)))
    assert names(store.claim(5, limit=2)) == ["o4", "o3"]


def test_an_entry_waits_for_its_time_and_holds_up_nobody(store: Store) -> None:
    put(store, entry("later", not_before_us=90), entry("now", priority=4))
    assert store.next_due_us(5) == 90
    assert names(store.claim(5)) == ["now"]
    assert names(store.claim(89)) == []
    assert names(store.claim(90)) == ["later"]
    assert store.next_due_us(90) is None


def test_an_entry_that_waits_until_far_away_was_written_before_the_clock_was_set_back(store: Store) -> None:
    put(store, entry("o1", not_before_us=50 * HOUR))
    assert names(store.claim(49 * HOUR)) == []
    assert names(store.claim(48 * HOUR)) == ["o1"]


def test_a_reply_waits_until_its_message_stands_and_knows_where(store: Store) -> None:
    put(store, entry("first"), entry("reply", thread_of="first"), entry("other"))
    (due,) = store.claim(5)
    assert names(store.claim(5, busy=[])) == ["other"]
    assert store.claim(5) == []
    store.settle([stands(due.entry, Place("C1", "17.5"), 6)])
    (reply,) = store.claim(7)
    assert (reply.entry.id, reply.target, reply.orphan) == ("reply", Place("C1", "17.5"), False)


def test_a_reply_to_what_slack_refused_for_good_stands_for_itself(store: Store) -> None:
    put(store, entry("first"), entry("reply", thread_of="first"), entry("lonely", channel="#b", thread_of="nowhere"))
    (first, lonely) = store.claim(5)
    assert lonely.orphan
    store.settle([refused(first.entry, "invalid_blocks", 6)])
    (reply,) = store.claim(7)
    assert (reply.entry.id, reply.entry.thread_of, reply.orphan) == ("reply", None, True)
    assert store.entries(ids=["reply"])[0].thread_of is None


def test_updates_of_one_message_come_in_their_order(store: Store) -> None:
    sent = stands(entry("first"), Place("C1", "17.5"), 1)
    put(store, sent, entry("u1", update_of="first", not_before_us=50), entry("u2", update_of="first", priority=0))
    assert names(store.claim(5)) == []
    (due,) = store.claim(50)
    assert (due.entry.id, due.target) == ("u1", Place("C1", "17.5"))
    assert store.claim(50) == []
    store.settle([stands(due.entry, due.target, 51)])
    assert names(store.claim(52)) == ["u2"]


def test_what_is_unknown_is_looked_up_when_its_time_comes_except_what_is_in_work(store: Store) -> None:
    put(store, entry("o1", state="unknown", not_before_us=7), entry("o2", state="unknown", not_before_us=6), entry("o3"))
    assert names(store.lookups(5)) == []
    assert names(store.lookups(7)) == ["o2", "o1"]
    assert names(store.lookups(7, limit=1)) == ["o2"]
    assert names(store.lookups(7, busy=["o2"])) == ["o1"]
    assert store.next_due_us(5) == 6
    assert names(store.claim(99)) == ["o3"]


def test_what_became_of_an_entry_is_written_down(store: Store) -> None:
    put(store, entry("o1"))
    changed = entry("o1", state="unknown", attempts=3, not_before_us=4, claimed_us=5, look_until_us=6, plain=True, repeat=True)
    store.settle([changed])
    assert store.entries() == [changed]
    moved = msgspec.structs.replace(changed, state="waiting", channel="#b", meant_for="#a", error="not_in_channel")
    store.settle([moved])
    assert store.entries() == [moved]
    assert store.counts().outbox == {"waiting": 1}


def test_an_update_that_waits_takes_in_the_newer_state(store: Store) -> None:
    put(store, entry("first"))
    (first,) = store.claim(5)
    store.settle([stands(first.entry, Place("C", "1.0"), 6)])
    put(store, entry("u1", kind="update", update_of="first", not_before_us=90))
    put(store, entry("u2", kind="update", update_of="first", not_before_us=99))
    (waiting,) = store.entries(state="waiting")
    assert (waiting.id, waiting.not_before_us, waiting.message.text) == ("u1", 90, entry("u2").message.text)
    (taken,) = store.claim(100)
    put(store, entry("u3", kind="update", update_of="first"))
    assert [each.id for each in store.entries(state="waiting")] == ["u3"]
    assert taken.entry.message.text == entry("u2").message.text


def test_a_message_that_waits_is_sent_as_it_stands_then(store: Store) -> None:
    put(store, entry("first"), entry("u1", kind="update", update_of="first"))
    assert [(each.id, each.message.text) for each in store.entries()] == [("first", entry("u1").message.text)]


def test_what_another_entry_tells_of_is_not_sent_any_more(store: Store) -> None:
    put(store, entry("old"), entry("reply", thread_of="old"), entry("on its way", channel="#b"), entry("other"))
    store.claim(5, busy=["#a"])
    poll = PollCommit(state=PortalState(name="main"), summed=["old", "on its way"], outbox=[entry("summary")])
    store.commit_poll(poll)
    states = {each.id: each.state for each in store.entries()}
    assert states == {"old": "summed", "reply": "summed", "on its way": "sending", "other": "waiting", "summary": "waiting"}
    assert names(store.claim(6, busy=["#b"])) == ["other"]


def test_messages_of_incidents_that_wait_for_long_are_found(store: Store) -> None:
    put(
        store,
        entry("a", portal="main", incident="i1", created_us=10),
        entry("b", portal="main", incident="i2", created_us=50),
        entry("c", portal="main", created_us=10),
        entry("d", portal="main", incident="i1", created_us=10, thread_of="a"),
        entry("e", portal="other", incident="i3", created_us=10),
    )
    assert store.old_openings("main", 20) == {"a": "i1"}


def test_where_linked_messages_stand_comes_with_the_entry(store: Store) -> None:
    put(store, entry("first"))
    (first,) = store.claim(5)
    store.settle([stands(first.entry, Place("C", "1.0"), 6)])
    put(store, entry("second", message=Message(text="x", links=("first", "nowhere"))))
    (due,) = store.claim(7)
    assert due.links == {"first": Place("C", "1.0")}
