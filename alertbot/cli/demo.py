"""`alertbot demo`: the whole of it on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from alertbot.demo import Line
    from alertbot.sandbox.portal import SandboxPortal
    from alertbot.sandbox.slack_workspace import Posted


def demo(
    config: Config = None,  # noqa: ARG001  (every command takes it; the demo has nothing to configure)
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="FILE", help="Play this history, in the portal's JSON.", show_default=False),
    ] = None,
    people: Annotated[
        Path | None, typer.Option("--people", metavar="FILE", help="Its directory, in the portal's JSON.", show_default=False)
    ] = None,
    history: Annotated[
        str, typer.Option("--history", metavar="SPAN", help="How much of the file is history; the rest is live.")
    ] = "2d",
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed", metavar="N", help="How many times as fast the rest runs. Left out: within 20 s.", show_default=False
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="PATH", help="Rules. Left out: those that come with alertbot.", show_default=False),
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything up at the end, to play with.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Keep configuration, store and log here.", show_default=False),
    ] = None,
) -> None:
    """See the whole of it at work; there is nothing to configure.

    A portal on this machine serves a month of an office's logins, then a live attack. The real `alertbot run` polls it, tells a
    Slack on this machine, is killed in the middle and started again. At the end everything is counted: exit code 0 when nothing
    was lost and nothing doubled, else 1.

    \b
    Examples:
      alertbot demo
      alertbot demo --stay
      alertbot demo --events logins.jsonl --people people.json --history 2d --speed 100000
    """
    from alertbot.cli.terminal import run_async

    run_async(_play(events, people, history, speed, rules, keep, stay=stay))


async def _play(
    events: Path | None,
    people: Path | None,
    history: str,
    speed: float | None,
    rules: Path | None,
    keep: Path | None,
    *,
    stay: bool,
) -> None:
    import shutil

    from alertbot.demo import Demo
    from alertbot.moments import to_us
    from alertbot.rules.load import shipped_rules
    from alertbot.sandbox.play import play_story
    from alertbot.sandbox.server import Sandbox
    from alertbot.sandbox.story import LIVE, office

    if events is None:
        story = office()
        portal, attacks, until = play_story(story, speed=speed or 1.0), story.expected, to_us(story.end + LIVE)
    else:
        portal, attacks, until = _of_files(events, people, history, speed), (), None
    folder = _empty_folder(keep)
    screen = Terminal(portal.zone)
    async with Sandbox(portal) as sandbox:
        screen.greet(sandbox.portal.url, sandbox.slack.url, len(portal.shown()), len(portal.people))
        await Demo(sandbox, rules or shipped_rules(), folder, screen, attacks=attacks, live_until_us=until).play(stay=stay)
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)


def _empty_folder(keep: Path | None) -> Path:
    import tempfile

    from alertbot.errors import UsageError

    if keep is None:
        return Path(tempfile.mkdtemp(prefix="alertbot-demo-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        used = any(keep.iterdir())
    except OSError as error:
        raise UsageError(f"--keep {keep}: {error.strerror}") from None
    if used:
        raise UsageError(f"--keep {keep}: it is not empty; the demo begins with a store of its own")
    return keep.resolve()


def _of_files(events: Path, people: Path | None, history: str, speed: float | None) -> SandboxPortal:
    from alertbot.errors import UsageError
    from alertbot.moments import parse_duration
    from alertbot.sandbox.play import play_files

    try:
        span = parse_duration(history)
    except ValueError as error:
        raise UsageError(f"--history {history}: {error}") from None
    portal = play_files(events, people, history=span, speed=speed or 1.0)
    if speed is None:
        portal.clock.run_at(max(1.0, portal.coming_for().total_seconds() / 20))
    return portal


class Terminal:
    """The demo on a terminal, or in a file."""

    def __init__(self, zone: tzinfo) -> None:
        from alertbot.cli.terminal import out

        self._console = out()
        self._zone = zone

    def greet(self, portal: str, slack: str, logins: int, people: int) -> None:
        """What runs, and where."""
        self._console.print(f"A portal at {portal} with {logins:,} logins of {people} people.")
        self._console.print(f"A Slack at {slack} : open it in a browser to see the channel.\n")

    def say(self, text: str) -> None:
        """A line about what happens."""
        self._console.print(f"── {text}", style="bold")

    def show(self, message: Posted) -> None:
        """A message as Slack shows it."""
        from rich.padding import Padding

        from alertbot.sandbox.slack_terminal import render_terminal

        indent = 4 if message.thread_ts else 0
        width = min(self._console.width, 100) - indent
        self._console.print(Padding(render_terminal(message, zone=self._zone, width=width), (0, 0, 1, indent)), soft_wrap=False)

    def count(self, lines: Sequence[Line]) -> None:
        """The count at the end."""
        from alertbot.cli.terminal import table

        counted = table("", "counted", "expected", " ", numbers=("counted", "expected"))
        for line in lines:
            style = "green" if line.right else "bold red"
            counted.add_row(line.what, line.counted, line.expected, "right" if line.right else "WRONG", style=style)
        self._console.print(counted, soft_wrap=False)
        if all(line.right for line in lines):
            self._console.print("Nothing lost, nothing doubled.")
