"""A silence holds back what it says, as long as it says, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alertbot.errors import UsageError
from alertbot.moments import span_us
from alertbot.silences import LONGEST, Scope, Silence, holding, lift, new_silence, scopes
from alertbot.wishes import except_entry, wish
from tests.people import BEN, MINUTE_US, NOW_US, a_rule, event, incident


def silence(scope: Scope | None = None, *, minutes: int = 60, reason: str = "known", portal: str | None = "main") -> Silence:
    return new_silence(
        scope or Scope("account", "This account", (("account", "u-anna"),)),
        portal=portal,
        since_us=NOW_US,
        until_us=NOW_US + minutes * MINUTE_US,
        by="ben",
        by_id=BEN.id,
        reason=reason,
    )


def test_it_holds_from_its_beginning_to_just_before_its_end() -> None:
    one = silence(minutes=1)
    moments = [NOW_US - 1, NOW_US, NOW_US + MINUTE_US - 1, NOW_US + MINUTE_US]
    assert [one.holds(a_rule(), event(), "main", at_us) for at_us in moments] == [False, True, True, False]


def test_all_that_it_names_must_hold() -> None:
    one = silence(Scope("both", "", (("account", "U-ANNA"), ("ip", "203.0.113.7")), rule="guessing"))
    assert one.holds(a_rule(), event(), "main", NOW_US), "letter case does not matter"
    assert not one.holds(a_rule(), event(ip="203.0.113.8"), "main", NOW_US)
    assert not one.holds(a_rule(), event(account="u-ben"), "main", NOW_US)
    assert not one.holds(a_rule(), None, "main", NOW_US)
    assert not one.holds(a_rule(), event(), "other", NOW_US)
    assert not silence(Scope("rule", "", rule="another")).holds(a_rule(), event(), "main", NOW_US)


def test_an_address_that_the_portal_cut_is_none() -> None:
    one = silence(Scope("address", "", (("ip", "2001"),)))
    assert not one.holds(a_rule(), event(ip="2001", ip_partial=True), "main", NOW_US)
    assert [scope.name for scope in scopes(a_rule(), "guessing", event(ip_partial=True))] == ["account", "rule"]


def test_an_account_in_a_country_is_offered_for_rules_about_places_and_holds_in_all_of_them() -> None:
    assert [scope.name for scope in scopes(a_rule(), "guessing", event())] == ["account", "address", "rule"]
    [first, *_] = scopes(a_rule(tags=("location",)), "guessing", event())
    assert (first.name, first.words, first.match) == (
        "account_country",
        "This account in Germany",
        (("account", "u-anna"), ("countryCode", "DE")),
    )
    one = silence(first)
    assert one.holds(a_rule(tags=("location",)), event(), "main", NOW_US)
    assert not one.holds(a_rule(tags=("location",)), event(country_code="PT"), "main", NOW_US)
    assert not one.holds(a_rule(), event(), "main", NOW_US)
    assert one.what == "account anna@example.com, country DE, in rules tagged location"


def test_without_an_account_the_rule_is_all_that_can_be_silenced() -> None:
    assert [scope.name for scope in scopes(None, "gone", None)] == ["rule"]


@pytest.mark.parametrize(
    ("reason", "minutes", "said"),
    [("  ", 60, "needs a reason"), ("x", 0, "end later"), ("x", int(LONGEST / timedelta(minutes=1)) + 1, "90 days at most")],
)
def test_it_always_has_a_reason_and_an_end_that_is_not_far(reason: str, minutes: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        silence(reason=reason, minutes=minutes)


def test_of_several_the_one_that_lasts_longest_holds() -> None:
    short, long = silence(minutes=1), silence(Scope("rule", "", rule="guessing"), minutes=2)
    assert holding([short, long], a_rule(), event(), "main", NOW_US) == long
    assert holding([short], a_rule(), event(), "main", NOW_US + span_us(timedelta(minutes=1))) is None


def test_it_is_lifted_once() -> None:
    lifted = lift(silence(), "anna", NOW_US + 5)
    assert lifted is not None
    assert (lifted.until_us, lifted.lifted_by) == (NOW_US + 5, "anna")
    assert lift(lifted, "ben", NOW_US + 6) is None


# -- wishes ------------------------------------------------------------------------------------------------------------


@given(st.text(), st.text(), st.sampled_from([(), ("location",)]))
def test_an_exception_to_paste_holds_just_what_was_typed(account: str, why: str, tags: tuple[str, ...]) -> None:
    one = event(account=account or "x")
    entry = wish(incident(), one, tags, by="ben", why=why, at_us=NOW_US).entry
    [read] = yaml.safe_load(entry)["except"]
    shown = (account or "x").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read["match"]["account"] == shown
    assert read["match"].keys() == ({"account", "countryCode"} if tags else {"account", "ip"})
    assert read["why"].endswith(("(ben)", "says ben"))


def test_an_exception_for_an_address_is_not_for_the_account_that_it_tried_last() -> None:
    one = wish(incident(fields=("ip",), key=("203.0.113.7",)), event(), (), by="ben", why="our scanner", at_us=NOW_US)
    assert yaml.safe_load(one.entry)["except"][0]["match"] == {"ip": "203.0.113.7"}


@given(st.text(min_size=1))
def test_an_exception_says_whom_it_is_about(email: str) -> None:
    entry = wish(incident(), event(email=email), (), by="ben", why="travels", at_us=NOW_US).entry
    [read] = yaml.safe_load(entry)["except"]
    assert read["match"] == {"account": "u-anna", "ip": "203.0.113.7"}
    if email.isascii() and email.isalnum():
        assert f'# "{email}"' in entry


def test_without_its_event_an_exception_names_the_key() -> None:
    until = date(2026, 2, 14)
    entry = except_entry(
        incident(fields=("ip", "portal"), key=("203.0.113.7", "main")), None, (), why="", by="ben", until=until
    )
    assert yaml.safe_load(entry) == {"except": [{"match": {"ip": "203.0.113.7"}, "why": "expected, says ben", "until": until}]}
