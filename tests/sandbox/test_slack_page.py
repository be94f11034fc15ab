"""The channel as a page and in a terminal shows what Slack would show, and text stays text."""

from __future__ import annotations

import io
import re
import unicodedata
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import aiohttp
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from alertbot.sandbox import mrkdwn, slack_page
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.sandbox.slack_terminal import render_terminal
from alertbot.sandbox.slack_workspace import Workspace
from tests.slack.test_text import HOSTILE

ALLOWED = {"article", "div", "span", "b", "i", "s", "h3", "p", "time", "code", "pre", "a", "mark", "br", "button", "hr"}
HTML = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=y>', "' onmouseover='x", "</pre><style>", "&lt;b&gt;"]
)
TYPED = st.lists(st.one_of(HOSTILE, HTML, st.sampled_from(["<https://x.example|", "<!date^1^{time}|", "```", ">", "*"]))).map(
    "".join
)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)
        self.attributes += attrs


def workspace(**wanted) -> Workspace:
    space = Workspace(["#security"], clock=lambda: 1_768_442_412.0)
    space.post(space.channel("#security"), wanted)
    return space


def in_terminal(space: Workspace, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False)
    console.print(render_terminal(space.messages[0], zone=ZoneInfo("Europe/Berlin"), width=width))
    return out.getvalue()


@given(text=TYPED, label=TYPED, colour=TYPED)
def test_no_text_of_a_message_becomes_markup(text, label, colour):
    every = [
        {"type": "header", "text": {"type": "plain_text", "text": text}},
        {"type": "section", "text": {"type": "mrkdwn", "text": text}, "fields": [{"type": "mrkdwn", "text": label}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]},
        {"type": "actions", "elements": [{"type": "button", "style": colour, "text": {"type": "plain_text", "text": label}}]},
        {"type": label},
    ]
    part = slack_page.channel_part(
        workspace(text=text, blocks=every, attachments=[{"color": colour, "blocks": every}]), "security"
    )
    tags = Tags()
    tags.feed(part)
    assert tags.found <= ALLOWED
    names = {name for name, _ in tags.attributes if not name.startswith("data-")}
    assert names <= {"id", "class", "aria-hidden", "style", "href", "rel", "target"}
    data = {name for name, _ in tags.attributes} - names
    assert data <= {"data-seconds", "data-format", "data-channel", "data-ts", "data-action"}
    for name, value in tags.attributes:
        assert name != "href" or (value or "").startswith(("http://", "https://", "mailto:"))
        assert name != "style" or re.fullmatch("background:#[0-9a-fA-F]{6}", value or "")


@given(text=TYPED)
def test_no_control_character_reaches_the_terminal(text):
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {"type": "header", "text": {"type": "plain_text", "text": text}},
    ]
    shown = in_terminal(workspace(text=text, blocks=blocks))
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in shown if char != "\n")


def test_what_slack_would_make_of_mrkdwn_shows():
    text = "*bold* _it_ ~no~ `code` <https://a.example|link> <!channel> <@U1> <!date^0^{time}|then> &lt;x&gt; :tada:"
    kinds = [(span.kind, span.text, sorted(span.styles)) for span in mrkdwn.spans(text, verbatim=True) if span.text.strip()]
    assert kinds == [
        ("text", "bold", ["bold"]),
        ("text", "it", ["italic"]),
        ("text", "no", ["strike"]),
        ("code", "code", []),
        ("link", "link", []),
        ("mention", "@channel", []),
        ("mention", "@U1", []),
        ("date", "then", []),
        ("text", " <x> ", []),
        ("emoji", "🎉", []),
    ]


def test_without_verbatim_bare_links_and_names_come_alive():
    found = [(span.kind, span.text) for span in mrkdwn.spans("see https://a.example @here") if span.kind != "text"]
    assert found == [("link", "https://a.example"), ("mention", "@here")]
    assert mrkdwn.mentions("<!subteam^S1> `<!here>` &lt;!channel&gt;", verbatim=True) == ["!subteam^S1"]


def test_a_page_shows_threads_bars_and_dates():
    date = "<!date^1768442412^{time_secs}|03:00:12 CET>"
    space = workspace(
        text="top",
        attachments=[{"color": "#e8590c", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": date}}]}],
    )
    channel = space.channel("#security")
    space.post(channel, {"text": "in the thread", "thread_ts": space.messages[0].ts})
    part = slack_page.channel_part(space, "#security")
    assert "background:#e8590c" in part
    assert '<time data-seconds="1768442412" data-format="{time_secs}">03:00:12 CET</time>' in part
    assert "1 reply" in part
    assert part.index("top") < part.index("in the thread")
    assert "in the thread" in slack_page.page(space, "security")


def test_text_beside_blocks_is_for_notifications_only():
    space = workspace(text="notification", blocks=[{"type": "divider"}])
    assert "notification" not in slack_page.channel_part(space, "security")
    assert "notification" not in in_terminal(space)


def test_the_terminal_shows_bar_fields_and_dates_in_its_zone():
    fields = [{"type": "mrkdwn", "text": "*Who*\nAnna"}, {"type": "mrkdwn", "text": "*When*\n<!date^1768442412^{time_secs}|x>"}]
    bar = {"color": "#e8590c", "blocks": [{"type": "section", "fields": fields}]}
    space = workspace(text="x", blocks=[{"type": "header", "text": {"type": "plain_text", "text": "HIGH"}}], attachments=[bar])
    lines = [line.rstrip() for line in in_terminal(space).splitlines() if line.strip()]
    assert lines[0] == "HIGH"
    assert re.fullmatch(r"▌ Who +When", lines[1])
    assert re.fullmatch(r"▌ Anna +03:00:12", lines[2])
    narrow = [line.rstrip() for line in in_terminal(space, 40).splitlines() if line.strip()]
    assert narrow == ["HIGH", "▌ Who", "▌ Anna", "▌ When", "▌ 03:00:12"]


async def test_the_page_is_served_with_a_policy_and_asks_only_for_news():
    slack = SandboxSlack()
    async with Server(slack), aiohttp.ClientSession() as http:
        async with http.get(f"{slack.url}/") as answer:
            page = await answer.text()
            assert "script-src 'sha256-" in answer.headers["Content-Security-Policy"]
        assert "Nothing has been posted here yet." in page
        assert "{{" not in page
        version = re.search(r'data-version="(\d+)"', page)
        assert version
        async with http.get(f"{slack.url}/sandbox/page", params={"version": version[1]}) as answer:
            assert "html" not in await answer.json()
        slack.space.post(slack.space.channel("#security"), {"text": "{{name}} hello"})
        async with http.get(f"{slack.url}/sandbox/page", params={"version": version[1]}) as answer:
            assert "{{name}} hello" in (await answer.json())["html"]
        async with http.get(f"{slack.url}/") as answer:
            assert "{{name}} hello" in await answer.text()
