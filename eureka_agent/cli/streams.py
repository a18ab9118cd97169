"""What a command stands on: its streams, its working folder, and a disk that may refuse."""

import errno
import os
import sqlite3
import sys
from contextlib import suppress

from eureka_agent.common.errors import EurekaError, StorageError, UsageError
from eureka_agent.common.text import terminal_text

CLOSED = 141
"""Exit code where nobody reads the output any more, as with `| head`: what a shell reports."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fill_streams() -> None:
    """Give streams that were closed a place that swallows all.

    Otherwise the next file that is opened, such as a database, would become the standard output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))


def require_working_folder() -> None:
    """Refuse to begin in a folder that is gone, which libraries end the process for.

    Raises:
        UsageError: the working folder was deleted, or may not be entered.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(
            f"The working folder cannot be used: {error.strerror}. It may have been deleted.",
            "Change to one that is there, as with: cd",
        ) from error


def complain(error: EurekaError) -> None:
    """Say what went wrong and what to do, as far as the stream takes it."""
    with suppress(OSError):
        print(f"Error: {terminal_text(error.message)}", file=sys.stderr)
        if error.remedy:
            print(terminal_text(error.remedy), file=sys.stderr)


def refusal(error: OSError | sqlite3.Error) -> EurekaError:
    """An error of the system in words."""
    if isinstance(error, sqlite3.Error):
        return StorageError(f"The database of a run cannot be used: {error}.", "Try again.")
    where = f"{error.filename}: " if error.filename is not None else ""
    said = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    if error.errno in _FULL:
        said += "" if where else ", where a file or the output goes"
        remedy = "Free some space. Nothing that was finished is lost."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "See that you may read and write there, or name another place."
    else:
        remedy = ""
    return StorageError(f"{where}{said}.", remedy)


def flushed(code: int) -> int:
    """The exit code, once what was printed has arrived: the end is too late to complain."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left cannot be written either when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return code or CLOSED
        complain(
            StorageError(f"The output cannot be written: {error.strerror}.", "Send it elsewhere.")
        )
        return code or EurekaError.exit_code
    return code
