"""The run's database: one SQLite file, the only truth about the state of a run.

Every write is one transaction in write-ahead mode, so a process that is killed at any moment leaves
the state after its last commit, and others can read while it writes.

A stranger may have made the file, and SQLite runs what a file says: views, triggers, computed
columns, defaults. So its tables must be those of a run, plain ones, and every query is bounded in
time and size.
"""

import math
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from eureka_agent.common.errors import EurekaError, StorageError, UsageError
from eureka_agent.store.rows import STRANGE, decode, encode
from eureka_agent.store.schema import INDEXES, MIGRATIONS, SCHEMA, TABLES, VERSION

BUSY_SECONDS = 20.0
BUSY = (
    "Another process holds it: try again in a moment. If that does not pass, its file system has "
    "no file locks that work: copy the run to a local disk."
)
COPIED = "If it is a copy: copy run.db-wal along with run.db, while nothing searches the run."
LARGEST_COPY = 2 << 30
"""Bytes of a database that may be read from memory."""

LONGEST_VALUE = 64 << 20
"""Bytes of one stored value."""
MOST_BYTES = 1 << 30
"""Bytes of texts that one query may yield."""
MOST_SECONDS = 60.0
"""Time that SQLite may take to answer one query."""
CLOCK_STEPS = 1_000_000
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

Record = TypeVar("Record")


class Database:
    """A connection to a run's database; a thread that wants to use it opens its own.

    Args:
        path: the file; it must exist.
        read_only: refuse to write, for viewers.

    Raises:
        UsageError: there is no such file, it is not a run database, or a newer program wrote it.
        StorageError: where it lies, SQLite cannot work.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        require_plain(path)
        self._path = path
        self._read_only = read_only
        self._deadline = [math.inf]  # in a list, so that the connection need not hold this object
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self.unreadable(error) from error
        self._adopt(connection)
        try:
            if read_only and not self._opens() and not os.access(path.parent, os.W_OK):
                self._copy()
            with self._limited():
                self._prepare()
        except (sqlite3.DatabaseError, OSError) as error:
            self.close()
            raise self.unreadable(error) from error
        except BaseException:
            self.close()
            raise

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Use a connection, within the limits for files that strangers made."""
        connection.row_factory = sqlite3.Row
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        deadline = self._deadline
        connection.set_progress_handler(lambda: time.monotonic() > deadline[0], CLOCK_STEPS)
        self.connection = connection

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """End what takes too long in the block: SQLite then raises that it was interrupted."""
        self._deadline[0] = time.monotonic() + MOST_SECONDS
        try:
            yield
        finally:
            self._deadline[0] = math.inf

    def _opens(self) -> bool:
        try:
            self.connection.execute("PRAGMA user_version")
        except sqlite3.OperationalError:
            return False
        return True

    def _copy(self) -> None:
        """Read from memory: beside the file even a reader may have to write, for its journal.

        What is written after this is not seen. Beside a database in use its journal's index lies
        already, so a running search is followed even from where nothing can be written.
        """
        self.close()
        path = self._path
        self._require_small()
        with tempfile.TemporaryDirectory() as folder:
            for name in (path.name, f"{path.name}-wal"):
                if (path.parent / name).is_file():
                    shutil.copyfile(path.parent / name, Path(folder) / name)
            self._take(sqlite3.connect(Path(folder) / path.name))

    def _take(self, source: sqlite3.Connection) -> None:
        """Continue with a copy in memory, and close the source."""
        copy = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with closing(source):
                source.backup(copy)
        except BaseException:
            copy.close()
            raise
        self._adopt(copy)

    def _require_small(self) -> None:
        size = self._path.stat().st_size
        if size > LARGEST_COPY:
            raise UsageError(
                f"{self._path} is too large to be read from memory: {size:,} bytes.",
                "Copy the run to where it can be written to, and `resume` it there first.",
            )

    def _prepare(self) -> None:
        self.connection.execute("PRAGMA foreign_keys = ON")
        # Safe against a killed process; a power cut may cost the last commits, never consistency.
        self.connection.execute("PRAGMA synchronous = NORMAL")
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version < 1:
            raise UsageError(f"{self._path} is not the database of a run.")
        if version > VERSION:
            raise UsageError(
                f"{self._path} was written by a newer eureka-agent "
                f"(schema {version}, this one reads up to {VERSION}).",
                "Upgrade eureka-agent to look at it.",
            )
        require_plain_schema(self.connection, self._path)
        if version < VERSION:
            self._migrate(version)
        if self._read_only and not self.connection.execute("SELECT 1 FROM run").fetchone():
            raise UsageError(f"{self._path} holds no run yet.", COPIED)

    def _migrate(self, version: int) -> None:
        """Bring the tables up to date; a reader does so on a copy in memory, the file stays."""
        if self._read_only:
            self._require_small()
            self._take(self.connection)
        for step in range(version, VERSION):
            self.connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]} COMMIT;")

    @classmethod
    def create(cls, path: Path) -> "Database":
        """Make the file with empty tables and open it.

        Raises:
            StorageError: SQLite cannot work there, as on a full disk or where files have no locks.
        """
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        except sqlite3.Error as error:
            raise storage_error(path, error) from error
        return cls(path)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __del__(self) -> None:
        """Close a connection that was left open, about which Python 3.13 warns."""
        with suppress(sqlite3.Error, AttributeError):  # of another thread, or never opened
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another transaction a part of it. Readers see one moment."""
        if self.connection.in_transaction:
            yield
            return
        with self._failing():
            self.connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
        try:
            yield
            with self._failing():
                self.connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a disk that is full has rolled back by itself
                self.connection.execute("ROLLBACK")
            raise

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """Run one statement; dicts, lists and tuples among the parameters are stored as JSON.

        Raises:
            StorageError: the disk refuses.
        """
        with self._failing():
            return self.connection.execute(sql, [encode(value) for value in parameters])

    def insert(self, table: str, **values: object) -> int:
        """Add a row and return its number."""
        marks = ", ".join("?" * len(values))
        cursor = self.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values()
        )
        return cursor.lastrowid or 0

    def update(self, table: str, row: int, **values: object) -> None:
        """Set columns of the row with that number.

        Raises:
            UsageError: there is no such row.
        """
        columns = ", ".join(f"{name} = ?" for name in values)
        cursor = self.execute(f"UPDATE {table} SET {columns} WHERE id = ?", *values.values(), row)
        if cursor.rowcount != 1:
            raise UsageError(f"There is no row {row} in {table}.")

    def select(self, record: type[Record], sql: str, *parameters: object) -> list[Record]:
        """The rows of a query as records; the query must yield a column for each field.

        Raises:
            UsageError: the file is damaged, or holds what this program never writes.
        """
        return [decode(record, row, self._path) for row in self.rows(sql, *parameters)]

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """The rows of a query as they are stored.

        Raises:
            UsageError: the file is damaged, or yields more than any run holds.
        """
        rows, size = [], 0
        try:
            with self._limited():
                for row in self.execute(sql, *parameters):
                    rows.append(row)
                    size += 200 + sum(len(value) for value in row if isinstance(value, str | bytes))
                    if size > MOST_BYTES:
                        raise OverflowError("a query yields more than any run holds")
        except (sqlite3.DatabaseError, OverflowError) as error:
            raise self.unreadable(error) from error
        return rows

    def number(self, sql: str, *parameters: object) -> int:
        """The whole number that a query yields; 0 for none.

        Raises:
            UsageError: the file is damaged.
        """
        value = self.rows(sql, *parameters)[0][0]
        if value is not None and not isinstance(value, int):
            raise UsageError(f"{self._path} cannot be read: {value!r:.40} is not a count.", COPIED)
        return value or 0

    def unreadable(self, error: Exception) -> EurekaError:
        """What to raise where reading failed."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the kind, without its variety
        journal = self._path.with_name(f"{self._path.name}-journal")
        if code == sqlite3.SQLITE_READONLY and self._read_only and journal.exists():
            return UsageError(
                f"{self._path} cannot be read: {journal.name} beside it says that a change was "
                "broken off, and only a writer can undo it.",
                "Remove that file, or `resume` the run; this program itself leaves none.",
            )
        if isinstance(error, sqlite3.Error) and code in (*_REFUSALS, *_LOCKING):
            return storage_error(self._path, error)
        if code == sqlite3.SQLITE_INTERRUPT:
            return UsageError(f"{self._path} cannot be read: its tables have no end.", STRANGE)
        remedy = BUSY if code == sqlite3.SQLITE_BUSY else COPIED
        return UsageError(f"{self._path} cannot be read: {error}.", remedy)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Errors of the disk and the file in words; those of our own statements as they are."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.Error as error:
            raise self.unreadable(error) from error


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
                f"{file} is not an ordinary file, as the database of a run is.", STRANGE
            )


def require_plain_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse tables that compute, and things that are not tables of a run.

    Raises:
        UsageError: there is a view, a trigger, a table of another module, a column or default that
            is computed, or a condition that is not ours.
    """
    for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "index" and (sql is None or " ".join(sql.split()) in INDEXES):
            continue
        if not (kind == "table" and isinstance(sql, str) and isinstance(name, str)):
            raise _strange(path, f"{kind} {name}")
        if name == "sqlite_sequence":
            continue
        rest = _CHECKS.sub("", sql)
        if name not in TABLES or not sql.startswith("CREATE TABLE ") or _CHECK.search(rest):
            raise _strange(path, f"table {name}")
        for column in connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)):
            if column["hidden"] or not _LITERAL.fullmatch(column["dflt_value"] or "0"):
                raise _strange(path, f"column {column['name']} of {name}")


def _strange(path: Path, what: str) -> UsageError:
    return UsageError(f"{path} is not a database of a run: it holds the {what[:60]!r}.", STRANGE)


def storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """A refusal of the disk in words, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0)
    # No other process uses a new file: even "busy" then means that locks do not work.
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
