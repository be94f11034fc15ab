"""`alertbot init`: files to start from. What is already there stays as it is."""

from __future__ import annotations

from pathlib import Path

from alertbot.cli.options import Config


def init(config: Config = None) -> None:
    """Write a first configuration, and the rules, to start from.

    Writes alertbot.yaml (or the file that --config names) and the folder rules beside it, with the rules that ship
    with alertbot. Files that are there already are never touched.

    \b
    Examples:
      alertbot init
      alertbot init --config /etc/alertbot/alertbot.yaml
    """
    from alertbot.cli.terminal import say
    from alertbot.errors import UsageError

    file = config or Path("alertbot.yaml")
    rules = file.parent / "rules"
    try:
        written = _write_new(file, (Path(__file__).parent / "starter.yaml").read_bytes())
        copied, kept = _copy_rules(rules)
    except OSError as exc:
        raise UsageError(
            f"{exc.filename or file} cannot be written: {exc.strerror}; choose another place with --config"
        ) from exc
    say(f"{file}: {'written' if written else 'was there, kept as it is'}")
    say(f"{rules}: {copied} rule files written" + (f", {kept} were there and are kept as they are" if kept else ""))
    option = f" --config {file}" if config else ""
    say(
        "\nNext:\n"
        f"  1. open {file} and fill in the portal's address; set DOCSPACE_API_KEY and SLACK_BOT_TOKEN\n"
        f"  2. alertbot check{option}    says whether all of it is right\n"
        f"  3. alertbot doctor{option}    tries portal and Slack for real, and says how to mend what is wrong\n"
        f"  4. alertbot run{option}    watches"
    )


def _write_new(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, and tell whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


def _copy_rules(target: Path) -> tuple[int, int]:
    """Copy the rules that ship; how many were written, and how many were there."""
    from alertbot.rules.load import shipped_rules

    source = shipped_rules()
    files = sorted(path for path in source.rglob("*") if path.suffix in (".yml", ".yaml"))
    written = [_write_new(target / path.relative_to(source), path.read_bytes()) for path in files]
    return sum(written), len(written) - sum(written)
