"""`alertbot run`: the service."""

from __future__ import annotations

from typing import Annotated

import typer

from alertbot.cli.options import Config


def run(
    config: Config = None,
    log_level: Annotated[str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")] = "info",
) -> None:
    """Watch the portals and tell Slack: the service.

    Runs until it is told to stop (Ctrl-C, SIGTERM), and ends by itself only for what is wrong on this side. What a portal or
    Slack refuses is said once and tried again. Logs go to stderr: text on a terminal, else one JSON object a line.

    \b
    Examples:
      alertbot run
      alertbot run --config /etc/alertbot/alertbot.yaml
      DOCSPACE_URL=https://acme.onlyoffice.com DOCSPACE_API_KEY=sk-… SLACK_WEBHOOK_URL=https://hooks.slack.com/… alertbot run
    """
    import asyncio
    import os

    from alertbot import config as configuration
    from alertbot import log
    from alertbot.cli.terminal import complain
    from alertbot.errors import UsageError
    from alertbot.rules.load import load_rules
    from alertbot.service import Service
    from alertbot.store.store import Store

    if log_level not in ("debug", "info", "warning", "error"):
        raise UsageError(f"--log-level {log_level}: it is debug, info, warning or error")
    settings = configuration.load(config, os.environ)
    settings.need_slack()
    book = load_rules(settings.rules)
    for warning in (*settings.warnings, *book.warnings):
        complain(str(warning))
    if all(rule.mode == "off" for rule in book.rules):
        places = ", ".join(map(str, settings.rules))
        raise UsageError(f"There is no rule in {places}: alertbot would watch and never tell. `alertbot init` writes some.")
    log.configure(secrets=settings.secrets, level=log_level)
    with Store.open(settings.store, write=True) as store:
        asyncio.run(Service(settings, book, store).run())
