"""What keeps a database that a stranger made, or a disk that refuses, from doing harm.

SQLite runs what a file says: views, triggers, computed columns, defaults. So its tables have to be
those of a run, plain ones, and what it reads from them is bounded in time and size.
"""

import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eureka_agent.common.errors import StorageError, UsageError
from eureka_agent.store.schema import INDEXES, TABLES

STRANGE = "No version of this program wrote that: the run is damaged, or somebody made it up."
LONGEST_VALUE = 64 << 20
"""Bytes of one stored value."""
MOST_BYTES = 1 << 30
"""Bytes of texts that one query may yield."""
MOST_SECONDS = 60.0
"""Time that SQLite may take to answer one query."""
_EVERY = 1_000_000
"""Steps of SQLite's machine between two looks at the clock."""

_LOCKING = (sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS)
_REFUSALS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it may not be written to",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_PERM: "it may not be opened",
}
# Varieties of "the disk reports an error" that are about locks and memory shared between processes.
_LOCK_ERRORS = {
    code
    for name in ("LOCK", "RDLOCK", "UNLOCK", "CHECKRESERVEDLOCK", "SHMOPEN", "SHMLOCK", "SHMMAP")
    if (code := getattr(sqlite3, f"SQLITE_IOERR_{name}", None)) is not None
}
# What our own tables say; anything else in their text would be computed.
_CHECKS = re.compile(r"CHECK \((\w+ IN \('\w+'(, '\w+')*\)|id = 1)\)")
_CHECK = re.compile(r"\bCHECK\b", re.IGNORECASE)
_LITERAL = re.compile(r"'[^']*'|-?[\d.]+|NULL")


class Watch:
    """Bounds what the queries of one connection take."""

    def __init__(self) -> None:
        self._until = float("inf")

    def limit(self, connection: sqlite3.Connection) -> None:
        """Make a connection distrust its file, and look at the clock."""
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.set_progress_handler(lambda: time.monotonic() > self._until, _EVERY)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """End what takes too long in the block: SQLite then raises that it was interrupted."""
        self._until = time.monotonic() + MOST_SECONDS
        try:
            yield
        finally:
            self._until = float("inf")

    def fetch(self, cursor: sqlite3.Cursor) -> list[sqlite3.Row]:
        """All rows.

        Raises:
            OverflowError: they are more than any run holds.
        """
        rows, size = [], 0
        for row in cursor:
            rows.append(row)
            size += 200 + sum(len(value) for value in row if isinstance(value, str | bytes))
            if size > MOST_BYTES:
                raise OverflowError("a query yields more than any run holds")
        return rows


def require_plain(path: Path) -> None:
    """Refuse a database that is not there, or that leads elsewhere.

    Raises:
        UsageError: a link, a pipe or a device is in the place of one of its files.
        StorageError: its folder cannot be read.
    """
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        file = path.with_name(name)
        try:
            mode = file.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):
            if file == path:
                raise UsageError(
                    f"There is no run in {path.parent}: {path.name} is missing."
                ) from None
            continue
        except OSError as error:
            raise StorageError(
                f"{file} cannot be read: {error.strerror}.", "Name a run that you may read."
            ) from error
        if not stat.S_ISREG(mode):
            raise UsageError(
                f"{file} is a link or no ordinary file, as the database of a run is.", STRANGE
            )


def require_plain_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse tables that compute, and things that are no tables of a run.

    Raises:
        UsageError: there is a view, a trigger, a table of another module, a column or default that
            is computed, or a condition that is not ours.
    """
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "index" and (sql is None or _words(sql) in INDEXES):
            continue
        if not (kind == "table" and isinstance(sql, str) and isinstance(name, str)):
            raise _strange(path, f"{kind} {name}")
        if name == "sqlite_sequence":
            continue
        rest = _CHECKS.sub("", sql)
        if name not in TABLES or not _plain_table(sql) or _CHECK.search(rest):
            raise _strange(path, f"table {name}")
        for column in connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)):
            if column["hidden"] or not _LITERAL.fullmatch(column["dflt_value"] or "0"):
                raise _strange(path, f"column {column['name']} of {name}")


def _plain_table(sql: str) -> bool:
    return sql.startswith("CREATE TABLE ")


def _words(sql: str) -> str:
    return " ".join(sql.split())


def _strange(path: Path, what: str) -> UsageError:
    return UsageError(f"{path} is no database of a run: it holds the {what[:60]!r}.", STRANGE)


def refuses(code: int) -> bool:
    """Whether a kind of error is the disk's, and not that of a statement or the file's content."""
    return code in _REFUSALS or code in _LOCKING


def storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """A refusal of the disk in words, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0)
    # A new file is nobody else's: busy, too, then means that locks do not work.
    if code & 0xFF in (*_LOCKING, sqlite3.SQLITE_BUSY) or code in _LOCK_ERRORS:
        return StorageError(
            f"{path} cannot be locked ({error}): its file system has no file locks that work, as "
            "some network file systems.",
            "Keep runs on a local disk: --runs DIR.",
        )
    why = _REFUSALS.get(code & 0xFF, "SQLite cannot use it")
    remedy = (
        "Free some space, or keep runs on another disk: --runs DIR."
        if code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        else "See that the folder is there and that you may write to it, or keep runs elsewhere: "
        "--runs DIR."
    )
    return StorageError(f"{path}: {why} ({error}).", remedy)
