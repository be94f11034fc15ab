"""What can be done at a message, and what became of it; whatever an incident holds, Slack takes it, and values say nothing."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from alertbot.handling import Sessions
from alertbot.incidents import About, Incident
from alertbot.outbox import Message
from alertbot.responses import acknowledge, ask_to_end_sessions, resolve, undo
from alertbot.sandbox.slack_limits import refusal, view_refusal
from alertbot.silences import Scope, new_silence, scopes
from alertbot.slack.actions import Hands, became, below, can_end_sessions, resolve_form, silence_form
from alertbot.slack.offer import offer
from alertbot.slack.press import Form, Press, read
from alertbot.slack.remarks import caller, escalation, silence_over
from alertbot.wishes import wish
from tests.people import ANNA, BEN, NOW_US, a_rule, event, incident

ZONE = ZoneInfo("Europe/Berlin")
HANDS = Hands(buttons=True, end_sessions=True)
TYPED = st.text(max_size=400)


def labels(one: Incident, hands: Hands = HANDS, **more: Any) -> list[str]:
    found = below(one, ZONE, hands, **more)
    elements = [element for block in found if block["type"] == "actions" for element in block["elements"]]
    return [(element.get("text") or element["placeholder"])["text"] for element in elements]


def shown(one: Incident, **more: Any) -> str:
    return json.dumps(below(one, ZONE, HANDS, **more), ensure_ascii=False)


def test_buttons_are_those_that_make_sense_now() -> None:
    new = incident()
    had = acknowledge(new, BEN, NOW_US).incident
    assert had is not None
    resolved = resolve(had, ANNA, NOW_US, "expected", "her phone").incident
    assert resolved is not None
    assert labels(new) == ["Acknowledge", "Resolve", "Silence…", "End sessions"]
    assert labels(had) == ["Resolve", "Silence…", "Undo", "End sessions"]
    assert labels(resolved) == ["Undo", "Reopen", "End sessions"]


def test_sessions_can_be_ended_where_the_key_may_the_person_is_known_and_nobody_did() -> None:
    assert "End sessions" not in labels(incident(), Hands(buttons=True))
    assert "End sessions" not in labels(incident(about=None))
    assert "End sessions" not in labels(incident(about=About(account="root", known=False)))
    ended = incident(sessions=Sessions(by="ben", at_us=NOW_US, answer="done (200)", ended=True))
    assert "End sessions" not in labels(ended)
    assert "All sessions ended" in shown(ended)
    failed = incident(sessions=Sessions(by="ben", at_us=NOW_US, answer="out of reach"))
    assert "End sessions" in labels(failed)
    assert "Sessions not ended" in shown(failed)


def test_what_an_address_did_to_many_offers_to_silence_the_address_and_ends_nobodys_sessions() -> None:
    spray = incident(fields=("ip",), key=("203.0.113.7",))
    assert not can_end_sessions(spray)
    assert can_end_sessions(incident(fields=("ip",), about=About(account="u", person="anna", known=True, success=True)))
    choices = scopes(None, "guessing", event())
    assert [one.name for one in choices] == ["account", "address", "rule"]
    for one, chosen in ((spray, "address"), (incident(), "account")):
        form = silence_form(one, "C1-1.0", choices)
        what = next(block for block in form["blocks"] if block.get("block_id") == "what")
        assert what["element"]["initial_option"]["value"] == chosen


def test_ending_sessions_is_asked_again_by_the_button_itself() -> None:
    [actions] = [block for block in below(incident(), ZONE, HANDS) if block["type"] == "actions"]
    confirm = actions["elements"][-1]["confirm"]
    assert "anna@example.com is logged out everywhere" in confirm["text"]["text"]


def test_what_is_told_elsewhere_has_no_buttons_and_says_what_became_of_it() -> None:
    had = acknowledge(incident(), BEN, NOW_US).incident
    assert had is not None
    for gone in ({"held_by": "other"}, {"merged_into": "other"}, {"withdrawn": True}):
        one = incident(**gone, work="acknowledged", by="ben", by_id=BEN.id, by_at_us=NOW_US)
        assert labels(one) == []
        assert "<@U024BE7LJ>* has it" in shown(one)
    assert not became(incident(), ZONE)


def test_without_a_socket_it_says_how_to_act_at_a_shell() -> None:
    [hint] = below(incident(), ZONE, Hands())
    assert "alertbot incidents acknowledge 0123456789abcdef0123" in hint["elements"][0]["text"]


def test_a_silence_shows_with_its_end_author_and_reason_and_can_be_ended() -> None:
    one = new_silence(
        Scope("rule", "", rule="guessing"), portal="main", since_us=NOW_US, until_us=NOW_US + 1, by="ben", reason="migration"
    )
    assert "Silenced until" in shown(incident(), silence=one)
    assert "migration" in shown(incident(), silence=one)
    assert labels(incident(), silence=one) == ["Acknowledge", "Resolve", "End the silence", "End sessions"]


def test_an_undone_step_shows() -> None:
    had = acknowledge(incident(), BEN, NOW_US).incident
    assert had is not None
    back = undo(had, BEN, NOW_US).incident
    assert back is not None
    assert "Undone: nobody has it" in shown(back)


def test_values_are_opaque_ids() -> None:
    for block in below(incident(), ZONE, HANDS):
        for element in block["elements"] if block["type"] == "actions" else ():
            values = [element.get("value"), *(option["value"] for option in element.get("options", ()))]
            assert {str(value).split(".")[0] for value in values if value} == {"0123456789abcdef0123"}
            assert "anna" not in str(values)


@given(person=TYPED, word=TYPED, by=TYPED, answer=TYPED, typed=TYPED)
def test_slack_takes_whatever_there_is(person: str, word: str, by: str, answer: str, typed: str) -> None:
    about = About(account=typed or "x", person=person, known=True, ip=typed)
    sessions = Sessions(by=by, at_us=NOW_US, answer=answer)
    one = incident(
        about=about, sessions=sessions, title=person or "x", work="resolved", by=by, word=word, turn=3, by_at_us=NOW_US
    )
    scope = Scope("account", "This account", (("account", typed or "x"),), named=person)
    silence = new_silence(scope, portal="main", since_us=NOW_US, until_us=NOW_US + 1, by=by, reason=word.strip() or "x")
    wanted = wish(one, event(account=typed or "x", ip=typed), (), by=by, why=word, at_us=NOW_US)
    parts = below(one, ZONE, HANDS, silence) + below(incident(about=about), ZONE, HANDS)[-1:]
    parts[-1]["block_id"] = "another"
    messages = [
        Message(text="x", blocks=tuple(parts)),
        offer(wanted, "rules/x.yml"),
        escalation(one, NOW_US - 1, NOW_US, ZONE),
        silence_over(silence, [one]),
    ]
    for message in messages:
        body = {"text": message.text, "blocks": list(message.blocks)}
        assert refusal(body) is None, body
        assert "<!" not in message.text.replace("<!date", "")
        for block in message.blocks:
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.to_dict()
    choices = scopes(a_rule(tags=("location",)), "guessing", event(country=person or None, account=typed or None))
    for view in (resolve_form(one, "C1-1.2", "expected"), silence_form(one, "C1-1.2", choices)):
        assert view_refusal(view) is None, view
        View(**view).to_dict()


def test_people_are_called_where_it_can_be_seen_first() -> None:
    header = {"type": "header", "text": {"type": "plain_text", "text": "x"}}
    message = Message(text="HIGH", blocks=(header, {"type": "divider"}))
    called = caller({"@oncall": "<!subteam^S1>"})(message, ["@oncall", "@unknown"])
    assert called.text == "HIGH · <!subteam^S1>"
    assert [block["type"] for block in called.blocks] == ["header", "section", "divider"]
    assert caller({})(message, ["@oncall"]) == message


# -- what comes back ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("id", "value", "type", "actions", "view")), inner)
    ),
    max_leaves=8,
)
PAYLOAD = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(("block_actions", "view_submission", "shortcut")) | JSON,
        "user": st.fixed_dictionaries({"id": st.just("U024BE7LH") | JSON}) | JSON,
        "team": JSON,
        "api_app_id": JSON,
        "container": st.fixed_dictionaries({"message_ts": st.just("1.2") | JSON}) | JSON,
        "channel": st.fixed_dictionaries({"id": st.just("C1") | JSON}) | JSON,
        "trigger_id": JSON,
        "actions": st.lists(
            st.fixed_dictionaries(
                {"action_id": st.just("alertbot.undo") | JSON, "value": st.just("ab.1") | JSON, "selected_option": JSON}
            ),
            max_size=2,
        )
        | JSON,
        "view": st.fixed_dictionaries(
            {
                "callback_id": st.just("alertbot.silence_form") | JSON,
                "private_metadata": st.just("ab.1.C1-1.2") | JSON,
                "state": JSON | st.fixed_dictionaries({"values": JSON}),
            }
        )
        | JSON,
    },
)


@given(PAYLOAD | JSON)
def test_whatever_arrives_is_read_or_left(payload: object) -> None:
    found = read(payload)
    assert found is None or isinstance(found, Press | Form)
    if found is not None:
        assert found.incident == "ab"
        assert found.sender.who.id


def test_a_claim_of_sessions_is_no_answer() -> None:
    asked = ask_to_end_sessions(incident(), BEN, NOW_US).incident
    assert asked is not None
    assert "no answer yet" in shown(asked)
