"""What commands about the store share: settings, an open store, ids by their beginning, and who sits at the shell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertbot.responses import Actor
    from alertbot.rules.model import Rule
    from alertbot.settings import Settings
    from alertbot.store.store import Store

As = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Who does it; left out: your name on this machine.", show_default=False),
]
SHORTEST = 4


def after_the_command(context: typer.Context, config: Path | None) -> None:
    """A command of a command takes the options itself."""
    from alertbot.errors import UsageError

    if config is not None:
        raise UsageError(
            f"--config goes behind the command: {context.command_path} {context.invoked_subcommand} … --config FILE"
        )


def load_settings(config: Path | None) -> Settings:
    """The configuration."""
    from alertbot import config as configuration

    return configuration.load(config, os.environ)


@contextmanager
def reading(config: Path | None) -> Iterator[tuple[Settings, Store]]:
    """The configuration and its store, to read."""
    from alertbot.store.store import Store

    settings = load_settings(config)
    with Store.open(settings.store, write=False) as store:
        yield settings, store


@contextmanager
def acting(config: Path | None) -> Iterator[tuple[Settings, Store]]:
    """The configuration and its store, to write what people do, while `run` works with it or without."""
    from alertbot.store.store import Store

    settings = load_settings(config)
    with Store.visit(settings.store) as store:
        yield settings, store


def incident_id(store: Store, given: str) -> str:
    """The incident of an id, or of its beginning."""
    from alertbot.errors import UsageError

    found = store.incidents_named(given) if len(given) >= SHORTEST else []
    if given in found:
        return given
    if not found:
        raise UsageError(f"There is no incident {given!r}; `alertbot incidents` lists them")
    if len(found) > 1:
        raise UsageError(f"Several incidents begin with {given!r}: write more of it")
    return found[0]


def rules_of(settings: Settings) -> Mapping[str, Rule]:
    """The rules of the configuration by name."""
    from alertbot.rules.load import load_rules

    return {rule.name: rule for rule in load_rules(settings.rules).rules}


def actor(name: str | None) -> Actor:
    """Who does it."""
    import getpass

    from alertbot.errors import UsageError
    from alertbot.responses import Actor

    try:
        who = getpass.getuser() if name is None else name
    except (KeyError, OSError):
        who = ""
    if not who.strip():
        raise UsageError("Nobody knows who you are: write --as NAME")
    return Actor(" ".join(who.split())[:80])


def now_us() -> int:
    """The clock of this machine, microseconds."""
    import time

    return time.time_ns() // 1_000


def zone_of(settings: Settings, portal: str) -> tzinfo:
    """A portal's zone; UTC for one that is not configured any more."""
    from datetime import UTC

    return next((one.zone for one in settings.portals if one.name == portal), UTC)
