"""Sigma's grammar, case by case as its specification 2.1 says it."""

from __future__ import annotations

import pytest

from tests.rules.build import condition, event, matches, read

NOBODY = {"login": None, "account": None}
LISTS = {"office": ["10.0.0.0/8", "192.0.2.0/24"], "vips": ["anna@*", "bob"], "none": []}


@pytest.mark.parametrize(
    ("detection", "changes", "expected"),
    [
        # all values are case-insensitive texts
        ("f: {outcome: failure}", {}, True),
        ("f: {outcome: FAILURE}", {}, True),
        ("f: {login: anna@example.com}", {}, True),
        ("f: {login: anna}", {}, False),
        ("f: {actionId: 1002}", {}, True),
        ("f: {actionId: '1002'}", {}, True),
        ("f: {actionId: 1003}", {}, False),
        ("f: {known: false}", {}, True),
        ("f: {known: 'False'}", {}, True),
        ("f: {known: true}", {}, False),
        ("f: {tfa: true}", {"tfa": True}, True),
        ("f: {country: NO}", {"country": "NO"}, True),
        ("f: {browser: 131.0}", {"browser": "131.0"}, True),
        ("f: {login: 42}", {"login": "42"}, True),
        ("f: {login: ΑΣ}", {"login": "ας"}, True),
        # `*` and `?`
        ("f: {browser: 'chrome*'}", {}, True),
        ("f: {browser: '*131'}", {}, True),
        ("f: {browser: '*rome*'}", {}, True),
        ("f: {browser: 'c*1*1'}", {}, True),
        ("f: {browser: 'chrome ???'}", {}, True),
        ("f: {browser: 'chrome ????'}", {}, False),
        ("f: {browser: '?hrome*'}", {}, True),
        ("f: {browser: '*'}", {}, True),
        ("f: {browser: '*'}", {"browser": ""}, True),
        ("f: {browser: '?*'}", {"browser": ""}, False),
        ("f: {browser: '*'}", {"browser": None}, False),
        ("f: {browser: 'a*b'}", {"browser": "a\n\nb"}, True),
        ("f: {browser: 'a?b'}", {"browser": "aéb"}, True),
        ("f: {browser: 'a.b'}", {"browser": "axb"}, False),
        # escapes: one backslash before a wildcard makes it plain, two make a backslash and a wildcard
        (r"f: {login: 'a\*b'}", {"login": "a*b"}, True),
        (r"f: {login: 'a\*b'}", {"login": "axb"}, False),
        (r"f: {login: 'a\?b'}", {"login": "a?b"}, True),
        (r"f: {login: 'a\\*b'}", {"login": r"a\xyzb"}, True),
        (r"f: {login: 'a\\*b'}", {"login": "axyzb"}, False),
        (r"f: {login: 'a\\\*b'}", {"login": r"a\*b"}, True),
        (r"f: {login: 'a\\\*b'}", {"login": r"a\xb"}, False),
        (r"f: {login: 'a\b'}", {"login": r"a\b"}, True),
        (r"f: {login: 'a\\b'}", {"login": r"a\b"}, True),
        (r"f: {login: 'a\\\\b'}", {"login": r"a\\b"}, True),
        (r"f: {login|contains: '\*'}", {"login": "x*y"}, True),
        (r"f: {login|contains: '\*'}", {"login": "xy"}, False),
        # null is absent, '' is an empty text
        ("f: {login: null}", {"login": None}, True),
        ("f: {login: null}", {"login": ""}, False),
        ("f: {login: ''}", {"login": ""}, True),
        ("f: {login: ''}", {"login": None}, False),
        ("f: {login: ''}", {"login": "x"}, False),
        ("f: {groups: null}", {"groups": ()}, True),
        ("f: {groups: null}", {}, False),
        ("f: {login: [null, '']}", {"login": None}, True),
        # lists are any, `all` makes them all; a mapping is all
        ("f: {login: [bob, anna@example.com]}", {}, True),
        ("f: {login: [bob, carl]}", {}, False),
        ("f: {browser|contains: [chrome, firefox]}", {}, True),
        ("f: {browser|contains|all: [chrome, firefox]}", {}, False),
        ("f: {browser|contains|all: [chrome, '13']}", {}, True),
        ("f: {outcome: failure, login: bob}", {}, False),
        ("f: [{outcome: failure}, {login: bob}]", {}, True),
        ("f: [{outcome: success}, {login: bob}]", {}, False),
        # a field with several values matches when one of them does
        ("f: {groups: sales}", {}, True),
        ("f: {groups: [admins, 'vpn*']}", {}, True),
        ("f: {groups: admins}", {}, False),
        ("f: {groups|contains|all: [vpn, sal]}", {}, True),
        ("f: {groups|neq: sales}", {}, False),
        ("f: {groups|neq: admins}", {"groups": ()}, True),
        # modifiers of text
        ("f: {login|startswith: ANNA}", {}, True),
        ("f: {login|startswith: example}", {}, False),
        ("f: {login|endswith: '.COM'}", {}, True),
        ("f: {login|contains: '@'}", {}, True),
        ("f: {actionId|startswith: 10}", {}, True),
        ("f: {login|startswith: 'ΓΙΩΡΓΟΣ'}", {"login": "γιωργοσακης"}, True),
        ("f: {login|contains: 'ΓΙΩΡΓΟΣ'}", {"login": "ΓΙΩΡΓΟΣΑΚΗΣ"}, True),
        ("f: {login|cased: Anna@Example.com}", {}, True),
        ("f: {login|cased: anna@example.com}", {}, False),
        ("f: {login|contains|cased: Exa}", {}, True),
        ("f: {login|cased|contains: exa}", {}, False),
        ("f: {login|cased: '?nna@E*'}", {}, True),
        ("f: {login|neq: bob}", {}, True),
        ("f: {login|neq: [bob, anna@example.com]}", {}, False),
        ("f: {login|neq: bob}", {"login": None}, True),
        ("f: {login|contains|neq: anna}", {}, False),
        ("f: {actionId|neq: 1002}", {}, False),
        # regular expressions: found anywhere, in their own case; `$` is the end of the text
        ("f: {login|re: 'nna@E'}", {}, True),
        ("f: {login|re: 'NNA'}", {}, False),
        ("f: {login|re|i: '^ANNA@'}", {}, True),
        ("f: {login|re: '^anna$'}", {"login": "anna\n"}, False),
        ("f: {login|re|m: '^b$'}", {"login": "a\nb\nc"}, True),
        ("f: {login|re: '^b$'}", {"login": "a\nb\nc"}, False),
        ("f: {login|re: 'a.b'}", {"login": "a\nb"}, False),
        ("f: {login|re|s: 'a.b'}", {"login": "a\nb"}, True),
        ("f: {login|re|i|s: 'A.B'}", {"login": "a\nb"}, True),
        ("f: {login|re: ['x', 'nna']}", {}, True),
        (r"f: {login|re: '^a\*b\\c$'}", {"login": r"a*b\c"}, True),
        ("f: {groups|re: '^VPN'}", {}, True),
        ("f: {actionId|re: '^10'}", {}, True),
        ("f: {login|re: 'a'}", {"login": "\ud800a"}, True),
        # networks
        ("f: {ip|cidr: 10.0.0.0/8}", {}, True),
        ("f: {ip|cidr: 10.1.2.3/32}", {}, True),
        ("f: {ip|cidr: 11.0.0.0/8}", {}, False),
        ("f: {ip|cidr: [11.0.0.0/8, 10.1.0.0/16]}", {}, True),
        ("f: {ip|cidr: 0.0.0.0/0}", {"ip": "unknown"}, False),
        ("f: {ip|cidr: 0.0.0.0/0}", {"ip": ""}, False),
        ("f: {ip|cidr: 0.0.0.0/0}", {"ip": "2001", "ip_partial": True}, False),
        ("f: {ip|cidr: '::/0'}", {"ip": "2001", "ip_partial": True}, False),
        ("f: {ip|cidr: '2001:db8::/32'}", {"ip": "2001:db8::7"}, True),
        ("f: {ip|cidr: '2001:db8::/32'}", {"ip": "2001:db9::7"}, False),
        ("f: {ip|cidr: '::/0'}", {}, False),
        ("f: {ip|cidr: 0.0.0.0/0}", {"ip": None}, False),
        ("f: {ip|cidr|neq: 10.0.0.0/8}", {}, False),
        # existence
        ("f: {login|exists: true}", {}, True),
        ("f: {login|exists: true}", {"login": ""}, True),
        ("f: {login|exists: false}", {}, False),
        ("f: {login|exists: false}", {"login": None}, True),
        ("f: {tfa|exists: true}", {"tfa": None}, False),
        ("f: {groups|exists: true}", {"groups": ()}, False),
        # numbers
        ("f: {actionId|gte: 1002}", {}, True),
        ("f: {actionId|gt: 1002}", {}, False),
        ("f: {actionId|lt: 1002.5}", {}, True),
        ("f: {actionId|lte: 1001}", {}, False),
        ("f: {browser|gt: 130}", {"browser": "131"}, True),
        ("f: {browser|gt: 130}", {"browser": "Chrome 131"}, False),
        ("f: {browser|gt: 130}", {"browser": None}, False),
        ("f: {browser|lt: 0}", {"browser": "-0.5"}, True),
        ("f: {browser|gt: 0}", {"browser": "nan"}, False),
        # other fields
        ("f: {account|fieldref: login}", {}, True),
        ("f: {user|fieldref: login}", {"user": "Bob"}, False),
        ("f: {user|fieldref: login}", {"user": None, "login": None}, False),
        ("f: {user|fieldref|neq: login}", {"user": "Bob"}, True),
        ("f: {login|fieldref|startswith: user}", {"user": "ANNA"}, True),
        ("f: {login|fieldref|endswith: user}", {"user": ".com"}, True),
        ("f: {login|fieldref|contains: user}", {"user": "@"}, True),
        ("f: {groups|fieldref: user}", {"user": "sales"}, True),
        # parts of the date, UTC
        ("f: {date|minute: 4}", {}, True),
        ("f: {date|hour: [9, 10]}", {}, True),
        ("f: {date|hour|gte: 11}", {}, False),
        ("f: {date|hour|neq: 10}", {}, False),
        ("f: {date|day: 15}", {}, True),
        ("f: {date|week: 3}", {}, True),
        ("f: {date|month: 1}", {}, True),
        ("f: {date|year: 2026}", {}, True),
        ("f: {date: 2026-01-15T10:04:00Z}", {}, True),
        ("f: {date|startswith: 2026-01-15}", {}, True),
        # places
        ("f: {geo: '52.52,13.405'}", {"geo": (52.52, 13.405)}, True),
        ("f: {geo: '*'}", {}, False),
        # lists of values
        ("f: {ip|expand|cidr: '%office%'}", {}, True),
        ("f: {ip|cidr|expand: '%office%'}", {"ip": "192.0.2.9"}, True),
        ("f: {ip|expand|cidr: '%office%'}", {"ip": "198.51.100.1"}, False),
        ("f: {login|expand: '%vips%'}", {}, True),
        ("f: {login|expand: ['%vips%', carl]}", {"login": "Carl"}, True),
        ("f: {login|expand|cased: '%vips%'}", {}, False),
        ("f: {login|expand: '%none%'}", {}, False),
        ("f: {login|expand|neq: '%none%'}", {}, True),
        ("f: {login|expand: 'x%vips%y'}", {"login": "xBOBy"}, True),
        (r"f: {login|expand: '\%vips%'}", {"login": "%vips%"}, True),
        ("f: {login: '%vips%'}", {"login": "%vips%"}, True),
        ("f: {login|expand: '100%'}", {"login": "100%"}, True),
        # keywords: somewhere in any field
        ("f: [bob, anna]", {}, True),
        ("f: [bob, carl]", {}, False),
        ("f: chrome", {}, True),
        ("f: [1002]", {}, True),
        ("f: ['vpn?users']", {}, True),
        ("f: {'|all': [anna, chrome]}", {}, True),
        ("f: {'|all': [anna, firefox]}", {}, False),
        ("f: {'|cased': anna@Ex}", NOBODY, False),
        ("f: {'|cased': Chrome}", {}, True),
        ("f: {'|re': 'Chrome 1[0-9]+$'}", {}, True),
        ("f: {'|re|i': 'CHROME'}", {}, True),
        ("f: {'|contains': chrome}", {}, True),
        ("f: [bob, {outcome: failure}]", {}, True),
    ],
)
def test_a_detection_means_what_the_specification_says(detection, changes, expected):
    assert matches(detection, event(**changes), LISTS) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True),
        ("yes and no", False),
        ("yes or no", True),
        ("not no", True),
        ("not not yes", True),
        ("yes and not no", True),
        ("no or yes and no", False),
        ("yes or yes and no", True),
        ("not no and no", False),
        ("(no or yes) and yes", True),
        ("not (no or yes)", False),
        ("1 of them", True),
        ("any of them", True),
        ("all of them", False),
        ("1 of yes*", True),
        ("all of yes*", True),
        ("1 of no*", False),
        ("all of *es*", True),
        ("1 of _hid*", True),
        ("_hidden", True),
        ("yes and not 1 of no*", True),
        ("[no, yes]", True),
        ("[no, no and yes]", False),
    ],
)
def test_a_condition_joins_selections_as_the_specification_says(text, expected):
    detection = f"""
        yes: {{outcome: failure}}
        yes2: {{actionId: 1002}}
        no: {{outcome: success}}
        _hidden: {{method: password}}
        condition: {text if text.startswith("[") else repr(text)}
    """
    assert matches(detection, event()) is expected


def test_them_leaves_out_selections_that_begin_with_an_underscore():
    assert matches("{a: {outcome: failure}, _b: {outcome: success}, condition: all of them}", event())


def test_one_selection_needs_no_condition():
    assert matches("only: {outcome: failure}", event())


@pytest.mark.parametrize(
    ("detection", "way", "sentence"),
    [
        ("f: {outcom: failure}", "f.outcom", "events have no field 'outcom'; did you mean 'outcome'?"),
        ("f: {userid: x}", "f.userid", "events have no field 'userid'; did you mean 'userId'?"),
        ("f: {country_code: x}", "f.country_code", "events have no field 'country_code'; did you mean 'countryCode'?"),
        ("f: {login|base64: x}", "f.login|base64", "the modifier base64 is not supported"),
        ("f: {login|base64offset|contains: x}", "f.login|base64offset|contains", "base64offset is not supported"),
        ("f: {login|wide: x}", "f.login|wide", "the modifier wide is not supported"),
        ("f: {login|utf16le: x}", "f.login|utf16le", "the modifier utf16le is not supported"),
        ("f: {login|windash: x}", "f.login|windash", "the modifier windash is not supported"),
        ("f: {login|contain: x}", "f.login|contain", "unknown modifier 'contain'; did you mean 'contains'?"),
        ("f: {login|re|contains: x}", "f.login|re|contains", "re does not go with contains"),
        ("f: {login|re|expand: x}", "f.login|re|expand", "re does not go with expand"),
        ("f: {login|contains|re: x}", "f.login|contains|re", "re does not go with contains"),
        ("f: {login|i: x}", "f.login|i", "incompatible"),
        ("f: {login|contains|gt: 5}", "f.login|contains|gt", "do not go together"),
        ("f: {login|cased|re: x}", "f.login|cased|re", "only applicable to unmodified values"),
        ("f: {login|cased|fieldref: user}", "f.login|cased|fieldref", "cased does not go with fieldref"),
        ("f: {login|fieldref: usr}", "f.login|fieldref", "events have no field 'usr'; did you mean 'user'?"),
        ("f: {login|re: '(?=x)'}", "f.login|re", "look-ahead `(?=` is not supported"),
        ("f: {login|re: '(?<!x)'}", "f.login|re", "look-behind `(?<!` is not supported"),
        (r"f: {login|re: '(a)\1'}", "f.login|re", "a back-reference is not supported"),
        ("f: {login|re: ['ok', '[']}", "f.login|re.1", "is no regular expression: missing ]"),
        ("f: {login|re: '(x{1000}){1000}'}", "f.login|re", "is no regular expression: invalid repetition size"),
        ("f: {ip|cidr: 10.0.0.1/8}", "f.ip|cidr", "is no network: 10.0.0.1/8 has host bits set"),
        ("f: {ip|cidr: office}", "f.ip|cidr", "is no network"),
        ("f: {known|cidr: 10.0.0.0/8}", "f.known|cidr", "cidr needs an address; known is none"),
        ("f: {login|hour: 5}", "f.login|hour", "hour needs a date; only `date` is one"),
        ("f: {date|hour: 24}", "f.date|hour", "hour needs a whole number from 0 to 23"),
        ("f: {date|gt: 5}", "f.date|gt", "a date is compared by its parts"),
        ("f: {actionId|gt: '5'}", "f.actionId|gt", "gt needs a number, without quotes"),
        ("f: {known|gt: 5}", "f.known|gt", "gt needs a number; known is none"),
        ("f: {login|exists: yes}", "f.login|exists", "exists needs true or false"),
        ("f: {login|contains: null}", "f.login|contains", "null does not go with contains"),
        ("f: {login|expand: '%offic%'}", "f.login|expand", "there is no list 'offic'; did you mean 'office'?"),
        ("f: {login: {a: b}}", "f.login", "must be a value or a list of values"),
        ("f: {login: []}", "f.login", "is an empty list: it would match nothing"),
        ("f: {}", "f", "is empty"),
        ("f: []", "f", "is empty"),
        ("f: null", "f", "null needs a field before it"),
        ("f: ''", "f", "an empty keyword is in every event"),
        ("f: {'|startswith': x}", "f.|startswith", "the modifier startswith needs a field before it"),
        ("f: {'|cidr': 10.0.0.0/8}", "f.|cidr", "the modifier cidr needs a field before it"),
        ("{f: {login: x}, timeframe: 5m}", "timeframe", "is not part of Sigma 2"),
        ("{f: {login: x}, condition: g}", "condition", "there is no selection 'g'"),
        ("{flt: {login: x}, condition: filt}", "condition", "there is no selection 'filt'; did you mean 'flt'?"),
        ("{f: {login: x}, condition: 1 of g*}", "condition", "no selection is called like 'g*'"),
        ("{f: {login: x}, condition: f and}", "condition", "cannot be understood at its end"),
        ("{f: {login: x}, condition: f AND f}", "condition", "cannot be understood at 'AND': names joined by and, or"),
        ("{f: {login: x}, condition: 2 of f*}", "condition", "cannot be understood at 'of'"),
        ("{f: {login: x}, condition: f | count() > 5}", "condition", "the pipe is not part of Sigma 2"),
        ("{f: {login: x}, condition: [f, g]}", "condition.1", "there is no selection 'g'"),
        ("{f: {login: x}, condition: 5}", "condition", "must be a text like"),
        ("{f: {login: x}, condition: []}", "condition", "is an empty list"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name_at_its_place(detection, way, sentence):
    _, said = read(detection, LISTS)
    assert [where for where, _ in said] == [way]
    assert sentence in said[0][1]


def test_all_mistakes_of_a_detection_are_told_at_once():
    _, said = read("{f: {outcom: x, login|re: '[', ip|cidr: x}, g: {'|lt': 5}, condition: f and g or h}")
    assert [where for where, _ in said] == ["f.outcom", "f.login|re", "f.ip|cidr", "g.|lt", "condition"]


@pytest.mark.parametrize("text", ["(" * 4000 + "f" + ")" * 4000, "not " * 2000 + "f", "not (f and " * 500 + "f" + ")" * 500])
def test_a_condition_that_is_nested_without_end_is_refused(text):
    _, said = read(f"{{f: {{login: x}}, condition: '{text}'}}")
    assert [sentence for _, sentence in said] == ["is nested deeper than 40 brackets and nots"]


def test_a_condition_that_is_nested_deeply_is_understood():
    text = "not (f and " * 20 + "f" + ")" * 20
    assert not read(f"{{f: {{login: x}}, condition: '{text}'}}")[1]


def test_lists_that_would_make_too_many_values_are_refused():
    _, said = read("f: {login|expand: '%a%%a%%a%'}", {"a": [str(number) for number in range(100)]})
    assert [sentence for _, sentence in said] == ["the lists in it make more than 10000 values"]


def test_a_condition_knows_which_selections_it_uses():
    detection, _ = read("{a: {login: x}, b: {login: y}, c: {login: z}, condition: a and not 1 of b*}")
    assert detection.used == {"a", "b"}
    assert condition("{a: {login: x}, condition: a}") == detection.selections["a"]
