"""`alertbot sandbox`: a portal and a Slack on this machine, to try rules against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config

if TYPE_CHECKING:
    from alertbot.sandbox.portal import SandboxPortal
    from alertbot.sandbox.server import Sandbox

Events = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Events in the portal's JSON: a list, an envelope, or one a line."),
]
People = Annotated[
    Path | None, typer.Option("--people", metavar="FILE", help="The directory in the portal's JSON. Left out: who logged in.")
]
History = Annotated[
    str | None,
    typer.Option(
        "--history", metavar="SPAN", help="How much of the file is history, e.g. 2d; the rest is live. Left out: all."
    ),
]


def sandbox(
    config: Config = None,  # noqa: ARG001  (every command takes it; the sandbox has nothing to configure)
    events: Events = None,
    people: People = None,
    history: History = None,
    speed: Annotated[float, typer.Option("--speed", metavar="N", help="How many times as fast as real time it runs.")] = 1.0,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The portal's port; 0: any free one.")] = 0,
    slack_port: Annotated[int, typer.Option("--slack-port", min=0, max=65535, help="Slack's port; 0: any free one.")] = 0,
) -> None:
    """Serve a portal and a Slack of your own, to try rules on.

    The portal serves a month of an invented office's logins, and soon after it is first read a live attack of some 20
    seconds; or the events of your file. Both listen on this machine only, until Ctrl-C.

    \b
    Examples:
      alertbot sandbox
      alertbot sandbox --events logins.json --people people.json
      alertbot sandbox --events logins.jsonl --history 2d --speed 3600
    """
    from alertbot.cli.terminal import run_async

    portal = _portal(events, people, history, speed)
    run_async(_serve(portal, port, slack_port))


def _portal(events: Path | None, people: Path | None, history: str | None, speed: float) -> SandboxPortal:
    from alertbot.errors import UsageError
    from alertbot.moments import parse_duration
    from alertbot.sandbox.play import play_files, play_story
    from alertbot.sandbox.story import office

    if events is None:
        if people is not None or history is not None:
            raise UsageError("--people and --history go with --events FILE; the office's story brings its own")
        return play_story(office(), speed=speed)
    try:
        span = None if history is None else parse_duration(history)
    except ValueError as error:
        raise UsageError(f"--history {history}: {error}") from None
    return play_files(events, people, history=span, speed=speed)


async def _serve(portal: SandboxPortal, port: int, slack_port: int) -> None:
    """Until SIGTERM; Ctrl-C is an interruption like any other."""
    import asyncio
    import signal
    import sys

    from alertbot.cli.terminal import say
    from alertbot.sandbox.play import begin
    from alertbot.sandbox.server import Sandbox

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Sandbox(portal, portal_port=port, slack_port=slack_port) as both:
        say(_told(both))
        sys.stdout.flush()
        beginning = asyncio.create_task(begin(portal))
        try:
            await ended.wait()
        finally:
            beginning.cancel()


def _told(both: Sandbox) -> str:
    import shlex

    from alertbot.event import FEEDS
    from alertbot.sandbox.play import GRACE

    portal = both.portal
    url = portal.url
    shown = sum(len(portal.shown(feed)) for feed in FEEDS)
    coming = sum(portal.coming(feed) for feed in FEEDS)
    exports = "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in both.environment().items())
    now = portal.clock.now().astimezone(portal.zone)
    return f"""\
A portal and a Slack run on this machine, until Ctrl-C.

  portal   {portal.url}   {shown:,} events, {coming:,} more to come, {len(portal.people)} people
  Slack    {both.slack.url}   open it in a browser

The portal's time stands at {now:%A, %Y-%m-%d %H:%M:%S} ({portal.zone}).
{GRACE.seconds} seconds after it is first asked it goes on, {portal.clock.speed:g} times as fast as real time.

Watch it from another terminal:

{exports}
  alertbot run

A login of your own, something that is done in the portal, and a fault (more: {url}/sandbox):

  curl -d '{{"login": "anna.berg@acme.example", "actionId": 1002}}' {url}/sandbox/events
  curl -d '{{"feed": "audit", "events": {{"login": "anna.berg@acme.example", "actionId": "RoomDeleted"}}}}' {url}/sandbox/events
  curl -d '{{"kind": "status", "status": 503, "times": 5}}' {url}/sandbox/faults
"""
