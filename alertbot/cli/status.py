"""`alertbot status`: how it stands, and what the next shift needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from rich.console import Console

    from alertbot.incidents import Incident
    from alertbot.settings import Settings
    from alertbot.standing import PortalStanding, Standing

LISTED = 30
BEHIND_US = 15 * 60_000_000
"""So far behind the logins the audit trail may be without a remark."""


def status(
    handover: Annotated[
        bool, typer.Option("--handover", help="What the next shift needs: open work, who has what, silences, gaps.")
    ] = False,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show how it stands, or what the next shift needs.

    It reads the store alone, so it answers also when alertbot, a portal or Slack does not.

    \b
    Examples:
      alertbot status
      alertbot status --handover
      alertbot status --format json | jq '.portals[] | select(.watched | not)'
    """
    from alertbot.cli.opened import now_us, reading
    from alertbot.cli.terminal import out, say
    from alertbot.standing import as_json, standing

    with reading(config) as (settings, store):
        now = standing(settings, store, now_us())
    if format_ is Format.JSON:
        told = as_json(now) | (_handover_as_json(now) if handover else {})
        say(json.dumps(told, indent=2, ensure_ascii=False))
        return
    console = out()
    if handover:
        _work(console, now, settings)
        _silences(console, now, settings)
    _portals(console, now)
    _open(console, now)
    _slack(console, now)


def _portals(console: Console, now: Standing) -> None:
    from alertbot.cli.terminal import table
    from alertbot.slack.text import terminal

    names = ("portal", "last read", "newest event", "events", "plan", "clock", "watched since")
    listed = table(*names, numbers=("events",))
    for portal in now.portals:
        state, zone = portal.state, portal.settings.zone
        listed.add_row(
            portal.settings.name,
            f"{_span(now, state.last_poll_us)} ago" if state.last_poll_us else "never",
            _moment(portal.newest_us, zone) if portal.newest_us else "none",
            f"{portal.events:,}",
            state.plan or "",
            _clock(state.skew_us),
            _moment(state.watching_since_us, zone) if state.watching_since_us is not None else "not yet",
        )
    console.print(listed)
    for one in now.blind:
        said = terminal(f"! {one.portal}: {one.kind} since {_span(now, one.since_us)}: {one.said}")
        console.print(said, style="yellow")
    for line in (now.rules_broken or "").splitlines():
        console.print(terminal(f"! the rules before the last change are in force: {line}"), style="yellow")
    for portal in now.portals:
        for line in _remarks(portal):
            console.print(f"! {portal.settings.name}: {line}", style="yellow")


def _clock(skew_us: int | None) -> str:
    """How far a portal's clock is off; the portal tells whole seconds."""
    if skew_us is None:
        return ""
    seconds = round(skew_us / 1_000_000)
    return "right" if not seconds else f"{abs(seconds):,} s {'ahead' if seconds > 0 else 'behind'}"


def _remarks(portal: PortalStanding) -> Iterable[str]:
    from alertbot.portal.notes import HISTORIES

    zone = portal.settings.zone

    if portal.state.plan == "none":
        yield "its plan has no audit service: it shows its newest 20 events only, and what comes faster is lost."
    if (missing := portal.catch_up) is not None:
        done = portal.caught_up
        yield (
            f"catching up: read back to {_moment(missing.end_us, zone)}, still down to {_moment(missing.start_us, zone)}"
            f"{f' ({done:.0%} done)' if done is not None else ''}; alerts come when all of it is there."
        )
    elif not portal.watched:
        yield "not watched now: is alertbot running, and does the portal answer? Its log says more."
    if portal.state.rebuild_from_us is not None:
        yield f"what came late since {_moment(portal.state.rebuild_from_us, portal.settings.zone)} is being put in order."
    for rule, count in sorted(portal.dropped.items()):
        yield (
            f"{rule} has let go of {count:,} keys before their time since the start: made-up logins or addresses filled its "
            "memory. Accounts of the directory are kept."
        )
    logins_us, audit_us = portal.read_to.get("login"), portal.read_to.get("audit")
    if logins_us is not None and audit_us is not None and logins_us - audit_us > BEHIND_US:
        yield f"the audit trail was read up to {_moment(audit_us, zone)} only; rules that look at it do not know more."
    for gap in portal.gaps[-5:]:
        yield f"a gap in the {HISTORIES[gap.feed]}: {_moment(gap.start_us, zone)} to {_moment(gap.end_us, zone)}."


def _open(console: Console, now: Standing) -> None:
    going_on = len(now.untouched) - now.over_unseen
    console.print(
        f"\nOpen work: {going_on:,} going on and nobody has looked, {now.over_unseen:,} over and nobody has looked, "
        f"{len(now.held):,} in somebody's hands. Silences: {len(now.silences):,}."
    )


def _slack(console: Console, now: Standing) -> None:
    from alertbot.slack.text import terminal

    waiting = sum(each.count for each in now.waiting)
    refused = now.outbox.get("refused", 0)
    console.print(f"Slack: {now.outbox.get('sent', 0):,} sent, {waiting:,} waiting, {refused:,} refused for good.")
    for each in now.waiting:
        said = f"; {each.said}" if each.said else ""
        console.print(terminal(f"  {each.channel}: {each.count:,} waiting for {_span(now, each.since_us)}{said}"))
    for trouble in now.troubles:
        where = trouble.channel or "everywhere"
        console.print(terminal(f"! Slack, {where}, for {_span(now, trouble.since_us)}: {trouble.said}"), style="yellow")
    if now.socket is not None:
        stands = "connected" if now.socket.open else f"not connected: {now.socket.said}"
        console.print(terminal(f"Buttons: {stands}, for {_span(now, now.socket.since_us)}."))


# -- for the next shift ------------------------------------------------------------------------------------------------


def _work(console: Console, now: Standing, settings: Settings) -> None:
    singly = [one for one in now.untouched if not one.told_in_summary]
    for title, found in (
        ("Nobody has looked", [one for one in singly if one.phase == "going_on"]),
        ("Over, nobody has looked", [one for one in singly if one.phase == "over"]),
        ("In somebody's hands", list(now.held)),
    ):
        if found:
            _incidents(console, title, found, settings, now)
    _in_summaries(console, [one for one in now.untouched if one.told_in_summary])
    if not now.untouched and not now.held:
        console.print("No open work.\n")


def _in_summaries(console: Console, found: list[Incident]) -> None:
    """What only a summary tells of, as after a storm: a line for each rule, so that it buries nothing else."""
    if not found:
        return
    from collections import Counter

    from alertbot.slack.text import terminal

    console.print(f"Told in a summary alone, nobody has looked ({len(found):,})", style="bold")
    for (rule, title), count in Counter((one.rule, one.title) for one in found).most_common():
        console.print(terminal(f"  {count:,} × {title}: alertbot incidents resolve rule:{rule} HOW settles all of them"))
    console.print()


def _incidents(console: Console, title: str, found: list[Incident], settings: Settings, now: Standing) -> None:
    from alertbot.cli.incidents import who_or_what
    from alertbot.cli.opened import zone_of
    from alertbot.cli.terminal import table
    from alertbot.slack.text import terminal

    console.print(f"{title} ({len(found):,})", style="bold")
    work = table(*[""] * 6)
    for one in found[:LISTED]:
        has = f"{one.by}, for {_span(now, one.by_at_us)}" if one.work == "acknowledged" and one.by_at_us else ""
        work.add_row(
            one.id[:8],
            one.level,
            terminal(one.title),
            terminal(who_or_what(one)),
            f"{one.count:,} since {_moment(one.first_us, zone_of(settings, one.portal))}",
            terminal(has),
        )
    console.print(work)
    if len(found) > LISTED:
        console.print(f"and {len(found) - LISTED:,} more: alertbot incidents")
    console.print()


def _silences(console: Console, now: Standing, settings: Settings) -> None:
    from alertbot.slack.text import terminal

    if not now.silences:
        return
    console.print(f"Silences ({len(now.silences):,})", style="bold")
    zone = settings.portals[0].zone
    for one, held in now.silences:
        events = sum(max(each.count - each.silenced.told, 0) for each in held if each.silenced is not None)
        back = f"holds back {len(held):,} with {events:,} events" if held else "holds back nothing yet"
        until = _moment(one.until_us, zone)
        console.print(terminal(f"  {one.id}  until {until}  {one.what}: {one.reason} ({one.by}); {back}"))
    console.print()


def _handover_as_json(now: Standing) -> dict[str, Any]:
    from alertbot.cli.incidents import as_json
    from alertbot.cli.silence import as_json as silence_as_json

    return {
        "untouched": [as_json(one) for one in now.untouched],
        "acknowledged": [as_json(one) for one in now.held],
        "silenced": [
            silence_as_json(one) | {"active": True, "held_back": [as_json(each) for each in held]} for one, held in now.silences
        ],
    }


def _moment(at_us: int | None, zone: Any) -> str:
    from alertbot.moments import from_us

    return f"{from_us(at_us, zone):%Y-%m-%d %H:%M}" if at_us is not None else ""


def _span(now: Standing, at_us: int) -> str:
    """How long since a moment, by the bot's own clock."""
    from alertbot.slack.words import span

    return span(at_us, max(at_us, now.now_us))
