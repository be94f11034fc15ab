"""Where commands write: results to stdout, all else to stderr; colours only on a terminal that wants them."""

from __future__ import annotations

import sys
from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 200
"""Where no terminal says how wide it is, rows are for a file or another program: they stay lines."""

T = TypeVar("T")


def out() -> Console:
    """The console for results. Text goes through it as it is: markup, emoji names and highlighting are off."""
    return _console(stderr=False)


def err() -> Console:
    """The console for progress and remarks."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `main`, which ends quietly."""
            raise

    piped = not sys.stdout.isatty()
    width = PIPED_WIDTH if piped else None
    return Piped(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=piped, width=width)


def table(*names: str, whole: Collection[str] = (), numbers: Collection[str] = ()) -> Table:
    """A table for results, empty yet. Columns in `whole` are never broken over lines; `numbers` stand to the right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold", show_header=any(names))
    for name in names:
        made.add_column(
            name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=name in (*whole, *numbers)
        )
    return made


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines whose columns stand below each other: for thousands of them, which a table would take a minute to draw."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def counted(items: Iterable[T], doing: str) -> Iterator[T]:
    """The items as they come; on a terminal stderr tells meanwhile how many there were."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f} events"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task(doing)
        for number, item in enumerate(items, 1):
            if number % 5_000 == 0:
                progress.update(task, completed=number)
            yield item


def say(text: str) -> None:
    """Write a result as plain lines: for JSON, CSV and single sentences."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def complain(text: str) -> None:
    """Write a sentence to stderr. What cannot be printed is shown escaped: it may hold what an outsider typed."""
    safe = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    sys.stderr.write(safe if safe.endswith("\n") else safe + "\n")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end."""
    import asyncio

    return asyncio.run(work)
