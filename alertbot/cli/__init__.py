"""The commands: arguments in, exit code out.

Each command is a function of a module beside this one, loaded when it is asked for: `alertbot --help` loads none. Whatever a
person can mend arrives here as an `AlertbotError`: its sentence goes to stderr, its `exit_code` to the shell.
"""

from __future__ import annotations

import os
import select
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("alertbot.cli.demo:demo", "See the whole of it at work; there is nothing to configure."),
    "sandbox": ("alertbot.cli.sandbox:sandbox", "Serve a portal and a Slack of your own, to try rules on."),
    "init": ("alertbot.cli.init:init", "Write a first configuration, and the rules, to start from."),
    "doctor": ("alertbot.cli.doctor:doctor", "Try everything for real, and say how to mend it."),
    "run": ("alertbot.cli.run:run", "Watch the portals and tell Slack: the service."),
    "events": ("alertbot.cli.events:events", "Show the login history straight from the portal, newest first."),
    "check": ("alertbot.cli.rules:check", "Check rules and configuration; name each mistake's place."),
    "test": ("alertbot.cli.rules:test", "Run the tests that stand in rule files."),
    "backtest": ("alertbot.cli.backtest:backtest", "Show what the rules would have found in past events."),
    "incidents": ("alertbot.cli.incidents:app", "List incidents, tell the story of one, act on it."),
    "silence": ("alertbot.cli.silence:app", "Hold back for a while what you know of."),
    "status": ("alertbot.cli.status:status", "Show how it stands, or what the next shift needs."),
    "rules": (
        "alertbot.cli.rules_list:rules",
        "List the rules, and what people wish of them.",
    ),
    "explain": ("alertbot.cli.explain:explain", "Say why it fired, or why not."),
    "schema": ("alertbot.cli.schema:schema", "Print the JSON Schema of a kind of file, for editors."),
}
"""A command → where its function is, and its line in `alertbot --help` (the first of the function's docstring)."""

STYLE = None
"""Help is plain text: it starts in half the time, wraps at any width and can be searched."""


INTERRUPTED = 130


def load(name: str) -> Any:
    """The command as typer runs it, from the module that holds it."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):  # a command with commands of its own
        group = typer.main.get_command(found)
        group.name = name
        return group
    single = typer.Typer(add_completion=False, rich_markup_mode=STYLE)
    single.command(name)(found)
    return typer.main.get_command(single)


class Commands(TyperGroup):
    """All commands by name and line; the one that is called is loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line, rich_markup_mode=STYLE))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, loaded."""
        if args and args[0] in COMMANDS:
            self.add_command(load(args[0]), args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what typer would call a failure, but is only an end, gets its own exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            if not _output_closed():
                raise
            _discard_output()
            raise typer.Exit from None


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=STYLE,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from alertbot import __version__

        typer.echo(f"alertbot {__version__}")
        raise typer.Exit


@app.callback()
def alertbot(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Tell on-call in Slack what is wrong with the logins of an ONLYOFFICE DocSpace portal.

    \b
    Examples:
      alertbot demo                    see it work, nothing to configure
      alertbot init                    write alertbot.yaml and rules/ to start from
      alertbot check                   is all of it right?
      alertbot run                     the service
      alertbot COMMAND --help          more, with examples
    """


def main() -> None:
    """The entry of the `alertbot` command."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run a command line, and give the exit code."""
    from alertbot.cli.terminal import complain
    from alertbot.errors import AlertbotError

    try:
        try:
            typer.main.get_command(app).main(args=arguments, prog_name="alertbot")
        finally:
            sys.stdout.flush()
    except AlertbotError as exc:
        complain(str(exc))
        return exc.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        if not _output_closed():
            raise
        _discard_output()
        return 0
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def _output_closed() -> bool:
    """Whether who read our output has seen enough (`alertbot events | head`)."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))


def _discard_output() -> None:
    """Let what is still buffered go nowhere, or it would fail again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
