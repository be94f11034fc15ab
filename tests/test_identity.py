"""Who: failures and successes of one person share no raw field, only the directory joins them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertbot.event import GUEST_ID, Event
from alertbot.identity import Directory, account_of, enrich, identify, learn_people, needs_lookup
from alertbot.portal.people import Person

ANNA = Person(
    id="66faa6e4",
    email="Anna@Example.com",
    name="Anna Berg",
    role="owner",
    groups=("IT",),
    status="active",
    tfa=True,
)
BEN = Person(id="7777", email="ben@example.com", name="Ben Holt", role="user", status="terminated")
TWIN_1 = Person(id="t1", email="kim1@example.com", name="Kim Lee", status="active")
TWIN_2 = Person(id="t2", email="kim2@example.com", name="kim  lee", status="pending")
STAFF = Directory([ANNA, BEN, TWIN_1, TWIN_2])


def _failure(login: str | None, **more: Any) -> Event:
    return Event(
        portal="p", id=1, at_us=0, action_id=1002, outcome="failure", user_id=GUEST_ID, user=login, login=login, **more
    )


def _success(user_id: str, **more: Any) -> Event:
    return Event(portal="p", id=2, at_us=0, action_id=1029, outcome="success", user_id=user_id, **more)


@pytest.mark.parametrize("login", ["anna@example.com", "ANNA@EXAMPLE.COM", "  anna@example.com\t", "Anna Berg", "anna  berg "])
def test_a_failure_belongs_to_whose_login_was_typed(login: str) -> None:
    """E-mail in any letter case and a unique display name lead to the person."""
    event = identify(_failure(login), STAFF)
    assert (event.account, event.known, event.name, event.email) == ("66faa6e4", True, "Anna Berg", "Anna@Example.com")
    assert (event.role, event.groups, event.status, event.tfa) == ("owner", ("IT",), "active", True)
    assert event.login == login


def test_failure_and_success_of_one_person_share_the_account() -> None:
    """What shares no raw field shares the account."""
    assert identify(_failure("ANNA@example.com"), STAFF).account == identify(_success("66FAA6E4"), STAFF).account


def test_a_login_may_stand_in_user_alone() -> None:
    """Where a failure has no `login`, `user` repeats what was typed."""
    event = Event(portal="p", id=1, at_us=0, action_id=1002, user_id=GUEST_ID, user="ben@example.com")
    assert identify(event, STAFF).account == "7777"


def test_terminated_people_are_people() -> None:
    """Somebody who left is still known."""
    event = identify(_failure("ben@example.com"), STAFF)
    assert (event.account, event.status) == ("7777", "terminated")


def test_a_name_that_two_people_bear_is_nobodys() -> None:
    """A display name resolves only where one person has it."""
    event = identify(_failure("Kim Lee"), STAFF)
    assert (event.account, event.known) == ("kim lee", False)


def test_a_stranger_keeps_what_was_typed() -> None:
    """Nobody's login is its own key, trimmed and in lower case."""
    event = identify(_failure("  Root@Example.COM "), STAFF)
    assert (event.account, event.known, event.name, event.role) == ("root@example.com", False, None, None)


@pytest.mark.parametrize("login", [None, "", "   "])
def test_nothing_typed_is_no_account(login: str | None) -> None:
    """The guest id is nobody's account, also where nothing was typed."""
    event = identify(_failure(login), STAFF)
    assert (event.account, event.known) == (None, False)


def test_the_guest_id_is_nobody_even_if_the_directory_lists_it() -> None:
    """A directory row with the guests' shared id joins nobody."""
    directory = Directory([Person(id=GUEST_ID, email="guest@example.com", name="Guest")])
    assert identify(_failure("x@example.com"), directory).account == "x@example.com"
    assert len(directory) == 0


def test_a_typed_user_id_is_not_that_person() -> None:
    """Whoever types somebody's user id does not become that person."""
    event = identify(_failure("66FAA6E4"), STAFF)
    assert (event.account, event.known) == ("login:66faa6e4", False)


def test_an_unknown_user_id_is_known_by_the_login() -> None:
    """A success of nobody in the directory falls back to the e-mail's person, to the typed login, to the user id."""
    assert identify(_success("new", login="ANNA@example.com"), STAFF).account == "66faa6e4"
    assert identify(_success("new", login=" New@Example.com"), STAFF).account == "new@example.com"
    assert identify(_success("new"), STAFF).account == "new"
    assert not identify(_success("new"), STAFF).known


def test_a_display_name_proves_nothing_beside_a_user_id() -> None:
    """Two people of one name stay two where the portal says who it was."""
    assert identify(_success("new", user="Anna Berg"), STAFF).account == "new"
    assert identify(_success("new", user="Anna Berg", login="Anna Berg"), STAFF).account == "anna berg"


def test_a_changed_email_keeps_the_account() -> None:
    """The account is the user id, so a new e-mail changes nothing."""
    moved = Directory([Person(id="66faa6e4", email="anna.berg@example.com", name="Anna Berg")])
    assert identify(_success("66faa6e4"), moved).account == identify(_success("66faa6e4"), STAFF).account
    assert identify(_failure("anna.berg@example.com"), moved).account == "66faa6e4"


def test_an_email_of_two_people_is_the_active_ones() -> None:
    """Somebody who left and came back with the same e-mail is who they are now."""
    old = Person(id="a", email="x@example.com", status="terminated")
    new = Person(id="b", email="X@example.com", status="active")
    assert Directory([new, old]).by_email["x@example.com"] is new
    assert Directory([old, new]).by_email["x@example.com"] is new


def test_enrichment_is_worked_out_anew() -> None:
    """What an event carried of a person before does not survive a directory that does not know them."""
    event = identify(identify(_success("66faa6e4"), STAFF), Directory())
    assert (event.known, event.role, event.groups, event.email, event.tfa) == (False, None, (), None, None)


def test_an_unknown_success_is_looked_up() -> None:
    """Only successes with a user id that the directory lacks ask for a look."""
    events = [_success("66faa6e4"), _success("new"), _failure("x@example.com"), _success(GUEST_ID), _success(" ")]
    assert needs_lookup(events, STAFF) == {"new"}


def test_who_acts_in_the_audit_trail_is_who_logs_in() -> None:
    """An action's account is that of the person's logins; nobody is looked for by the word that stands for guests."""
    acted = Event(portal="p", id=1, at_us=0, action_id=5074, feed="audit", user_id="66FAA6E4", user="Anna Berg")
    guest = Event(portal="p", id=2, at_us=0, action_id=7001, feed="audit", user_id=GUEST_ID, user="Anna Berg")
    assert identify(acted, STAFF).account == identify(_success("66faa6e4"), STAFF).account
    assert (identify(guest, STAFF).account, identify(guest, STAFF).known) == (None, False)
    new = Event(portal="p", id=3, at_us=0, action_id=4000, feed="audit", user_id="new")
    assert needs_lookup([acted, guest, new], STAFF) == {"new"}


def test_people_are_learned_from_successes() -> None:
    """Without a directory, successes tell who there is; failures by e-mail then join where one was typed."""
    events = [
        _success("66faa6e4", user="Anna Berg"),
        _success("66faa6e4", user="Anna Berg-Holt", login="anna@example.com"),
        _failure("root"),
        _success(GUEST_ID, user="Guest"),
    ]
    assert learn_people(events) == [Person(id="66faa6e4", name="Anna Berg-Holt", email="anna@example.com")]
    assert identify(_failure("Anna Berg-Holt"), Directory(learn_people(events))).account == "66faa6e4"


def test_who_and_where_together() -> None:
    """`enrich` says both."""
    event = enrich(_success("66faa6e4", ip="203.0.113.7", country="Germany"), STAFF)
    assert (event.account, event.country_code, event.network) == ("66faa6e4", "DE", "203.0.113.0/24")


@given(st.text(), st.none() | st.text())
def test_any_text_has_an_account_or_none(login: str, user_id: str | None) -> None:
    """No text fails, nobody becomes a person by a made-up login, and the same text is always the same account."""
    event = identify(Event(portal="p", id=1, at_us=0, action_id=1002, login=login, user_id=user_id), STAFF)
    again = identify(event, STAFF)
    assert again == event
    assert event.account != ""
    if event.account in ("66faa6e4", "7777") and user_id is None:
        assert event.known
    if user_id is None and login.strip():
        assert event.account == account_of(login, STAFF)
