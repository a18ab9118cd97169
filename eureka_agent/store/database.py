"""The run's database: one SQLite file, the only truth about the state of a run.

Every write is one transaction in write-ahead mode, so a process that is killed at any moment leaves
the state after its last commit, and others can read while it writes.
"""

import json
import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from eureka_agent.errors import UsageError
from eureka_agent.store.schema import MIGRATIONS, SCHEMA, VERSION

BUSY_SECONDS = 20.0
BUSY = "Another process holds it: try again in a moment."
COPIED = "If it is a copy: copy run.db-wal along with run.db, while nothing searches the run."

Record = TypeVar("Record")

JSON_COLUMNS = {"config", "parents", "verdict", "components", "diagnostics", "messages"}
JSON_COLUMNS |= {"distances", "matrix", "peers", "alarms", "said"}
JSON_COLUMNS |= {"reviews", "failures", "lens", "opinion", "measure"}
BOOLEANS = {"reproduced", "estimated"}


class Database:
    """A connection to a run's database; a thread that wants to use it opens its own.

    Args:
        path: the file; it must exist.
        read_only: refuse to write, for viewers.

    Raises:
        UsageError: there is no such file, it is no run database, or a newer program wrote it.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if not path.is_file():
            raise UsageError(f"There is no run in {path.parent}: {path.name} is missing.")
        self._path = path
        self._begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
        self.connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        try:
            if read_only and not self._opens() and not os.access(path.parent, os.W_OK):
                self._copy()
            self._prepare()
        except (sqlite3.DatabaseError, OSError) as error:
            self.close()
            raise self.unreadable(error) from error
        except UsageError:
            self.close()
            raise

    def _opens(self) -> bool:
        try:
            self.connection.execute("PRAGMA user_version")
        except sqlite3.OperationalError:
            return False
        return True

    def _copy(self) -> None:
        """Read from memory: beside the file even a reader may have to write, for its journal.

        What is written after this is not seen. Beside a database in use its journal's index lies
        already, so a search that goes on is followed even from where nothing can be written.
        """
        self.close()
        path = self._path
        with tempfile.TemporaryDirectory() as folder:
            for name in (path.name, f"{path.name}-wal"):
                if (path.parent / name).is_file():
                    shutil.copyfile(path.parent / name, Path(folder) / name)
            self._take(sqlite3.connect(Path(folder) / path.name))

    def _take(self, source: sqlite3.Connection) -> None:
        """Go on with a copy in memory, and close the source."""
        copy = sqlite3.connect(":memory:", isolation_level=None)
        with closing(source):
            source.backup(copy)
        self.connection = copy
        self.connection.row_factory = sqlite3.Row

    def _prepare(self) -> None:
        self.connection.execute("PRAGMA foreign_keys = ON")
        # Safe against a killed process; a power cut may cost the last commits, never consistency.
        self.connection.execute("PRAGMA synchronous = NORMAL")
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            raise UsageError(f"{self._path} is not the database of a run.")
        if version > VERSION:
            raise UsageError(
                f"{self._path} was written by a newer eureka-agent "
                f"(schema {version}, this one reads up to {VERSION}).",
                "Upgrade eureka-agent to look at it.",
            )
        if version < VERSION:
            self._migrate(version)
        reading = self._begin == "BEGIN"
        if reading and self.connection.execute("SELECT 1 FROM run").fetchone() is None:
            raise UsageError(f"{self._path} holds no run yet.", COPIED)

    def _migrate(self, version: int) -> None:
        """Bring the tables up to date; a reader does so on a copy in memory, the file stays."""
        if self._begin == "BEGIN":
            self._take(self.connection)
        for step in range(version, VERSION):
            self.connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]} COMMIT;")

    @classmethod
    def create(cls, path: Path) -> "Database":
        """Make the file with empty tables and open it."""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        connection.close()
        return cls(path)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; within another transaction, part of it. For readers: one moment."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute(self._begin)
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        """Run one statement; dicts, lists and tuples among the parameters are stored as JSON."""
        return self.connection.execute(sql, [_encode(value) for value in parameters])

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
            UsageError: the file is damaged.
        """
        try:
            return [_decode(record, row) for row in self.execute(sql, *parameters)]
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: Exception) -> UsageError:
        """What to raise where reading failed."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the kind, without its variety
        remedy = BUSY if code == sqlite3.SQLITE_BUSY else COPIED
        return UsageError(f"{self._path} cannot be read: {error}.", remedy)


def _encode(value: object) -> Any:
    if isinstance(value, dict | list | tuple):
        return json.dumps(_plain(value), allow_nan=False)
    return _plain(value)


def _plain(value: Any) -> Any:
    """The value as it can be stored: numbers that are not finite as None, text as valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # Through float(), as numpy's float64 passes for a float but SQLite would store its repr.
        return float(value) if math.isfinite(value) else None
    return value


def _decode(record: type[Record], row: sqlite3.Row) -> Record:
    values: dict[str, Any] = {}
    for field in fields(record):  # pyright: ignore[reportArgumentType]
        value = row[field.name]
        if field.name in JSON_COLUMNS:
            value = json.loads(value)
        if field.name == "parents":
            value = tuple(value)
        if field.name in BOOLEANS and value is not None:
            value = bool(value)
        values[field.name] = value
    return record(**values)
