"""The command line: thin commands, each a few calls into the levels below.

Imports of torch, MuJoCo and everything that needs them wait until a command does: `--help`, `runs`
and `show` answer at once.
"""

import errno
import os
import signal
import sqlite3
import sys
from contextlib import suppress
from typing import Annotated

import typer

from eureka_agent import __version__
from eureka_agent.cli.options import app
from eureka_agent.common.errors import EurekaError, StorageError, UsageError
from eureka_agent.common.text import terminal_text

# isort: off
# Commands are listed in the order in which they are imported.
from eureka_agent.cli import search as search
from eureka_agent.cli import runs as runs
from eureka_agent.cli import environments as environments
from eureka_agent.cli import presets as presets
from eureka_agent.cli import doctor as doctor
# isort: on

__all__ = ["INTERRUPTED", "app", "main"]

INTERRUPTED = 130
CLOSED = 141
"""Exit code of a shell where the reader of the output is gone, as with `| head`."""
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
    _open_closed_streams()
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
        # The error of an extension module that was interrupted while it loaded.
        if not _Interrupted.happened:
            raise
        code = INTERRUPTED
    sys.exit(_flush_output(code))


def _run() -> int:
    """Run a command, say what goes wrong, and return the exit code."""
    try:
        _require_working_folder()
        app()
    except EurekaError as error:
        _complain(error)
        return error.exit_code
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, BrokenPipeError):
            return CLOSED
        _complain(_storage_error(error))
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


def _open_closed_streams() -> None:
    """Connect closed streams to a place that swallows all.

    Otherwise the next file that is opened, such as a database, would become the standard output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))


def _require_working_folder() -> None:
    """Refuse to begin in a deleted folder, where libraries would end the process.

    Raises:
        UsageError: the working folder was deleted, or may not be entered.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(
            f"The working folder cannot be used: {error.strerror}. It may have been deleted.",
            "Change to one that exists, as with: cd",
        ) from error


def _complain(error: EurekaError) -> None:
    with suppress(OSError):  # the stream may be full or gone
        print(f"Error: {terminal_text(error.message)}", file=sys.stderr)
        if error.remedy:
            print(terminal_text(error.remedy), file=sys.stderr)


def _storage_error(error: OSError | sqlite3.Error) -> EurekaError:
    """An error of the system in words, with what to do."""
    if isinstance(error, sqlite3.Error):
        return StorageError(f"The database of a run cannot be used: {error}.", "Try again.")
    where = f"{error.filename}: " if error.filename is not None else ""
    said = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    remedy = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        said += "" if where else ", where a file or the output goes"
        remedy = "Free some space. Finished work is safe."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "Make it readable and writable, or name another place."
    return StorageError(f"{where}{said}.", remedy)


def _flush_output(code: int) -> int:
    """The exit code, after all output has arrived: at the interpreter's end it is too late."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # The interpreter cannot write the rest either when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return code or CLOSED
        _complain(
            StorageError(f"The output cannot be written: {error.strerror}.", "Send it elsewhere.")
        )
        return code or EurekaError.exit_code
    return code
