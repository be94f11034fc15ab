"""`alertbot doctor`: try everything for real, and say how to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from rich.console import Console

    from alertbot.doctor import Check
    from alertbot.settings import Settings

_SIGNS = {"ok": "✓", "remark": "!", "red": "✗", "untried": "?"}
_STYLES = {"ok": "green", "remark": "yellow", "red": "bold red", "untried": "dim"}


def doctor(
    post: Annotated[bool, typer.Option("--post", help="Post a test alert to every channel of the configuration too.")] = False,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Try everything for real, and say how to mend it.

    Asks each portal and Slack as `alertbot run` does, and changes nothing. Ends with 1 where something is red.

    \b
    Examples:
      alertbot doctor
      alertbot doctor --post
      alertbot doctor --format json | jq '.portals[].checks[] | select(.state == "red")'
    """
    from alertbot import log
    from alertbot.cli.opened import load_settings, now_us
    from alertbot.cli.terminal import out, run_async, say
    from alertbot.doctor import is_red

    settings = load_settings(config)
    log.configure(secrets=settings.secrets, level="error")
    portals, slack = run_async(_look(settings, now_us(), post=post))
    red = is_red([*slack, *(check for checks in portals.values() for check in checks)])
    if format_ is Format.JSON:
        listed = [
            {"portal": portal.name, "url": portal.url, "checks": _as_json(portals[portal.name])} for portal in settings.portals
        ]
        say(json.dumps({"ok": not red, "portals": listed, "slack": _as_json(slack)}, indent=2, ensure_ascii=False))
    else:
        console = out()
        for portal in settings.portals:
            _show(console, f"Portal {portal.name} ({portal.url})", portals[portal.name])
        _show(console, "Slack", slack)
        if settings.slack is not None and not post:
            console.print("To see an alert arrive: alertbot doctor --post")
    if red:
        raise typer.Exit(1)


async def _look(settings: Settings, now_us: int, *, post: bool) -> tuple[dict[str, list[Check]], list[Check]]:
    from alertbot.doctor import Check, look_at_portals, look_at_slack, post_test

    portals = await look_at_portals(settings, now_us)
    if settings.slack is None:
        mend = "Set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL, or write `slack` into the configuration."
        return portals, [Check("configuration", "red", "No Slack is configured.", mend)]
    slack = await look_at_slack(settings)
    if post:
        slack += await post_test(settings, now_us)
    return portals, slack


def _show(console: Console, title: str, checks: Sequence[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    from alertbot.slack.text import terminal

    console.print(title, style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    for check in checks:
        said = Text(terminal(check.said))
        if check.mend and check.state != "ok":
            said.append(f"\n→ {terminal(check.mend)}", style="italic")
        table.add_row(Text(_SIGNS[check.state], style=_STYLES[check.state]), check.what, said)
    console.print(table)
    console.print()


def _as_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    return [{"check": one.what, "state": one.state, "said": one.said, "mend": one.mend or None} for one in checks]
