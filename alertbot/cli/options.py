"""What several commands take: the options that they share, in the same words."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file. Left out: ./alertbot.yaml, then /etc/alertbot/alertbot.yaml, then the environment.",
        show_default=False,
    ),
]
"""`--config FILE`: for every command."""


class Format(StrEnum):
    """What a report is printed as."""

    TABLE = "table"
    JSON = "json"


class TableFormat(StrEnum):
    """What rows are printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="Table for people, JSON for programs.")]
"""`--format table|json`."""

TableFormatOption = Annotated[TableFormat, typer.Option("--format", help="Table for people, JSON or CSV for programs.")]
"""`--format table|json|csv`."""
