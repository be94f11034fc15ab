"""`alertbot silence`: hold back for a while what is known of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertbot.cli.opened import As, after_the_command
from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from alertbot.settings import Settings
    from alertbot.silences import Scope, Silence
    from alertbot.store.store import Store

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def silence(context: typer.Context, config: Config = None, format_: FormatOption = Format.TABLE) -> None:
    """Hold back for a while what you know of.

    A silence holds back messages, never findings: what it held back is counted, and told if it still goes on at the end. It has
    an end, an author and a reason. Without a command: the silences in force.

    \b
    Examples:
      alertbot silence
      alertbot silence add --account anna@example.com --for 8h --reason "travels to Lisbon"
      alertbot silence add --rule login-burst --until 2026-02-01 --reason "migration"
      alertbot silence lift 3f2a
    """
    if context.invoked_subcommand is not None:
        after_the_command(context, config)
        return
    _list(config, format_)


@app.command(name="list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List silences: what, until when, by whom and why.

    \b
    Examples:
      alertbot silence list
      alertbot silence list --all --format json
    """
    _list(config, format_, with_over=all_)


@app.command()
def add(
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="WHO", help="An account: e-mail, name, id, or as typed.", show_default=False),
    ] = None,
    address: Annotated[str | None, typer.Option("--address", metavar="IP", help="An address.", show_default=False)] = None,
    country: Annotated[
        str | None, typer.Option("--country", metavar="CODE", help="A country by its code: DE.", show_default=False)
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", metavar="NAME", help="Only this rule.", show_default=False)] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="TAG", help="Only rules with this tag.", show_default=False)
    ] = None,
    portal: Annotated[
        str | None, typer.Option("--portal", metavar="NAME", help="Only this portal; left out: all.", show_default=False)
    ] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="How long: 1h, 8h, 3d.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Or to the end of a day, or to a time.", show_default=False)
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, in a few words.", show_default=False)] = "",
    who: As = None,
    config: Config = None,
) -> None:
    """Hold back messages: about an account, from an address or country, of a rule; all that is named must hold.

    It works while alertbot runs, from the next poll on.

    \b
    Examples:
      alertbot silence add --account anna@example.com --for 8h --reason "travels to Lisbon"
      alertbot silence add --account anna@example.com --country PT --tag location --for 3d --reason "travels to Lisbon"
      alertbot silence add --address 203.0.113.7 --for 1h --reason "our own scanner"
      alertbot silence add --rule login-burst --until 2026-02-01 --reason "migration"
    """
    from alertbot.cli.opened import acting, actor, now_us
    from alertbot.cli.terminal import say
    from alertbot.moments import from_us
    from alertbot.silences import Scope, new_silence
    from alertbot.slack.text import terminal
    from alertbot.store.responses import PeopleCommit

    with acting(config) as (settings, store):
        zone = settings.portals[0].zone if portal is None else settings.portal(portal).zone
        moment_us = now_us()
        match, named = _match(store, settings, account, address, country, portal)
        scope = Scope("shell", "", match, rule=_known_rule(settings, rule), tag=tag, named=named)
        _some(scope)
        person = actor(who)
        one = new_silence(
            scope,
            portal=portal,
            since_us=moment_us,
            until_us=_until_us(lasting, until, zone, moment_us),
            by=person.name,
            reason=reason,
        )
        store.respond(PeopleCommit(silences=[one]))
    ends = f"{from_us(one.until_us, zone):%Y-%m-%d %H:%M} {zone}"
    say(terminal(f"Silent until {ends}: {one.what}. `alertbot silence lift {one.id}` ends it."))


@app.command()
def lift(
    silence: Annotated[str, typer.Argument(metavar="SILENCE", help="Its id, or the beginning of it.", show_default=False)],
    who: As = None,
    config: Config = None,
) -> None:
    """End a silence before its time. What it held back and still goes on is told.

    \b
    Examples:
      alertbot silence lift 3f2a
    """
    from alertbot.cli.opened import SHORTEST, acting, actor, now_us
    from alertbot.cli.terminal import say
    from alertbot.errors import UsageError
    from alertbot.respond import Desk
    from alertbot.slack.text import terminal

    with acting(config) as (_, store):
        found = [one for one in store.silences() if one.id.startswith(silence) and len(silence) >= SHORTEST]
        if len(found) != 1:
            why = "Several silences begin" if found else "No silence in force begins"
            raise UsageError(f"{why} with {silence!r}; `alertbot silence` lists them")
        lifted = Desk(store, {}).lift(found[0].id, actor(who), now_us())
    say(terminal(f"Lifted: {lifted.what}." if lifted is not None else "Nothing changed: it has ended by itself."))


def as_json(one: Silence) -> dict[str, Any]:
    """A silence as programs read it. Keys are only ever added."""
    from alertbot.moments import iso

    return {
        "silence": one.id,
        "match": one.match,
        "rule": one.rule,
        "tag": one.tag,
        "portal": one.portal,
        "what": one.what,
        "since": iso(one.since_us),
        "until": iso(one.until_us),
        "by": one.by,
        "reason": one.reason,
        "lifted_by": one.lifted_by,
        "incident": one.incident,
    }


def _list(config: Any, format_: Format, *, with_over: bool = False) -> None:
    from alertbot.cli.opened import now_us, reading
    from alertbot.cli.terminal import say

    with reading(config) as (settings, store):
        moment_us = now_us()
        found = [one for one in store.silences(with_over=with_over) if with_over or one.is_active(moment_us)]
        held = {one.id: len(store.incidents_silenced(one.id)) for one in found}
    if format_ is Format.JSON:
        told = [as_json(one) | {"active": one.is_active(moment_us), "incidents": held[one.id]} for one in found]
        say(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _table(found, held, settings)


def _table(found: Sequence[Silence], held: dict[str, int], settings: Settings) -> None:
    from alertbot.cli.terminal import out, table
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console, zone = out(), settings.portals[0].zone
    if not found:
        console.print("Nothing is silenced.")
        return
    listed = table("silence", "until", "what", "holds back", "by", "why", whole=("silence",))
    for one in found:
        until = f"{from_us(one.until_us, zone):%Y-%m-%d %H:%M}"
        ended = f"{until}, lifted" if one.lifted_by else until
        count = f"{held[one.id]} incident" + ("" if held[one.id] == 1 else "s")
        listed.add_row(one.id, ended, terminal(one.what), count, terminal(one.by), terminal(one.reason))
    console.print(listed)
    console.print(f"\nTimes are {zone}.")


def _match(
    store: Store, settings: Settings, account: str | None, address: str | None, country: str | None, portal: str | None
) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """What an event must hold, and how people call its account."""
    from alertbot.errors import UsageError

    match: list[tuple[str, str]] = []
    named = None
    if account is not None:
        portals = [one.name for one in settings.portals] if portal is None else [portal]
        key, named = _account(store, portals, account)
        match.append(("account", key))
    if address is not None:
        from ipaddress import ip_address

        try:
            match.append(("ip", str(ip_address(address.strip()))))
        except ValueError:
            raise UsageError(f"--address {address}: is no address like 203.0.113.7") from None
    if country is not None:
        if len(country) != 2 or not country.isalpha():
            raise UsageError(f"--country {country}: write its code of two letters, like DE")
        match.append(("countryCode", country.upper()))
    return tuple(match), named


def _account(store: Store, portals: Sequence[str], given: str) -> tuple[str, str]:
    """The account of a person by e-mail, name or id; else the login as it was typed."""
    import msgspec

    from alertbot.errors import UsageError
    from alertbot.portal.people import Person

    people = [msgspec.json.decode(one.body, type=Person) for name in portals for one in store.people(name)]
    wanted = given.strip().casefold()
    found = {
        one.id: one.email or one.name or one.id
        for one in people
        if wanted in {str(value or "").strip().casefold() for value in (one.id, one.email, one.name)}
    }
    if len(found) > 1:
        raise UsageError(f"--account {given}: several people are called so; write the e-mail or the id")
    return next(iter(found.items()), (wanted, given.strip()))


def _known_rule(settings: Settings, rule: str | None) -> str | None:
    from alertbot.cli.opened import rules_of
    from alertbot.documents import unknown
    from alertbot.errors import UsageError

    if rule is None:
        return None
    known = rules_of(settings)
    if rule not in known:
        raise UsageError(f"--rule {rule}: {unknown(rule, list(known), 'rule')}")
    return rule


def _some(scope: Scope) -> None:
    from alertbot.errors import UsageError

    if not scope.match and scope.rule is None and scope.tag is None:
        raise UsageError("Say what is to be silent: --account, --address, --country, --rule or --tag")


def _until_us(lasting: str | None, until: str | None, zone: Any, moment_us: int) -> int:
    from alertbot.errors import UsageError
    from alertbot.moments import parse_duration, parse_moment, span_us, to_us

    if (lasting is None) == (until is None):
        raise UsageError("Say how long: --for 8h, or --until 2026-02-01")
    if until is not None:
        return to_us(parse_moment(until, zone, end_of_day=True))
    assert lasting is not None, "one of the two is there"
    try:
        return moment_us + span_us(parse_duration(lasting))
    except ValueError as error:
        raise UsageError(f"--for {lasting}: {error}") from None
