"""`alertbot incidents`: what goes on and what went on, and acting on it from a shell as the buttons do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertbot.cli.opened import As, after_the_command
from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from alertbot.handling import Resolution
    from alertbot.incidents import Incident, LogEntry
    from alertbot.outbox import OutboxEntry
    from alertbot.responses import Response
    from alertbot.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)

Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or the beginning of it.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Also what is resolved, withdrawn or told of elsewhere.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="With --all: so many of the newest.")]
IdOrRule = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Its id, or the beginning of it; or rule:NAME.", show_default=False)
]
Word = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, in a few words.", show_default=False)]


@app.callback()
def incidents(
    context: typer.Context,
    all_: All = False,
    limit: Limit = 50,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List incidents, tell the story of one, act on it.

    Without a command: what is open work, that is, what nobody has resolved, also when it is over. The commands do what the
    buttons in Slack do, also while alertbot runs: it shows there within a second or two.

    \b
    Examples:
      alertbot incidents
      alertbot incidents --all --format json | jq '.[].title'
      alertbot incidents show 3f2a
      alertbot incidents acknowledge 3f2a
      alertbot incidents resolve 3f2a expected --reason "her new phone"
      alertbot incidents reopen 3f2a
    """
    if context.invoked_subcommand is not None:
        after_the_command(context, config)
        return
    _list(config, format_, limit if all_ else None)


@app.command(name="list")
def list_(all_: All = False, limit: Limit = 50, config: Config = None, format_: FormatOption = Format.TABLE) -> None:
    """List what is open work: what nobody has resolved, also when it is over.

    \b
    Examples:
      alertbot incidents list
      alertbot incidents list --all --format json
    """
    _list(config, format_, limit if all_ else None)


@app.command()
def show(incident: Id, config: Config = None, format_: FormatOption = Format.TABLE) -> None:
    """Tell the story of an incident: what it is, every step of it and why, and where it was told.

    \b
    Examples:
      alertbot incidents show 3f2a
      alertbot incidents show 3f2a --format json
    """
    from alertbot.cli.opened import incident_id, reading

    with reading(config) as (settings, store):
        one = store.incident(incident_id(store, incident))
        assert one is not None, "it was just found"
        log, entries = store.incident_log(one.id), store.entries(incident=one.id)
    if format_ is Format.JSON:
        _say(as_json(one) | {"log": [_step_as_json(each) for each in log], "messages": [_entry_as_json(e) for e in entries]})
    else:
        _story(one, log, entries, settings)


@app.command()
def acknowledge(incident: Id, who: As = None, config: Config = None) -> None:
    """Take an incident on: it does not escalate any more, and everybody sees who has it.

    \b
    Examples:
      alertbot incidents acknowledge 3f2a
      alertbot incidents acknowledge 3f2a --as "Anna Berg"
    """
    from alertbot import responses
    from alertbot.cli.opened import acting, actor, incident_id, now_us
    from alertbot.respond import Desk

    with acting(config) as (_, store):
        person, name = actor(who), incident_id(store, incident)
        _told(Desk(store, {}).step(name, lambda one: responses.acknowledge(one, person, now_us())))


@app.command()
def resolve(
    incident: IdOrRule,
    how: Annotated[str, typer.Argument(metavar="HOW", help="real, false_alarm or expected.", show_default=False)],
    reason: Word = "",
    who: As = None,
    config: Config = None,
) -> None:
    """Settle an incident. What it still brings is only counted; a new finding opens a new incident.

    One that was expected is kept as a wish for the rule's editor: see `alertbot rules --wishes`.

    Of what a storm brings, a summary tells of most: rule:NAME settles at once all of a rule that has no message of its own.

    \b
    Examples:
      alertbot incidents resolve 3f2a real
      alertbot incidents resolve 3f2a false_alarm --reason "a scanner of ours"
      alertbot incidents resolve 3f2a expected --reason "her new phone"
      alertbot incidents resolve rule:password-guessing real --reason "the address is blocked"
    """
    from alertbot.cli.opened import acting, actor, incident_id, now_us, rules_of
    from alertbot.cli.terminal import say
    from alertbot.respond import Desk

    resolution = _resolution(how)
    kind, _, rule = incident.partition(":")
    with acting(config) as (settings, store):
        if kind == "rule":
            count = Desk(store, {}).resolve_summed(rule, actor(who), now_us(), resolution, reason)
            say(
                f"Resolved {count:,}." if count else "Nothing changed: no summary alone tells of an open incident of that rule."
            )
            return
        slack = settings.slack
        desk = Desk(store, rules_of(settings) if resolution == "expected" else {})
        by_webhook = slack is not None and slack.webhook is not None
        name = incident_id(store, incident)
        _told(desk.resolve(name, actor(who), now_us(), resolution, reason, by_webhook=by_webhook))


@app.command()
def reopen(incident: Id, reason: Word = "", who: As = None, config: Config = None) -> None:
    """Make a resolved incident open work again, nobody's.

    \b
    Examples:
      alertbot incidents reopen 3f2a --reason "it was not her"
    """
    from alertbot import responses
    from alertbot.cli.opened import acting, actor, incident_id, now_us
    from alertbot.respond import Desk

    with acting(config) as (_, store):
        person, name = actor(who), incident_id(store, incident)
        _told(Desk(store, {}).step(name, lambda one: responses.reopen(one, person, now_us(), reason)))


@app.command()
def undo(incident: Id, who: As = None, config: Config = None) -> None:
    """Take back the last acknowledgement or resolve of an incident.

    \b
    Examples:
      alertbot incidents undo 3f2a
    """
    from alertbot.cli.opened import acting, actor, incident_id, now_us
    from alertbot.respond import Desk

    with acting(config) as (_, store):
        _told(Desk(store, {}).undo(incident_id(store, incident), actor(who), now_us()))


def as_json(incident: Incident) -> dict[str, Any]:
    """An incident as programs read it. Keys are only ever added."""
    from alertbot.moments import iso

    told: dict[str, Any] = {
        "incident": incident.id,
        "portal": incident.portal,
        "rule": incident.rule,
        "title": incident.title,
        "level": incident.level,
        "key": dict(zip(incident.fields, incident.key, strict=True)),
        "person": incident.about.person if incident.about else None,
        "phase": incident.phase,
        "work": incident.work,
        "by": incident.by,
        "by_at": iso(incident.by_at_us) if incident.by_at_us else None,
        "resolution": incident.resolution,
        "reason": incident.word,
        "first": iso(incident.first_us),
        "at": iso(incident.at_us),
        "last": iso(incident.last_us),
        "count": incident.count,
        "withdrawn": incident.withdrawn,
        "silenced": incident.silenced is not None,
        "quiet_until": iso(incident.quiet_until_us) if incident.quiet_until_us else None,
        "held_by": incident.held_by,
        "merged_into": incident.merged_into,
        "follows": incident.follows,
    }
    return told


def state(incident: Incident) -> str:
    """How it stands, in a few words: `going on, ben has it`; `over, nobody has looked`."""
    phase = "going on" if incident.phase == "going_on" else "over"
    if incident.withdrawn:
        return "withdrawn"
    if incident.merged_into is not None:
        return "merged"
    if incident.held_by is not None:
        return "told with another one"
    by = incident.by or "somebody"
    work = {"new": "nobody has looked", "acknowledged": f"{by} has it", "resolved": f"resolved by {by}"}[incident.work]
    held = ", silenced" if incident.silenced is not None else ", held by quiet hours" if incident.quiet_until_us else ""
    return f"{phase}, {work}{held}"


def _list(config: Config, format_: Format, newest: int | None) -> None:
    """List open work; or so many of the newest, whatever became of them."""
    from alertbot.cli.opened import reading

    with reading(config) as (settings, store):
        found = store.open_incidents_of_people() if newest is None else store.recent_incidents(newest)
    if format_ is Format.JSON:
        _say([as_json(incident) for incident in found])
    else:
        _table(found, settings)


def _resolution(how: str) -> Resolution:
    from alertbot.errors import UsageError
    from alertbot.handling import RESOLUTIONS

    found = next((one for one in RESOLUTIONS if one == how.replace("-", "_").replace(" ", "_").lower()), None)
    if found is None:
        raise UsageError(f"{how!r} is no way to settle it: write real, false_alarm or expected")
    return found


def _told(response: Response | None) -> None:
    """Say what became of it. What changed nothing, because it is so already or came too late, is no failure."""
    from alertbot.cli.terminal import say
    from alertbot.slack.text import terminal

    say(terminal(response.said) if response is not None else "There is no such incident any more.")


def _say(value: object) -> None:
    from alertbot.cli.terminal import say

    say(json.dumps(value, indent=2, ensure_ascii=False))


def _table(found: Sequence[Incident], settings: Settings) -> None:
    from alertbot.cli.opened import zone_of
    from alertbot.cli.terminal import out, table
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console = out()
    if not found:
        console.print("Nothing is open.")
        return
    names = ("incident", "last seen", "level", "title", "who or what", "count", "state")
    listed = table(*names, whole=("incident", "last seen", "level"), numbers=("count",))
    for one in found:
        listed.add_row(
            one.id[:8],
            f"{from_us(one.last_us, zone_of(settings, one.portal)):%m-%d %H:%M}",
            one.level,
            terminal(one.title),
            terminal(who_or_what(one)),
            f"{one.count:,}",
            terminal(state(one)),
        )
    console.print(listed)


def who_or_what(incident: Incident) -> str:
    """The person, else the key."""
    return incident.subject or incident.portal


def _story(one: Incident, log: Sequence[LogEntry], entries: Sequence[OutboxEntry], settings: Settings) -> None:
    from alertbot.cli.opened import zone_of
    from alertbot.cli.terminal import out
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console, zone = out(), zone_of(settings, one.portal)

    def moment(at_us: int) -> str:
        return f"{from_us(at_us, zone):%Y-%m-%d %H:%M:%S}"

    console.print(terminal(f"{one.level.upper()} · {one.title} · {who_or_what(one)} · {one.portal}"), style="bold")
    console.print(terminal(f"{state(one)} · {one.count:,} events from {moment(one.first_us)} to {moment(one.last_us)} {zone}"))
    console.print(f"incident {one.id} · rule {terminal(one.rule)}" + (f" · follows {one.follows}" if one.follows else ""))
    console.print("\nWhat became of it", style="bold")
    for step in log:
        detail = f": {step.detail}" if step.detail else ""
        console.print(terminal(f"  {moment(step.at_us)}  {step.who}  {step.reason.replace('_', ' ')}{detail}"))
    told = [entry for entry in entries if entry.update_of is None]
    if told:
        console.print("\nWhere it was told", style="bold")
    for entry in told:
        said = f" ({entry.error})" if entry.error else ""
        console.print(terminal(f"  {moment(entry.created_us)}  {entry.kind} in {entry.channel}: {entry.state}{said}"))


def _step_as_json(step: LogEntry) -> dict[str, Any]:
    from alertbot.moments import iso

    return {"at": iso(step.at_us), "who": step.who, "reason": str(step.reason), "detail": step.detail}


def _entry_as_json(entry: OutboxEntry) -> dict[str, Any]:
    from alertbot.moments import iso

    return {
        "id": entry.id,
        "kind": entry.kind,
        "channel": entry.channel,
        "state": entry.state,
        "created": iso(entry.created_us),
        "sent": iso(entry.settled_us) if entry.settled_us and entry.state == "sent" else None,
        "error": entry.error,
    }
