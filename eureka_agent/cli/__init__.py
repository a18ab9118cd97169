"""The command line: thin commands, each a few calls into the floors below.

Imports of torch, MuJoCo and everything that needs them wait until a command does: `--help`, `runs`
and `show` answer at once.
"""

import signal
import sys
from typing import Annotated

import typer

from eureka_agent import __version__
from eureka_agent.cli.options import app
from eureka_agent.errors import EurekaError
from eureka_agent.ui.format import clean

# isort: off
# Commands are listed in the order in which they are imported.
from eureka_agent.cli import searching as searching
from eureka_agent.cli import looking as looking
from eureka_agent.cli import describing as describing
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
    for name in STOPS:
        number = getattr(signal, name, None)  # not every system knows them all
        nohup = name == "SIGHUP" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        if number is not None and not nohup:
            signal.signal(number, _interrupt)
    try:
        app()
    except EurekaError as error:
        print(clean(f"Error: {error.message}"), file=sys.stderr)
        if error.remedy:
            print(clean(error.remedy), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ImportError:
        # All that an extension module says that was interrupted while it loaded.
        if not _Interrupted.happened:
            raise
        sys.exit(INTERRUPTED)


class _Interrupted(KeyboardInterrupt):
    """One of `STOPS`.

    A class of its own, as Python gives up its exit code and ends by the signal when a plain
    KeyboardInterrupt has passed through exec() of a text, as the import of many modules does.
    """

    happened = False


def _interrupt(number: int, frame: object) -> None:
    _Interrupted.happened = True
    raise _Interrupted
