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
from tests.rules.build import book, write
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
        "{a: {known: null}}",
        "{a: {id: '*'}, condition: not a}",
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
        ("{a: {country: Germny}}", "no country is called 'germny'; did you mean 'Germany'?"),
        ("{a: {country: DE}}", "no country is called 'de'; a code is written `countryCode: DE`"),
        ("{a: {role: 'adm?'}}", "role is never like 'adm?': it is one of admin, guest, owner, room_admin, user"),
        ("{a: {event|startswith: Logginn}}", "no login event is called like 'logginn*'"),
        ("{a: {status: disabled}}", "status is never 'disabled'"),
        ("{a: {ip: 10.0.0.0/8}}", "ip is one address and never '10.0.0.0/8'; a network is written `ip|cidr`"),
        ("{a: {network: 10.0.0.0/8}}", "network is never '10.0.0.0/8': it is the /24 of an address"),
    ],
)
def test_a_value_that_no_event_has_is_warned_of(tmp_path, detection, expected):
    assert any(one.startswith(expected) for one in warnings(tmp_path, detection)), warnings(tmp_path, detection)


SEQUENCE = "sequence: {within: 1h, steps: [{match: a}, {match: b}]}\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("only: {outcome: failure}", "only: can never fire: no event that its condition selects meets this"),
        ("raise: [{match: {outcome: failure}, to: high}]", "raise[0].match: raises nothing: no event that could make"),
        ("except: [{match: {outcome: failure}, why: x}]", "except[0].match: can never fire: every event that could make"),
        ("only: {outcome: success}\nraise: [{match: {outcome: success}, to: high}]", None),
        ("except: [{match: {outcome: success, role: guest}, why: x}]", None),
    ],
)
def test_the_last_step_of_a_sequence_makes_it_fire(tmp_path, more, expected):
    said = warnings(tmp_path, "{a: {outcome: failure}, b: {outcome: success}}", SEQUENCE + more)
    assert [one.startswith(str(expected)) for one in said] == ([True] if expected else []), said


def test_what_fires_last_by_another_rule_is_not_doubted(tmp_path):
    steps = "sequence: {within: 1h, steps: [{match: a}, {match: 'rule:b'}]}\nonly: {outcome: success}"
    under = BURST.replace("failure", "success")
    assert book(tmp_path, f"title: x\ndetection: {{a: {{outcome: failure}}}}\n{steps}\n", under).warnings == ()


def test_a_service_that_was_mistyped_is_warned_of(tmp_path):
    (said,) = warnings(tmp_path, "{a: {ip: x}}", "logsource: {service: adit}")
    assert said.endswith("so the rule looks at logins; did you mean 'audit'?")
    assert warnings(tmp_path, "{a: {ip: x}}", "logsource: {service: onelogin.events}") == []


def test_a_value_that_no_event_has_is_named_at_its_place(tmp_path):
    text = """
        title: x
        detection:
          a: {outcome: failure, event|startswith: [LoginFail, Logginn], country|expand: '%l%'}
        only: {role: [owner, adminn]}
        except:
          - {match: {status: disabled}, why: x}
        raise: [{match: {outcome: sucess}, to: high}]
    """
    write(tmp_path, "lists/l.yml", "[Germny]\n")
    said = [(one.line, one.col, one.message) for one in book(tmp_path, text).warnings]
    assert [
        (line, col, message.partition(" ")[0]) for line, col, message in said if "never" in message or "no " in message
    ] == [
        (3, 3, "no"),
        (3, 55, "no"),
        (4, 22, "role"),
        (6, 13, "except[0].match:"),
        (6, 22, "status"),
        (7, 17, "raise[0].match:"),
        (7, 27, "outcome"),
    ]


def test_a_list_of_wrong_values_is_not_told_of_value_by_value(tmp_path):
    write(tmp_path, "lists/l.yml", "".join(f"- Land{number}\n" for number in range(1000)))
    assert len(warnings(tmp_path, "{a: {country|expand: '%l%'}}")) == 20


def test_exceptions_that_end_and_rules_that_wait_for_others_are_not_doubted(tmp_path):
    ends = "except: [{match: {outcome: failure}, why: x, until: 2030-01-01}]"
    assert warnings(tmp_path, "{a: {outcome: failure}}", ends) == []
    waits = "sequence: {within: 1h, steps: [{match: a}, {match: 'rule:b'}]}\nexcept: [{match: {outcome: success}, why: x}]"
    book_of = book(tmp_path, f"title: x\ndetection: {{a: {{outcome: failure}}}}\n{waits}\n", BURST)
    assert book_of.warnings == ()


BURST = "title: b\nname: b\ndetection: {a: {outcome: failure}}\nburst: {count: 2, within: 1h}\n"


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (
            "by: ip",
            ["a.yml:4:11: warning: inhibits: never holds 'b' back: its key is ip, and that of 'b' account; see `group`"],
        ),
        ("by: ip\ngroup: ip", []),
        ("by: account", []),
        ("by: [account, ip]", []),
    ],
)
def test_holding_back_what_has_another_key_is_doubted(tmp_path, by, said):
    text = f"title: x\nname: a\ndetection: {{a: {{outcome: failure}}}}\ninhibits: b\n{by}\n"
    found = book(tmp_path, text, BURST).warnings
    assert [str(one).removeprefix(f"{tmp_path}/") for one in found] == said


def test_what_is_odd_about_a_correlation_is_warned_of(tmp_path):
    text = """
        title: x
        name: c
        correlation: {type: event_count, rules: [b], group-by: [target], timespan: 1h, condition: {gte: 2}}
        only: {role: adminn}
    """
    assert [(one.line, one.message.partition(" ")[0]) for one in book(tmp_path, text, BURST).warnings] == [
        (3, "correlation.group-by:"),
        (4, "role"),
    ]


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
        (
            "distinct: {of: role, count: 6, within: 1h}",
            "distinct.count: can never fire: the condition leaves 5 values of role",
        ),
        (
            "distinct: {of: [reason, known], count: 5, within: 1h}",
            "distinct.count: can never fire: the condition leaves 4 values of reason and known",
        ),
        ("distinct: {of: portal, count: 2, within: 1h}", "distinct.of: can never fire: portal is in the key"),
        ("burst: {count: 2, within: 1h}\nby: [account, id]", "by: can never fire: each event has its own id"),
        ("travel: {}\nby: geo", "by: can never fire: a key with `geo` in it is at one place"),
        ("travel: {farther_than: 20100}", "travel.farther_than: can never fire: no two places on earth"),
        (
            "except: [{match: {outcome: failure}, why: x}]",
            "except[0].match: can never fire: every event that could make the rule fire is excepted",
        ),
        (
            "only: {role: owner}\nexcept: [{match: {role: [owner, admin]}, why: x}]",
            "except[0].match: can never fire: every event that could make the rule fire is excepted",
        ),
        ("except: [{match: {id: '*'}, why: x}]", "except[0].match: can never fire: every event that could make"),
        ("except: [{match: {outcome: success}, why: x}]", "except[0].match: excepts nothing: no event that the rule's"),
        ("raise: [{match: {outcome: success}, to: high}]", "raise[0].match: raises nothing: no event that could make"),
        ("level: high\nraise: [{match: {role: owner}, to: high}]", "raise[0].to: raises nothing: the rule's level is high"),
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
