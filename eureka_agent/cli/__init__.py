"""The command line: thin commands, each a few calls into the floors below.

Imports of torch, MuJoCo and everything that needs them wait until a command does: `--help`, `runs`
and `show` answer at once.
"""

import signal
import sqlite3
import sys
from typing import Annotated

import typer

from eureka_agent import __version__
from eureka_agent.cli.options import app
from eureka_agent.cli.streams import (
    CLOSED,
    complain,
    fill_streams,
    flushed,
    refusal,
    require_working_folder,
)
from eureka_agent.common.errors import EurekaError

# isort: off
# Commands are listed in the order in which they are imported.
from eureka_agent.cli import search as search
from eureka_agent.cli import runs as runs
from eureka_agent.cli import environments as environments
# isort: on

__all__ = ["INTERRUPTED", "app", "main"]

INTERRUPTED = 130
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a command in order: Ctrl-C, `kill` or a batch system, a terminal that closed."""


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options that belong to no command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line: wrong use gets a sentence and an exit code, never a traceback."""
    fill_streams()
    for name in STOPS:
        number = getattr(signal, name, None)  # not every system knows them all
        nohup = name == "SIGHUP" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        if number is not None and not nohup:
            signal.signal(number, _interrupt)
    try:
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ImportError:
        # All that an extension module says that was interrupted while it loaded.
        if not _Interrupted.happened:
            raise
        code = INTERRUPTED
    sys.exit(flushed(code))


def _run() -> int:
    """Run a command; what goes wrong is said, and gives the exit code."""
    try:
        require_working_folder()
        app()
    except EurekaError as error:
        complain(error)
        return error.exit_code
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, BrokenPipeError):
            return CLOSED
        complain(refusal(error))
        return EurekaError.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


class _Interrupted(KeyboardInterrupt):
    """One of `STOPS`.

    A class of its own, as Python gives up its exit code and ends by the signal when a plain
    KeyboardInterrupt has passed through exec() of a text, as the import of many modules does.
    """

    happened = False


def _interrupt(number: int, frame: object) -> None:
    _Interrupted.happened = True
    raise _Interrupted
