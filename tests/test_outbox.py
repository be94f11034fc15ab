"""The way of an outbox entry: what each answer of Slack's means for it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot.errors import (
    SlackCredential,
    SlackError,
    SlackGone,
    SlackNeverLeft,
    SlackNotNow,
    SlackPayload,
    SlackPlace,
    SlackUnknownOutcome,
    SlackWait,
)
from alertbot.outbox import (
    Due,
    Message,
    OutboxEntry,
    Place,
    Policy,
    claimed,
    entry_id,
    failed,
    look_failed,
    looked,
    lost,
    next_step,
    priority_of,
    refused,
    shown,
    stands,
)

SECOND = 1_000_000
NOW = 1_768_471_440 * SECOND
POLICY = Policy(fallback="#fallback")
WEBHOOK = Policy(can_look=False)
HERE = Place("C1", "1768471440.000100")

WAITING = OutboxEntry(
    id="o1",
    created_us=NOW,
    kind="opening",
    channel="#security",
    message=Message(text="Five failures &amp; a lock", blocks=({"type": "divider"},), colour="#d00000"),
)
SENDING = claimed(Due(WAITING), NOW).entry

NO_ANSWER = SlackUnknownOutcome("time-out", answered=False)
INTERNAL_ERROR = SlackUnknownOutcome("internal_error", "internal_error", answered=True)


def test_an_entry_is_claimed_sent_and_done() -> None:
    assert next_step(WAITING, NOW) == "send"
    assert SENDING.state == "sending"
    assert SENDING.claimed_us == NOW
    assert next_step(SENDING, NOW) == "wait"
    sent = stands(SENDING, HERE, NOW + 5)
    assert (sent.state, sent.place, sent.settled_us, sent.error) == ("sent", HERE, NOW + 5, None)
    assert next_step(sent, NOW + 99 * SECOND) == "done"


def test_after_an_answer_that_leaves_it_open_one_look_is_enough() -> None:
    unknown = failed(SENDING, INTERNAL_ERROR, NOW, POLICY)
    assert unknown.state == "unknown"
    assert next_step(unknown, NOW) == "wait"
    assert next_step(unknown, NOW + SECOND) == "look"
    again = looked(unknown, None, NOW + SECOND, POLICY)
    assert (again.state, next_step(again, NOW + SECOND)) == ("waiting", "send")
    assert not again.repeat


def test_after_no_answer_it_is_looked_for_half_a_minute_before_it_is_sent_again() -> None:
    entry, now = failed(SENDING, NO_ANSWER, NOW, POLICY), NOW
    looks = []
    while next_step(entry, now) != "send":
        now = max(now + 1, entry.not_before_us)
        assert next_step(entry, now) == "look"
        looks.append((now - NOW) // SECOND)
        entry = looked(entry, None, now, POLICY)
    assert looks == [1, 2, 4, 8, 16, 30]
    assert entry.state == "waiting"


def test_what_a_look_finds_is_sent() -> None:
    unknown = failed(SENDING, NO_ANSWER, NOW, POLICY)
    found = looked(unknown, HERE, NOW + SECOND, POLICY)
    assert (found.state, found.place) == ("sent", HERE)


def test_a_crash_while_sending_is_as_if_no_answer_had_come() -> None:
    soon = lost(SENDING, NOW + 2 * SECOND, POLICY)
    assert soon.state == "unknown"
    assert looked(soon, None, NOW + 2 * SECOND, POLICY).state == "unknown"
    hours_later = lost(SENDING, NOW + 3_600 * SECOND, POLICY)
    assert next_step(hours_later, NOW + 3_600 * SECOND) == "look"
    assert looked(hours_later, None, NOW + 3_600 * SECOND, POLICY).state == "waiting"


def test_behind_a_webhook_it_is_sent_again_and_says_that_it_may_be_a_repeat() -> None:
    for again in (failed(SENDING, NO_ANSWER, NOW, WEBHOOK), lost(SENDING, NOW, WEBHOOK)):
        assert (again.state, again.repeat) == ("waiting", True)
        assert "may be a repeat" in shown(again).text
        assert "may be a repeat" not in shown(again, mark_repeat=False).text


def test_an_update_can_be_repeated_without_a_look() -> None:
    update = msgspec.structs.replace(SENDING, update_of="o0")
    again = failed(update, NO_ANSWER, NOW, POLICY)
    assert (again.state, again.repeat) == ("waiting", False)


def test_a_wait_that_slack_asks_for_is_not_a_failed_try() -> None:
    waits = failed(SENDING, SlackWait("wait", timedelta(seconds=7)), NOW, POLICY)
    assert (waits.state, waits.attempts, waits.not_before_us) == ("waiting", 0, NOW + 7 * SECOND)
    assert failed(SENDING, SlackWait("wait", timedelta(days=7)), NOW, POLICY).not_before_us == NOW + 3_600 * SECOND


@pytest.mark.parametrize(
    "error", [SlackNeverLeft("refused"), SlackNotNow("later", "service_unavailable"), SlackCredential("no", "invalid_auth")]
)
def test_what_concerns_all_entries_leaves_this_one_ready(error: SlackError) -> None:
    waits = failed(SENDING, error, NOW, POLICY)
    assert (next_step(waits, NOW), waits.attempts, waits.error) == ("send", 1, str(error))
    assert waits.message == WAITING.message


def test_a_refused_content_is_tried_as_short_plain_text_then_elsewhere_and_then_kept() -> None:
    error = SlackPayload("Slack refused it: invalid_blocks", "invalid_blocks")
    plain = failed(SENDING, error, NOW, POLICY)
    assert (next_step(plain, NOW), shown(plain)) == ("send", Message(text=WAITING.message.text))
    elsewhere = failed(plain, error, NOW, POLICY)
    assert (elsewhere.channel, elsewhere.meant_for, next_step(elsewhere, NOW)) == ("#fallback", "#security", "send")
    kept = failed(elsewhere, error, NOW, POLICY)
    assert (kept.state, kept.error, kept.message) == ("refused", str(error), WAITING.message)
    assert failed(plain, error, NOW, Policy()).state == "refused"


def test_plain_text_is_short_and_breaks_no_escape() -> None:
    long = msgspec.structs.replace(SENDING, message=Message(text="a" * 2_897 + "&amp;" + "b" * 99), plain=True)
    assert shown(long).text == "a" * 2_897 + " …"


def test_a_channel_that_is_closed_to_the_bot_is_replaced_by_the_fallback_with_a_note() -> None:
    reply = msgspec.structs.replace(SENDING, thread_of="o0")
    moved = failed(reply, SlackPlace("no", "is_archived"), NOW, POLICY)
    assert (moved.channel, moved.thread_of, next_step(moved, NOW)) == ("#fallback", None, "send")
    assert shown(moved).text.startswith("Meant for #security, where Slack does not let alertbot post.\n")
    assert shown(moved).blocks[1:] == WAITING.message.blocks
    assert shown(moved).colour == "#d00000"


def test_where_no_channel_takes_it_it_is_kept_and_tried_again_slowly() -> None:
    error = SlackPlace("no", "channel_not_found")
    both = failed(failed(SENDING, error, NOW, POLICY), error, NOW, POLICY)
    assert (both.channel, both.meant_for, both.state) == ("#security", None, "waiting")
    assert (next_step(both, NOW + 299 * SECOND), next_step(both, NOW + 300 * SECOND)) == ("wait", "send")
    assert failed(SENDING, error, NOW, Policy()).not_before_us == NOW + 300 * SECOND


def test_an_update_of_a_closed_message_becomes_a_reply_and_of_one_that_is_gone_a_message() -> None:
    update = msgspec.structs.replace(SENDING, update_of="o0")
    closed = failed(update, SlackGone("closed", "edit_window_closed"), NOW, POLICY)
    assert (closed.update_of, closed.thread_of, next_step(closed, NOW)) == (None, "o0", "send")
    gone = failed(update, SlackGone("gone", "message_not_found"), NOW, POLICY)
    assert (gone.refers_to, next_step(gone, NOW)) == (None, "send")


def test_an_entry_whose_first_message_stands_nowhere_stands_for_itself() -> None:
    update = msgspec.structs.replace(WAITING, update_of="o0")
    alone = claimed(Due(update), NOW)
    assert (alone.orphan, alone.entry.refers_to) == (True, None)
    assert claimed(Due(update, HERE), NOW).entry.update_of == "o0"


def test_a_look_that_fails_says_nothing_so_nothing_is_sent() -> None:
    unknown = failed(SENDING, NO_ANSWER, NOW, POLICY)
    for seconds in (1, 40, 4_000):
        now = NOW + seconds * SECOND
        still = look_failed(unknown, SlackNotNow("later"), now, POLICY)
        assert still.state == "unknown"
        assert now < still.not_before_us <= now + 30 * SECOND
    waits = look_failed(unknown, SlackWait("wait", timedelta(seconds=9)), NOW, POLICY)
    assert (waits.state, waits.not_before_us) == ("unknown", NOW + 9 * SECOND)


def test_where_the_bot_may_never_look_it_is_sent_again_in_the_end_and_marked() -> None:
    unknown = failed(SENDING, NO_ANSWER, NOW, POLICY)
    may_not = SlackCredential("no", "missing_scope")
    assert look_failed(unknown, may_not, NOW + 29 * SECOND, POLICY).state == "unknown"
    again = look_failed(unknown, may_not, NOW + 30 * SECOND, POLICY)
    assert (again.state, again.repeat) == ("waiting", True)
    assert "may be a repeat" in shown(again).text
    assert look_failed(unknown, SlackCredential("no", "token_revoked"), NOW + 31 * SECOND, POLICY).state == "unknown"


def test_a_clock_that_was_set_back_holds_nothing_up_for_long() -> None:
    waits = failed(SENDING, SlackPlace("no", "is_archived"), NOW, Policy())
    assert next_step(waits, NOW - 86_400 * SECOND) == "send"
    unknown = failed(SENDING, NO_ANSWER, NOW, POLICY)
    earlier = NOW - 600 * SECOND
    looked_at = looked(unknown, None, earlier, POLICY)
    assert looked_at.look_until_us == earlier + 30 * SECOND
    assert looked(looked_at, None, earlier + 30 * SECOND, POLICY).state == "waiting"


def test_levels_have_their_place_in_the_queue() -> None:
    levels = ("critical", "high", "medium", "low", "informational")
    assert [priority_of(level) for level in levels] == [0, 1, 2, 3, 4]


def test_an_entry_keeps_its_id_and_tells_nothing_by_it() -> None:
    assert entry_id("incident", "anna@example.com") == entry_id("incident", "anna@example.com")
    assert entry_id("a", "bc") != entry_id("ab", "c")
    assert entry_id("\ud800").isalnum()


ERRORS = st.sampled_from(
    [
        SlackWait("wait", timedelta(seconds=5)),
        NO_ANSWER,
        INTERNAL_ERROR,
        SlackNeverLeft("refused"),
        SlackNotNow("later"),
        SlackPayload("bad", "invalid_blocks"),
        SlackPlace("no", "not_in_channel"),
        SlackCredential("no", "token_expired"),
        SlackGone("gone", "message_not_found"),
        SlackError("new", "something_new"),
    ]
)
POLICIES = st.sampled_from([POLICY, Policy(), WEBHOOK])
REFERENCES = st.sampled_from([{}, {"thread_of": "o0"}, {"update_of": "o0"}])


@given(answers=st.lists(ERRORS, max_size=30), policy=POLICIES, reference=REFERENCES)
def test_whatever_slack_answers_an_entry_is_kept_and_never_sent_twice_without_a_look(
    answers: list[SlackError], policy: Policy, reference: dict[str, str]
) -> None:
    """It is at every moment to be sent, to be looked up, waiting for a time that comes, sent, or refused with its content."""
    entry, now = msgspec.structs.replace(WAITING, **reference), NOW
    maybe_standing = False
    for answer in answers:
        assert entry.message == WAITING.message
        now = max(now, entry.not_before_us)
        step = next_step(entry, now)
        if step == "done":
            assert entry.state == "refused"
            assert entry.plain
            return
        if step == "look":
            assert policy.can_look
            entry = looked(entry, None, now, policy)
            maybe_standing = entry.state == "unknown"
            continue
        assert step == "send"
        assert not maybe_standing or entry.repeat or entry.update_of
        entry = failed(claimed(Due(entry, HERE if reference else None), now).entry, answer, now, policy)
        maybe_standing = isinstance(answer, SlackUnknownOutcome) and entry.update_of is None
        assert entry.not_before_us <= now + 3_600 * SECOND


def test_what_cannot_be_carried_is_kept_with_the_reason() -> None:
    kept = refused(SENDING, "an incoming webhook can neither reply nor update", NOW)
    assert (kept.state, kept.settled_us, kept.message) == ("refused", NOW, WAITING.message)
