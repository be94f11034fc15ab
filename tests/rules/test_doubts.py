"""What `check` doubts of a rule: that it can ever fire, and that nobody can choose to keep it quiet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertbot.actions import ACTIONS
from alertbot.event import Event
from alertbot.rules.doubts import doubt
from alertbot.rules.load import load_rules, shipped_rules
from alertbot.rules.match import select
from alertbot.rules.model import Each
from tests.engine.build import rule as rule_of
from tests.rules.build import book
from tests.rules.test_match import ANY, compiled, conditions

NEVER = "can never fire: no event meets its condition"


def warnings(folder, detection: str, more: str = "") -> list[str]:
    """What is doubted of a rule."""
    said = book(folder, f"title: x\ndetection: {detection}\n{more}\n").warnings
    return [one.message for one in said if "nothing uses" not in one.message]


@pytest.mark.parametrize(
    "detection",
    [
        "{a: {outcome: failure, event: LoginSuccess}}",
        "{a: {outcome: failure}, b: {outcome: success}, condition: a and b}",
        "{a: {outcome: failure}, condition: a and not a}",
        "{a: {reason: captcha, method: sms}}",
        "{a: {actionId: 1023, outcome: success}}",
        "{a: {actionType: x}}",
        "{a: {target|contains: x}}",
        "{a: {ip: 10.0.0.1, ip|startswith: '192.'}}",
        "{a: {ip: 10.0.0.1, ip|cidr: 192.0.2.0/24}}",
        "{a: {ip: [10.0.0.1, 10.0.0.2]}, b: {ip|cidr: 10.0.0.0/8}, condition: a and not b}",
        "{a: {ip|cidr: 10.0.0.0/8}, b: {ip|cidr: [192.168.0.0/16, '2001:db8::/32']}, condition: a and b}",
        "{a: {date|hour|gte: 22, date|hour|lt: 6}}",
        "{a: {date|hour: [22, 23], date|minute: 5}, b: {date|hour|neq: [22, 23]}, condition: a and b}",
        "{a: {actionId|gt: 5, actionId|lt: 6}}",
        "{a: {actionId|gt: 5000, outcome: failure}}",
        "{a: {id: 3, id|gte: 5}}",
        "{a: {browser|gt: 5.5, browser|lte: 5.5}}",
        "{a: {login: null, login|exists: true}}",
        "{a: {login: x}, b: {login: null}, condition: a and b}",
        "{a: {role: admin, role|neq: [admin, owner]}}",
        "{a: {outcome: failure}, b: {event: LoginSuccess, outcome: failure}, condition: a and b}",
    ],
)
def test_a_condition_that_no_event_meets_is_warned_of(tmp_path, detection):
    assert NEVER in warnings(tmp_path, detection)


@pytest.mark.parametrize(
    "detection",
    [
        "{a: {outcome: failure, event: LoginFail*}}",
        "{a: {event: [LoginSuccess, LoginFail], outcome: failure}}",
        "{a: {outcome: null}}",
        "{a: {actionId|gte: 2000}}",
        "{a: {ip|cidr: 10.0.0.0/8}, b: {ip|cidr: 10.1.2.0/24}, condition: a and b}",
        "{a: {date|hour: [22, 23]}, b: {date|hour|lt: 23}, condition: a and b}",
        "{a: {date|hour|gte: 22}, b: {date|minute|lt: 6}, condition: a and b}",
        "{a: {id|gt: 5, id|lt: 7}}",
        "{a: {browser|gt: 5, browser|lt: 5.1}}",
        "{a: {browser|gte: 5}, b: {browser|lt: 5}, condition: not a and not b}",
        "{a: {browser: '5', browser|gte: 5}}",
        "{a: {reason: captcha, method: password}}",
        "{a: {feed: audit, target: x}}",
        "{a: {groups: x, groups|contains: yz}}",
        "{a: {groups: [x], groups|neq: y}}",
        "{a: {login: x, login|neq: y}}",
        "{a: {login|cased: X, login: x}}",
        "{a: x, b: y, condition: a and not b}",
        "{a: {login|re: x}, b: {login: y}, condition: a and b}",
    ],
)
def test_a_condition_that_some_event_may_meet_is_not(tmp_path, detection):
    assert warnings(tmp_path, detection) == []


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("{a: {outcome: failed}}", "outcome is never 'failed'"),
        ("{a: {outcome: sucess}}", "outcome is never 'sucess'; did you mean 'success'?"),
        ("{a: {event: LoginSucess}}", "no login event is called 'loginsucess'; did you mean 'LoginSuccess'?"),
        ("{a: {actionId: 999}}", "no login action has the number '999'"),
        ("{a: {role: administrator}}", "role is never 'administrator'"),
        ("{a: {country: Atlantis}}", "no country is called 'atlantis'"),
        ("{a: {countryCode: XX}}", "countryCode is never 'xx': it is a code of two letters"),
        ("{a: {countryCode: Germany}}", "countryCode is never 'germany': it is a code of two letters; did you mean 'DE'?"),
    ],
)
def test_a_value_that_no_event_has_is_warned_of(tmp_path, detection, expected):
    assert any(one.startswith(expected) for one in warnings(tmp_path, detection)), warnings(tmp_path, detection)


@pytest.mark.parametrize(
    ("detection", "expected"),
    [
        ("{a: {feed: audit, event: RoomDelet}}", "no login or audit event is called 'roomdelet'; did you mean 'RoomDeleted'?"),
        ("{a: {feed: audit, actionId: 5067}}", "no login or audit action has the number '5067'"),
        ("{a: {feed: login, event: RoomDeleted}}", NEVER),
    ],
)
def test_names_of_the_audit_trail_are_known(tmp_path, detection, expected):
    assert any(one.startswith(expected) for one in warnings(tmp_path, detection)), warnings(tmp_path, detection)
    assert warnings(tmp_path, "{a: {feed: audit, event: RoomDeleted}, b: {event: Logout}, condition: a or b}") == []


@pytest.mark.parametrize(
    "detection", ["{a: {country: [Norway, Türkiye, Germany]}}", "{a: {countryCode: [NO, de]}}", "{a: {country: ''}}"]
)
def test_countries_that_are_there_are_fine(tmp_path, detection):
    assert warnings(tmp_path, detection) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("only: {outcome: success}", "only: can never fire: no event that its condition selects meets this"),
        ("by: target", "by: can never fire: events of this feed have no target"),
        ("distinct: {of: target, count: 2, within: 1h}", "distinct.of: can never fire: events of this feed have no target"),
        (
            "distinct: {of: ip, count: 2, within: 1h}\nby: ip",
            "distinct.of: can never fire: ip is in the key, so each key has one",
        ),
        (
            "distinct: {of: reason, count: 3, within: 1h}",
            "distinct.count: can never fire: the condition leaves 2 values of reason",
        ),
        ("hours: {outside: ['00:00-12:00', '12:00-24:00']}", "hours: can never fire: these hours are the whole week"),
        ("hours: {outside: ['Mon-Sun 22:00-06:00', '06:00-22:00']}", "hours: can never fire: these hours are the whole week"),
        ("hours: {learn: 9d}", "hours.learn: can never fire: it is silent until"),
        ("first_seen: {of: ip}\nby: [account, ip]", "first_seen: can never fire: what is looked for is in the key"),
        ("dormant: {after: 90d, memory: 90d}\nby: ip", "dormant: can never fire: what is silent for longer"),
    ],
)
def test_a_pattern_that_can_never_fire_is_warned_of(tmp_path, more, expected):
    detection = "{a: {outcome: failure, reason: [captcha, sms_code]}}"
    assert any(one.startswith(expected) for one in warnings(tmp_path, detection, more)), warnings(tmp_path, detection, more)


@pytest.mark.parametrize(
    ("detection", "more", "fields"),
    [
        ("{a: {outcome: success}, o: {ip|cidr: 10.0.0.0/8}, condition: a and not o}", "", "ip"),
        ("{a: {outcome: success, country|neq: Norway}}", "", "country"),
        ("{a: {outcome: success}, o: [{ip: 10.0.0.1}, {city: Oslo}], condition: a and not o}", "", "city and ip"),
        ("{a: {outcome: success}}", "except: [{match: {network: 10.0.0.0/24}, why: office}]", "network"),
    ],
)
def test_a_rule_that_only_an_address_keeps_quiet_is_warned_of(tmp_path, detection, more, fields):
    (said,) = warnings(tmp_path, detection, more)
    assert f"only {fields} keeps this quiet, and who logs in can choose it" in said


@pytest.mark.parametrize(
    ("detection", "more"),
    [
        ("{a: {outcome: success}, o: {ip: 10.0.0.1, account: anna}, condition: a and not o}", ""),
        ("{a: {outcome: success}}", "except: [{match: {ip: 10.0.0.1, account: anna}, why: office}]"),
        ("{a: {outcome: success, ip: 10.0.0.1}}", ""),
        ("{a: {outcome: success}, o: {country: null}, condition: a and not o}", ""),
    ],
)
def test_a_rule_that_something_else_keeps_quiet_too_is_not(tmp_path, detection, more):
    assert warnings(tmp_path, detection, more) == []


def test_nothing_is_doubted_of_the_rules_that_ship():
    assert [str(one) for one in load_rules([shipped_rules()]).warnings if "never" in str(one)] == []


EVENTS = st.builds(
    lambda action, login, groups, role: Event(
        portal="main",
        id=1,
        at_us=0,
        action_id=action.id,
        event=action.event,
        outcome=action.outcome,
        method=action.method,
        reason=action.reason,
        login=login,
        groups=groups,
        role=role,
    ),
    st.sampled_from([ACTIONS[1002], ACTIONS[1029], ACTIONS[1006]]),
    st.sampled_from([None, "", "a", "B", "?"]),
    st.sampled_from([(), ("a",), ("a", "B")]),
    st.sampled_from([None, "admin", "user"]),
)


@settings(max_examples=150, deadline=None)
@given(ANY, ANY, conditions(), st.lists(EVENTS, min_size=1, max_size=5))
def test_what_an_event_meets_is_never_called_impossible(a, b, joined, events):
    condition = compiled({"a": a, "b": b, "condition": joined[0]})
    said: list[str] = []
    doubt(rule_of(Each(), select(condition)), [condition], None, [], lambda way, message, **_: said.append(message))
    if any(select(condition).test(one) for one in events):
        assert NEVER not in said
