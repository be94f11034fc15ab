"""`alertbot check` and `alertbot test`: are the rules right, and do they find what their authors say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertbot.cli.options import Config, Format, FormatOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertbot.config import Settings
    from alertbot.errors import Mistake
    from alertbot.rules.inline import TestResult
    from alertbot.rules.model import Rule

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATH",
        help="Rule files and folders. Left out: those of the configuration, else ./rules, else the rules that ship.",
        show_default=False,
    ),
]


def check(paths: Paths = None, report: FormatOption = Format.TABLE, config: Config = None) -> None:
    """Check rules and configuration; name each mistake's place.

    With PATH only these rules are checked, and no configuration is needed. Each mistake is a line
    path:line:col: message, and the exit code is 1; warnings alone are no mistake. Warned of are rules that can
    never fire, quiet that an attacker can choose, and exceptions that end within a week.

    \b
    Examples:
      alertbot check
      alertbot check rules/
      alertbot check --config /etc/alertbot/alertbot.yaml
    """
    from datetime import UTC, datetime

    from alertbot.errors import Mistakes
    from alertbot.rules.expiry import expiring
    from alertbot.rules.load import load_rules

    said: list[Mistake] = []
    rules: Sequence[Rule] = ()
    try:
        chosen, settings = _chosen(paths, config)
        said += settings.warnings if settings is not None else ()
        book = load_rules(chosen, beside=True)
        rules = book.own
        said += sorted([*book.warnings, *expiring(book.expiries, datetime.now(UTC).date())])
        said += [*_unrouted(rules, settings), *_under_hours(rules, settings)] if settings is not None else ()
    except Mistakes as exc:
        said += exc.mistakes
    _tell(said, rules, report)
    if any(not mistake.warning for mistake in said):
        raise typer.Exit(1)


def test(  # it is a command, not one of pytest's
    paths: Paths = None,  # noqa: PT028
    report: FormatOption = Format.TABLE,  # noqa: PT028
    config: Config = None,  # noqa: PT028
) -> None:
    """Run the tests that stand in rule files.

    Each test plays its events through the same engine that watches the portals, and compares what the rule finds
    with the alerts that it expects. The exit code is 1 if a test fails.

    \b
    Examples:
      alertbot test
      alertbot test rules/password-guessing.yml
      alertbot test rules/ --format json
    """
    from alertbot.rules.inline import run_tests
    from alertbot.rules.load import load_rules

    chosen, _ = _chosen(paths, config)
    book = load_rules(chosen, beside=True)
    rules = book.own
    results = run_tests(rules, book.rules)
    if report is Format.JSON:
        _as_json([_result(result) for result in results])
    else:
        _as_lines(rules, results)
    if not all(result.passed for result in results):
        raise typer.Exit(1)


test.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for one of its own


def _chosen(paths: Sequence[Path] | None, config: Path | None) -> tuple[list[Path], Settings | None]:
    """The rule files and folders to look at, and the configuration that names them."""
    import os

    if paths and config is None:
        return list(paths), None
    from alertbot.config import SEARCH, load
    from alertbot.rules.load import shipped_rules

    if config is not None or "DOCSPACE_URL" in os.environ or any(file.is_file() for file in SEARCH):
        settings = load(config, os.environ)
        return [_near(path) for path in paths or settings.rules], settings
    return [Path("rules") if Path("rules").is_dir() else shipped_rules()], None


def _unrouted(rules: Sequence[Rule], settings: Settings) -> list[Mistake]:
    """Warnings about rules that no route of the configuration takes by the name that they give."""
    if all(rule.route is None for rule in rules):
        return []
    from alertbot.routing import unrouted

    return unrouted(rules, settings.routes)


def _under_hours(rules: Sequence[Rule], settings: Settings) -> list[Mistake]:
    """Warnings about people of the store under no hours or several; none where there is no store yet or no rule of hours."""
    from alertbot.rules.coverage import hours_coverage, hours_rules

    if not hours_rules(rules):
        return []
    import msgspec

    from alertbot.errors import Mistake, StoreError
    from alertbot.portal.people import Person
    from alertbot.store.store import Store

    said: list[Mistake] = []
    try:
        with Store.open(settings.store, write=False) as store:
            for portal in settings.portals:
                people = [msgspec.json.decode(one.body, type=Person) for one in store.people(portal.name)]
                said += [Mistake(portal.name, 0, 0, one, warning=True) for one in hours_coverage(rules, people)]
    except StoreError:
        return []  # before the first `run` there is none; what else is wrong with it, `run` and `doctor` say
    return said


def _near(path: Path) -> Path:
    """The path as it is seen from the working directory."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def _tell(said: Sequence[Mistake], rules: Sequence[Rule], report: Format) -> None:
    from dataclasses import asdict

    if report is Format.JSON:
        _as_json([asdict(mistake) for mistake in said])
        return
    for mistake in said:
        typer.echo(str(mistake))
    wrong = sum(not mistake.warning for mistake in said)
    warnings = len(said) - wrong
    if wrong:
        typer.echo(_count(wrong, "mistake") + (f", {_count(warnings, 'warning')}" if warnings else ""))
        return
    tests = sum(len(rule.tests) for rule in rules)
    untested = sum(not rule.tests for rule in rules)
    hints = [_count(warnings, "warning")] if warnings else []
    hints += [f"{_count(untested, 'rule')} without tests"] if untested else []
    typer.echo(f"{_count(len(rules), 'rule')}, {_count(tests, 'test')}: fine" + (f" ({', '.join(hints)})" if hints else ""))


def _as_lines(rules: Sequence[Rule], results: Sequence[TestResult]) -> None:
    from alertbot.cli.terminal import out

    console = out()
    for rule in rules:
        console.print(rule.name, style="bold")
        own = [result for result in results if result.rule == rule.name]
        if not own:
            console.print("  no tests", style="dim")
        for result in own:
            console.print(f"  {'✓' if result.passed else '✗'} {result.it}", style="green" if result.passed else "red")
            if not result.passed:
                console.print(f"      {result.path}:{result.line}")
            for line in result.missing:
                console.print(f"      expected, did not come:  {line}")
            for line in result.unexpected:
                console.print(f"      came, not expected:      {line}")
    failed = sum(not result.passed for result in results)
    console.print(
        f"{_count(len(results), 'test')} of {_count(len(rules), 'rule')}: " + (f"{failed} failed" if failed else "all passed")
    )


def _result(result: TestResult) -> dict[str, object]:
    return {
        "rule": result.rule,
        "it": result.it,
        "passed": result.passed,
        "path": result.path,
        "line": result.line,
        "missing": list(result.missing),
        "unexpected": list(result.unexpected),
    }


def _as_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
