"""`alertbot backtest`: what the rules would have found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from alertbot.backtest import Report
    from alertbot.event import Event
    from alertbot.rules.model import RuleBook
    from alertbot.settings import Settings

MOST_DRAWN = 1_000
"""So many findings at most are drawn as a table that fits the terminal; more are lines."""


def backtest(
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PATH", help="Rule file or folder; may be given more than once.", show_default=False),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            metavar="FILE",
            help="Portal JSON, or what `export` wrote, also as .gz; - is stdin. Left out: the store.",
            show_default=False,
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            "--people", metavar="FILE", help="The portal's people; left out: learned from logins.", show_default=False
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="Only findings since then: 2026-01-15, or a time.", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Only findings up to then, a whole day included.", show_default=False),
    ] = None,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Show what the rules would have found in past events.

    The same engine as live, over the whole history; --from and --to choose among its findings. Shadow rules are shown.
    With --events it needs no configuration: the rules are those in ./rules, else the ones that come with alertbot.

    \b
    Examples:
      alertbot backtest --events logins.json --people people.json
      alertbot backtest --rules rules/password-guessing.yml --from 2026-01-01
      alertbot backtest --events logins.jsonl.gz --format json | jq .rule
      alertbot events --from 2026-01-01 --format json | alertbot backtest --events -
    """
    from alertbot.backtest import as_json
    from alertbot.backtest import backtest as fold
    from alertbot.cli.terminal import complain, counted, say
    from alertbot.moments import parse_moment, to_us

    settings = None if events is not None else _settings(config)
    zone = settings.portals[0].zone if settings else UTC
    earliest = None if from_ is None else to_us(parse_moment(from_, zone))
    latest = None if to is None else to_us(parse_moment(to, zone, end_of_day=True))
    book = _rules(rules, settings)
    history = _from_store(settings) if settings is not None else _from_file(events, people)
    report = fold(
        book.rules,
        history,
        _zones(settings),
        from_us=earliest,
        to_us=latest,
        beside=book.beside,
        watch=lambda events: counted(events, "judging"),
    )
    for rule, count in sorted(report.dropped.items()):
        complain(
            f"{rule}: {count:,} keys were let go of before their time, for made-up ones filled its memory; no person's is."
        )
    if format_ is Format.JSON:
        import json

        for found in report.findings:
            say(json.dumps(as_json(found, report.rules[found.rule]), ensure_ascii=False))
    else:
        _print(report)


def _settings(config: Path | None) -> Settings:
    import os

    from alertbot import config as configuration

    return configuration.load(config, os.environ)


def _rules(paths: Sequence[Path] | None, settings: Settings | None) -> RuleBook:
    from alertbot.cli.terminal import complain
    from alertbot.rules.load import load_rules, shipped_rules

    default = settings.rules if settings else (Path("rules") if Path("rules").is_dir() else shipped_rules(),)
    book = load_rules(tuple(paths) if paths else default, beside=True)
    for warning in book.warnings:
        complain(str(warning))
    return book


def _zones(settings: Settings | None) -> Callable[[str], tzinfo]:

    by_name = {portal.name: portal.zone for portal in settings.portals} if settings else {}
    return lambda portal: by_name.get(portal, UTC)


def _from_store(settings: Settings) -> list[Event]:
    from alertbot.cli.terminal import counted
    from alertbot.store.store import Store

    with Store.open(settings.store, write=False) as store:
        stored = (event for portal in settings.portals for event in store.events(portal.name))
        return list(counted(stored, "reading"))


def _from_file(events: Path | None, people: Path | None) -> list[Event]:
    from alertbot.cli.terminal import counted
    from alertbot.identity import Directory, enrich, learn_people
    from alertbot.portal.people import read_people_file
    from alertbot.rows import is_enriched, read_events_file

    assert events is not None
    history = list(counted(read_events_file(events, "main"), "reading"))
    directory = Directory(read_people_file(people) if people else learn_people(history))
    return [event if is_enriched(event) else enrich(event, directory) for event in history]


def _print(report: Report) -> None:
    from alertbot.cli.terminal import aligned, out, say, table
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console = out()
    if report.first_us is None or report.last_us is None:
        console.print("No events: nothing to look for rules in.")
        return
    names = ("fired", "level", "rule", "who or what", "count", "until")
    rows = [
        (
            f"{from_us(found.at_us):%Y-%m-%d %H:%M:%S}",
            report.level(found),
            found.rule,
            terminal(report.who(found)),
            f"{found.count:,}",
            f"{from_us(found.last_us):%Y-%m-%d %H:%M:%S}",
        )
        for found in report.findings
    ]
    if len(rows) > MOST_DRAWN:
        say("\n".join(aligned([names, *rows])) + "\n\n")
    elif rows:
        findings = table(*names, whole=("level", "rule"), numbers=("count",))
        for row in rows:
            findings.add_row(*row)
        console.print(findings)
        console.print()
    summary = table("rule", "level", "findings", "a day", whole=("rule",), numbers=("findings", "a day"))
    for rule, count in report.by_rule():
        summary.add_row(rule.name, rule.level, f"{count:,}", f"{count / report.days:.2f}" if count else "")
    console.print(summary)
    console.print(
        f"\n{len(report.findings):,} findings in {report.events:,} events, "
        f"{from_us(report.first_us):%Y-%m-%d} to {from_us(report.last_us):%Y-%m-%d}. Times are UTC."
    )
