"""`watch`: an interactive dashboard of runs, live or finished, which only reads them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from eureka_agent.common.errors import UsageError
from eureka_agent.store import find_run, list_runs

MOST = 20
"""Runs that are shown where none is named."""


def watch_runs(names: Sequence[str], directory: Path) -> None:
    """Show runs until the user leaves.

    Args:
        names: what a person types for each run; none for the newest ones.
        directory: where runs are kept.

    Raises:
        UsageError: there is no such run, or no terminal.
    """
    paths = chosen(names, directory)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(
            "The dashboard needs a terminal to draw on and to take keys from.",
            "In a pipe or a script use `eureka-agent show RUN`, with --json if a program reads it.",
        )
    from eureka_agent.views.dashboard.app import Dashboard  # textual, which nothing else needs

    Dashboard(paths).run()


def chosen(names: Sequence[str], directory: Path) -> list[Path]:
    """The folders of the runs that are meant, each once.

    Raises:
        UsageError: a name fits no run, or there are no runs at all.
    """
    if names:
        return list(dict.fromkeys(find_run(name, directory) for name in names))
    newest = list_runs(directory)[:MOST]
    return newest or [find_run("latest", directory)]
