"""`alertbot explain`: why it fired, or why not."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertbot.event import Event
    from alertbot.explain import Verdict
    from alertbot.settings import Settings
    from alertbot.store.records import StoredFinding
    from alertbot.store.store import Store


def explain(
    what: Annotated[
        str, typer.Argument(metavar="FINDING|EVENT", help="A finding's or incident's id, or the number of an event.")
    ],
    portal: Annotated[
        str | None,
        typer.Option("--portal", metavar="NAME", help="Of an event: its portal, where there are several.", show_default=False),
    ] = None,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Say why it fired, or why not.

    Of an event: what every rule made of it, and why. Of a finding: its evidence, what the rule made of the event that made it
    fire, and what became of it: the steps of its incident, or why nobody was told. By the rules as they are now.

    \b
    Examples:
      alertbot explain 48211
      alertbot explain c1e63e6bbad95a43aed4
      alertbot explain 48211 --format json
    """
    from alertbot.cli.opened import reading

    with reading(config) as (settings, store):
        told = (
            _of_event(store, settings, int(what), portal)
            if what.isdigit() and len(what) < 19
            else _of_finding(store, settings, what)
        )
    if format_ is Format.JSON:
        from alertbot.cli.terminal import say

        say(json.dumps(told, ensure_ascii=False))
    else:
        _print(told)


def _of_event(store: Store, settings: Settings, number: int, portal: str | None) -> dict[str, Any]:
    from alertbot.errors import UsageError
    from alertbot.event import EventRef

    name = settings.portal(portal).name
    events = store.events_by_ref(name, [EventRef(number * 2), EventRef(number * 2 + 1)])
    if not events:
        raise UsageError(f"The store has no event {number} of the portal {name}; `alertbot events` shows their numbers")
    return {"events": [_told(store, settings, event) for event in events]}


def _of_finding(store: Store, settings: Settings, given: str) -> dict[str, Any]:
    from alertbot.backtest import as_json
    from alertbot.cli.opened import rules_of
    from alertbot.errors import UsageError
    from alertbot.moments import iso
    from alertbot.rows import to_public

    stored = store.findings_by_id([given]).get(given)
    if stored is None:
        incident = next(iter(store.incidents_by_id(store.incidents_named(given))), None) if len(given) >= 4 else None
        stored = store.findings_by_id(list(incident.findings)[:1]).get(next(iter(incident.findings), "")) if incident else None
    if stored is None:
        raise UsageError(f"The store has no finding or incident {given!r}")
    found = stored.finding
    rule = rules_of(settings).get(found.rule)
    firing = next(iter(store.events_by_ref(found.portal, [found.firing])), None)
    log = store.incident_log(stored.incident) if stored.incident else []
    shown = {"finding": found.id, "rule": found.rule, "portal": found.portal} if rule is None else as_json(found, rule)
    return {
        **shown,
        "version": found.version,
        "in_force": rule is not None and rule.version == found.version,
        "evidence": [to_public(event) for event in store.events_by_ref(found.portal, found.events)],
        "verdict": None if firing is None or rule is None else _verdict_of(store, settings, firing, found.rule),
        "incident": stored.incident,
        "untold": _untold(stored),
        "story": [{"at": iso(e.at_us), "who": e.who, "reason": str(e.reason), "detail": e.detail} for e in log],
    }


def _untold(stored: StoredFinding) -> str | None:
    if stored.gone is not None:
        return f"it is no more: {stored.gone}"
    if stored.history:
        return "history: it lies before the portal was watched, or before this version of the rule was in force"
    return None if stored.incident else "the rule does not send (mode: shadow)"


def _verdicts(store: Store, settings: Settings, event: Event) -> Sequence[Verdict]:
    from alertbot.cli.opened import rules_of
    from alertbot.cli.terminal import counted
    from alertbot.explain import explain as verdicts

    zone = settings.portal(event.portal).zone
    with closing(store.events(event.portal, until_us=event.at_us)) as events:
        return verdicts(list(rules_of(settings).values()), counted(events, "looking at"), event, zone)


def _told(store: Store, settings: Settings, event: Event) -> dict[str, Any]:
    from alertbot.rows import to_public

    return {"event": to_public(event), "rules": [verdict.as_json() for verdict in _verdicts(store, settings, event)]}


def _verdict_of(store: Store, settings: Settings, event: Event, rule: str) -> dict[str, Any] | None:
    return next((verdict.as_json() for verdict in _verdicts(store, settings, event) if verdict.rule.name == rule), None)


def _print(told: dict[str, Any]) -> None:
    if "finding" in told:
        _print_finding(told)
        return
    for one in told["events"]:
        _print_event(one)


def _print_event(one: dict[str, Any]) -> None:
    from alertbot.cli.terminal import out, table
    from alertbot.slack.text import terminal

    event, console = one["event"], out()
    console.print(_line(event))
    reasons = table("rule", "level", "outcome", "why", whole=("rule",))
    for rule in one["rules"]:
        reasons.add_row(rule["rule"], rule["level"], rule["outcome"].replace("_", " "), terminal(rule["why"]))
    console.print(reasons, soft_wrap=False)


def _print_finding(told: dict[str, Any]) -> None:
    from alertbot.cli.terminal import out
    from alertbot.slack.text import terminal

    console = out()
    key = ", ".join(f"{name} {terminal(value)}" for name, value in told.get("key", {}).items())
    console.print(f"{told['rule']} fired for {key} at {told.get('at', '?')}")
    console.print(f"{told.get('count', '?')} matches until {told.get('last', '?')}")
    if told["verdict"]:
        console.print(f"why: {terminal(told['verdict']['why'])}")
    if not told["in_force"]:
        console.print("The rule has changed since, or is gone.")
    console.print("\nevidence")
    for event in told["evidence"]:
        console.print(f"  {_line(event)}")
    if told["untold"]:
        console.print(f"\nNobody was told: {told['untold']}")
    if told["story"]:
        console.print(f"\nincident {told['incident']}")
        for step in told["story"]:
            detail = f": {terminal(step['detail'])}" if step["detail"] else ""
            console.print(f"  {step['at']}  {terminal(step['who'])}  {step['reason'].replace('_', ' ')}{detail}")


def _line(event: dict[str, Any]) -> str:
    from alertbot.slack.text import terminal

    who = event.get("email") or event.get("login") or event.get("user") or event.get("account") or "nobody"
    what = event.get("event") or event.get("action") or str(event.get("actionId"))
    parts = (event["date"], str(event["id"]), who, what, event.get("ip") or "", event.get("country") or "")
    return "  ".join(terminal(part) for part in parts if part)
