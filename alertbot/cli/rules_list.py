"""`alertbot rules`: the rules with mode, level and last firing, and what people wish of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config, Format, FormatOption

ROOM_FOR_TITLES = 110
"""How wide a terminal must be for a rule's title to stand beside its name."""

if TYPE_CHECKING:
    from alertbot.rules.model import Rule
    from alertbot.settings import Settings
    from alertbot.store.reports import RuleActivity
    from alertbot.wishes import Wish


def rules(
    wishes: Annotated[bool, typer.Option("--wishes", help="What people want rules to leave alone, to paste.")] = False,
    config: Config = None,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List the rules, and what people wish of them.

    Each with its mode, its level, how often it has fired and when last.

    Whoever resolves an incident as expected wishes that the rule leaves such a thing alone: --wishes shows the `except` entries
    for the rules' editor, ready to paste.

    \b
    Examples:
      alertbot rules
      alertbot rules --format json | jq '.[] | select(.mode == "shadow")'
      alertbot rules --wishes
    """
    from alertbot.cli.opened import load_settings, reading, rules_of
    from alertbot.errors import StoreError

    if wishes:
        with reading(config) as (settings, store):
            _wishes(store.wishes(), rules_of(settings), format_)
        return
    settings = load_settings(config)
    known = rules_of(settings)
    activity: Sequence[RuleActivity] = ()
    wanted: Sequence[Wish] = ()
    with suppress(StoreError), reading(config) as (_, store):  # before the first `run` there is nothing to tell yet
        activity, wanted = store.rule_activity(), store.wishes()
    _rules(known, activity, wanted, settings, format_)


def _rules(
    known: Mapping[str, Rule], activity: Sequence[RuleActivity], wanted: Sequence[Wish], settings: Settings, format_: Format
) -> None:
    from alertbot.cli.terminal import say
    from alertbot.moments import iso

    of_rule = {name: [one for one in activity if one.rule == name] for name in known}
    last_us = {name: max((one.last_us for one in found), default=None) for name, found in of_rule.items()}
    wishes = {name: sum(one.rule == name for one in wanted) for name in known}
    if format_ is Format.TABLE:
        _table(known, of_rule, last_us, wishes, settings)
        return
    told = [
        {
            "rule": rule.name,
            "title": rule.title,
            "level": rule.level,
            "mode": rule.mode,
            "tags": list(rule.tags),
            "version": rule.version,
            "path": rule.path,
            "findings": sum(one.count for one in of_rule[rule.name]),
            "news": sum(one.news for one in of_rule[rule.name]),
            "last": iso(at_us) if (at_us := last_us[rule.name]) is not None else None,
            "wishes": wishes[rule.name],
        }
        for rule in known.values()
    ]
    say(json.dumps(told, indent=2, ensure_ascii=False))


def _table(
    known: Mapping[str, Rule],
    of_rule: Mapping[str, Sequence[RuleActivity]],
    last_us: Mapping[str, int | None],
    wishes: Mapping[str, int],
    settings: Settings,
) -> None:
    from alertbot.cli.terminal import out, table
    from alertbot.moments import from_us
    from alertbot.slack.text import terminal

    console, zone = out(), settings.portals[0].zone
    names = ["rule", "level", "mode", "findings", "last"]
    names += ["wishes"] if any(wishes.values()) else []
    names += ["title"] if console.width >= ROOM_FOR_TITLES else []
    listed = table(*names, whole=("rule", "level", "mode"), numbers=("findings", "wishes"))
    for rule in known.values():
        at_us = last_us[rule.name]
        count = sum(one.count for one in of_rule[rule.name])
        cells = {
            "rule": rule.name,
            "level": rule.level,
            "mode": rule.mode,
            "findings": f"{count:,}" if count else "",
            "last": f"{from_us(at_us, zone):%Y-%m-%d %H:%M}" if at_us is not None else "never",
            "wishes": f"{wishes[rule.name]:,}" if wishes[rule.name] else "",
            "title": terminal(rule.title),
        }
        listed.add_row(*(cells[name] for name in names))
    console.print(listed)
    console.print(f"\nFindings of the past included; times are {zone}.")


def _wishes(wanted: Sequence[Wish], known: Mapping[str, Rule], format_: Format) -> None:
    from alertbot.cli.terminal import say
    from alertbot.moments import from_us, iso
    from alertbot.slack.text import terminal

    if format_ is Format.JSON:
        told = [
            {
                "rule": one.rule,
                "portal": one.portal,
                "incident": one.incident,
                "at": iso(one.at_us),
                "by": one.by,
                "why": one.why,
                "except": one.entry,
            }
            for one in wanted
        ]
        say(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if not wanted:
        say("Nobody wishes anything.")
    for one in wanted:
        place = known[one.rule].path if one.rule in known else "a rule that is not there any more"
        why = f": {one.why}" if one.why else ""
        say(terminal(f"# {one.rule} ({place}), {one.by} on {from_us(one.at_us):%Y-%m-%d}, incident {one.incident[:8]}{why}"))
        say(one.entry)
