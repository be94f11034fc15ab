"""`alertbot events`: the login history straight from the portal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config, TableFormat, TableFormatOption

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertbot.event import Event
    from alertbot.portal.listing import Listing, Progress, Wanted
    from alertbot.settings import PortalSettings

_COLUMNS = (
    *("id", "date", "portal", "event", "outcome", "method", "reason", "account", "known", "name", "email", "role", "status"),
    *("userId", "user", "login", "ip", "ipPartial", "network", "country", "countryCode", "city", "browser", "platform", "page"),
    *("actionId", "action"),
)
_LONG = 500
_PATIENCE_S = 300


def events(
    last: Annotated[bool, typer.Option("--last", help="Only the newest 20 events, in one request.")] = False,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="USER", help="A person by e-mail, name or id; or a login as it was typed.", show_default=False
        ),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(
            "--action",
            metavar="ACTION",
            help="login (success and failure), logout, success, failure, an event's name or number.",
            show_default=False,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="Since this day or time, in the portal's zone.", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Up to this time, or to the end of this day.", show_default=False),
    ] = None,
    portal: Annotated[
        str | None,
        typer.Option("--portal", metavar="NAME", help="Which portal, where there are several.", show_default=False),
    ] = None,
    config: Config = None,
    format_: TableFormatOption = TableFormat.TABLE,
) -> None:
    """Show the login history straight from the portal, newest first.

    Complete, however many pages it takes. --user means the account: attempts with the person's e-mail typed in any letter
    case are included. Without options it is all that the portal keeps. It needs no store and no Slack.

    \b
    Examples:
      alertbot events --last
      alertbot events --user anna@example.com --action failure
      alertbot events --from 2026-01-01 --to 2026-01-31 --format csv > january.csv
      alertbot events --action LoginFailBruteForce --format json | jq '.[].ip'
    """
    import os

    from alertbot import actions
    from alertbot import config as configuration
    from alertbot.cli.terminal import complain, run_async
    from alertbot.errors import UsageError
    from alertbot.moments import parse_moment, to_us
    from alertbot.portal.listing import Wanted

    chosen = None if action is None else actions.choose(action)
    if user is not None and not user.strip():
        raise UsageError("--user is blank; write an e-mail, a name or an id")
    settings = configuration.load(config, os.environ).portal(portal)
    earliest = None if from_ is None else to_us(parse_moment(from_, settings.zone))
    latest = None if to is None else to_us(parse_moment(to, settings.zone, end_of_day=True))
    if earliest is not None and latest is not None and earliest > latest:
        raise UsageError("--from lies after --to: there can be nothing between them")
    listing = run_async(_read(settings, Wanted(last, user, chosen, earliest, latest)))
    for remark in listing.remarks:
        complain(remark)
    for complaint in listing.complaints:
        complain(f"Left out: row {complaint.id} cannot be understood: {complaint.text}.")
    _WRITERS[format_](listing.events, settings.zone)


async def _read(settings: PortalSettings, wanted: Wanted) -> Listing:
    from datetime import timedelta

    from alertbot.portal.client import PortalClient, connect
    from alertbot.portal.listing import list_events

    async with connect([settings], settings.ca) as http:
        client = PortalClient(settings, http, patience=timedelta(seconds=_PATIENCE_S))
        with _progress(settings.zone) as progress:
            return await list_events(client, wanted, progress)


@contextmanager
def _progress(zone: tzinfo) -> Iterator[Progress]:
    """A line on stderr that tells how far it is, when it is long and somebody sits there."""
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    from alertbot.cli.terminal import err
    from alertbot.moments import from_us

    console = err()
    if not console.is_terminal:
        yield lambda *_: None
        return
    bar = Bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True)
    task = bar.add_task("reading")

    def tell(count: int, reached_us: int) -> None:
        if count >= _LONG:
            bar.start()
        bar.update(task, description=f"{count:,} events, back to {from_us(reached_us, zone):%Y-%m-%d %H:%M}")

    try:
        yield tell
    finally:
        bar.stop()


def _as_table(found: Sequence[Event], zone: tzinfo) -> None:
    from alertbot.cli.terminal import out, table
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console = out()
    listed = table("when", "who", "what", "from", "with", whole=("when",))
    for event in found:
        style = "red" if event.outcome == "failure" else ""
        where, device = _joined(event.ip, event.city, event.country), _joined(event.browser, event.platform)
        cells = (_who(event), _what(event), where, device)
        listed.add_row(f"{from_us(event.at_us, zone):%Y-%m-%d %H:%M:%S}", *map(terminal, cells), style=style)
    if found:
        console.print(listed)
        console.print()
    console.print(f"{len(found):,} {'event' if len(found) == 1 else 'events'}. Times are {zone}.")


def _who(event: Event) -> str:
    """Name and e-mail of who is known, what was typed of who is not."""
    if not event.known:
        return event.login or event.user or event.account or ""
    if event.name and event.email:
        return f"{event.name} <{event.email}>"
    return event.name or event.email or event.account or ""


def _what(event: Event) -> str:
    if event.event is None:
        return event.action or str(event.action_id)
    if event.outcome == "session":
        return event.event
    return " ".join(part for part in (event.outcome, event.method, (event.reason or "").replace("_", " ")) if part)


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _as_json(found: Sequence[Event], _: tzinfo) -> None:
    import json
    import re

    from alertbot.cli.terminal import say
    from alertbot.rows import to_public

    unseen = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
    lines = (
        unseen.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(to_public(event), ensure_ascii=False)) for event in found
    )
    say("[" + ",\n ".join(lines) + "]")


def _as_csv(found: Sequence[Event], _: tzinfo) -> None:
    import csv
    import sys

    from alertbot.rows import to_public
    from alertbot.slack.text import csv_cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for event in found:
        row = to_public(event)
        writer.writerow([csv_cell(_cell(row.get(name))) for name in _COLUMNS])


def _cell(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


_WRITERS = {TableFormat.TABLE: _as_table, TableFormat.JSON: _as_json, TableFormat.CSV: _as_csv}
