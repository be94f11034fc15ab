"""`python -m tests.endtoend.dying STEP N …`: `alertbot …` that kills itself with SIGKILL at the n-th time that it is at a step.

A step is a name that the program logs, `sql` (a statement that writes, in its transaction) or `sql.commit` (just before it).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from alertbot import cli, log

READING = ("SELECT", "PRAGMA", "BEGIN", "SHOW", "SET")


class Death:
    """Waits for its step."""

    def __init__(self, step: str, times: int) -> None:
        self._step = step
        self._left = times

    def at(self, step: str, _fields: Any = None) -> None:
        """The program has come to a step."""
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run `alertbot` until it dies or ends."""
    step, times, *arguments = sys.argv[1:]
    death = Death(step, int(times))
    log.watch(death.at)

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(READING):
            death.at("sql")

    @event.listens_for(Engine, "commit")
    def commits(_connection: Any) -> None:
        death.at("sql.commit")

    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main()
