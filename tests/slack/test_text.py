"""Text that an outsider typed never mentions, links, formats or breaks what shows it."""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alertbot.slack import text

SIGNS = "&<>*_~`:@#|=+-./\\ \t\r\n\0\x1b\u2028\u2029\u202e\u2066\u200b\u200d\ufeff\U000e0041\ud800aА7é\u0301"
ATTACKS = ("<!channel>", "<@U1>", "https://evil.example|x", "evil.example/login", "anna@example.com", ":tada:", "👩🏽", "🇩🇪")
NASTY = st.sampled_from([*SIGNS, *ATTACKS])
HOSTILE = st.one_of(st.lists(NASTY, max_size=80).map("".join), st.text(st.characters(codec=None), max_size=200))
LIMITS = st.integers(min_value=10, max_value=300)
FOR_SLACK = [text.plain, text.inline, text.code]
LIVE_LINK = re.compile(r"(?i)\bhttps?:|\b[a-z0-9-]+\.[a-z]{2,}(?:/|\b)(?!.*@)")
HIDDEN = re.compile("[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]")


@pytest.mark.parametrize("render", FOR_SLACK)
@given(typed=HOSTILE, limit=LIMITS)
def test_what_slack_gets_has_no_control_sequence_and_keeps_the_limit_after_escaping(render, typed, limit):
    shown = render(typed, limit)
    assert text.measure(shown) <= limit
    assert "<" not in shown
    assert ">" not in shown
    assert "&" not in re.sub("&(?:amp|lt|gt);", "", shown)
    assert not HIDDEN.search(shown)


@given(typed=HOSTILE, limit=LIMITS)
def test_a_code_span_holds_no_backtick_but_its_own_two(typed, limit):
    shown = text.code(typed, limit)
    assert shown.startswith("`")
    assert shown.endswith("`")
    assert shown.count("`") == 2
    assert len(shown) > 2


@given(typed=HOSTILE)
def test_inside_mrkdwn_no_sign_that_formats_is_left(typed):
    shown = text.inline(typed)
    if not text.is_plain_email(typed):
        assert not set("*~`") & set(shown)
        assert not re.search(r":(?!\d+:)[\w+'-]+:|:(?:100|1234):", shown)
        assert not re.search(r"(?<![^\W_])_|_(?![^\W_])", shown)
    assert not html.unescape(shown).startswith(">")


@given(typed=HOSTILE)
@example("\x1b]0;title\x07\x1b[31mred")
def test_a_terminal_gets_no_control_character(typed):
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text.terminal(typed))


@given(typed=HOSTILE)
@example("=cmd|' /C calc'!A0")
@example(" =1+1")
def test_a_spreadsheet_gets_no_formula_and_one_line(typed):
    cell = text.csv_cell(typed)
    assert cell.lstrip(" ")[:1] not in tuple("=+-@") or not cell.strip()
    written = io.StringIO()
    csv.writer(written).writerow([cell])
    assert next(csv.reader(io.StringIO(written.getvalue()), strict=True), [""])[0] == cell


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.com",
        "Anna.Berg+portal@mail.Example.co.uk",
        "o'brien@example.com",
        "first_last@example.com",
        "jörg@müller.example",
    ],
)
def test_a_plain_email_is_shown_exactly_as_typed(address):
    assert text.plain(address) == text.inline(address) == text.terminal(address) == text.csv_cell(address) == address
    assert text.code(address) == f"`{address}`"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("https://evil.example/login", "hxxps://evil[.]example/login"),
        ("evil.example/login", "evil[.]example/login"),
        ("www.Evil.com:80", "www[.]Evil[.]com:80"),
        ("evil。com", "evil[.]com"),
        ("see HTTP://1.2.3.4/x now", "see hxxp://1.2.3.4/x now"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("slack://open", "slack[:]//open"),
        ("xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd[.]xn--p1ai"),
        ("anna@evil.example/login", "anna@evil[.]example/login"),
        ("mailto:anna@evil.example", "mailto[:]anna@evil[.]example"),
    ],
)
def test_links_are_defanged(typed, shown):
    assert text.plain(typed) == shown


@pytest.mark.parametrize("typed", ["203.0.113.7", "Chrome 131.0", "Windows NT 10.0", "Anna Berg", "2001", "03:04:05"])
def test_what_is_no_link_stays(typed):
    assert text.plain(typed) == text.inline(typed) == typed


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("a\r\nb\nc\td\u2028e\rf", "a⏎b⏎c⏎d⏎e⏎f"),
        ("anna\u202emoc", "anna[U+202E]moc"),
        ("an\u200bna", "an[U+200B]na"),
        ("anna\U000e0041", "anna[U+E0041]"),
        ("a\0b\ud800", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
        ("\x1b[31m", "[U+001B][31m"),
        ("no\u00a0break", "no break"),
        ("❤\ufe0f 👩🏽 🇩🇪", "❤\ufe0f 👩🏽 🇩🇪"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + "[U+0301][U+0301]"),
        ("ㅤ", "[U+3164]"),
    ],
)
def test_what_would_not_be_seen_is_shown(typed, shown):
    assert text.clean(typed) == shown


def test_hidden_characters_are_remarked_on():
    assert text.remarks("anna\u202emoc") == ("holds hidden characters, shown as [U+…]",)
    assert text.remarks("anna@example.com\n") == ()


@pytest.mark.parametrize("typed", ["\u0430nna@example.com", "paypa\u217c раypal", "ΑΒanna"])
def test_mixed_scripts_are_remarked_on(typed):
    assert any("it may imitate another name" in remark for remark in text.remarks(typed))


@pytest.mark.parametrize("typed", ["Anna Berg", "Анна Иванова", "Anna Иванова", "田中Tanaka", "Jörg Müller", "山田 太郎"])
def test_names_of_one_script_a_word_are_not_remarked_on(typed):
    assert text.remarks(typed) == ()


@given(typed=HOSTILE)
@example("a\u0301" * 100)
@example("👩🏽" * 100)
def test_a_cut_falls_between_graphemes(typed):
    whole = "".join(text.graphemes(text.clean(typed)))
    assert whole == text.clean(typed)
    shown = text.terminal(typed, 40)
    if shown != text.clean(typed):
        clusters = list(text.graphemes(text.clean(typed)))
        prefixes = {"".join(clusters[:count]) + text.CUT for count in range(len(clusters) + 1)}
        assert shown in prefixes


def test_two_hundred_ampersands_are_cut_after_escaping_counts():
    shown = text.plain("&" * 200, 100)
    assert text.measure(shown) <= 100
    assert html.unescape(shown) == "&" * 19 + "…"


def test_a_huge_text_costs_little():
    for typed in ("a." * 500_000, "-" * 1_000_000, "a-" * 500_000 + "@", "\u0301" * 1_000_000, ":a" * 500_000):
        assert text.measure(text.inline(typed, 150)) <= 150
