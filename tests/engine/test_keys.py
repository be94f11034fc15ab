"""The key of an event: the values of a rule's `by` fields, as text, whatever their type."""

from __future__ import annotations

import pytest

from alertbot.engine.keys import MOST_REMEMBERED, _spellings, keyer, spelled, text_of
from alertbot.event import Event
from alertbot.rules.model import Burst, Each
from tests.engine.build import ANY, MINUTE, event, found_by, rule

ANNA = Event(
    portal="main",
    id=7,
    at_us=1_768_471_200_000_000,
    action_id=1029,
    account="Anna@X.org",
    known=True,
    tfa=False,
    groups=("Sales", "Staff"),
    ip="2001",
    ip_partial=True,
    country="",
    geo=(52.52, -13.41),
)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("account", "Anna@X.org"),
        ("id", "7"),
        ("actionId", "1029"),
        ("date", "2026-01-15T10:00:00Z"),
        ("known", "true"),
        ("tfa", "false"),
        ("ipPartial", "true"),
        ("groups", "Sales,Staff"),
        ("geo", "52.52,-13.41"),
        ("portal", "main"),
        ("feed", "login"),
        ("ip", None),  # what the portal leaves of an IPv6 address
        ("country", None),  # empty is absent
        ("role", None),
    ],
)
def test_a_field_is_text_and_a_key_whatever_its_type(field: str, text: str | None) -> None:
    assert text_of(ANNA, field) == text
    assert keyer((field,))(ANNA) == (text.lower() if text else None)
    assert keyer((field, "account"))(ANNA) == ((text.lower(), "anna@x.org") if text else None)


def test_fields_that_an_event_lacks_are_left_out_of_what_is_shown() -> None:
    names = ("account", "ip", "country", "known")
    assert spelled(ANNA, names, names) == (("account", "known"), ("Anna@X.org", "true"))
    nobody = Event(portal="p", id=1, at_us=0, action_id=1)
    assert [text_of(nobody, field) for field in ("groups", "tfa", "geo")] == [None] * 3
    assert [keyer((field,))(nobody) for field in ("groups", "tfa", "geo")] == [None] * 3


def test_made_up_names_are_not_remembered_without_end() -> None:
    one, two = keyer(("account",)), keyer(("account", "login"))
    for number in range(MOST_REMEMBERED + 10):
        made_up = Event(portal="p", id=number, at_us=0, action_id=1, account=f"A{number}", login="x")
        assert (one(made_up), two(made_up)) == (f"a{number}", (f"a{number}", "x"))
    assert len(_spellings) <= MOST_REMEMBERED


def test_each_event_is_judged_with_what_is_present_as_its_key() -> None:
    (found,) = found_by([rule(Each(), ANY, by=("ip", "account"))], [event(1, MINUTE, ip="2001", ip_partial=True)])
    assert (found.fields, found.key) == (("account",), ("anna",))


def test_a_finding_shows_its_key_as_the_firing_event_spells_it() -> None:
    (found,) = found_by([rule(Burst(2, MINUTE))], [event(1, MINUTE, account="anna"), event(2, MINUTE, account="ANNA")])
    assert found.key == ("ANNA",)
