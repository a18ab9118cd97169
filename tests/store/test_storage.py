"""An error names the disk that refuses and what to do; finished work stays."""

import errno
import fcntl
import os
import sqlite3
import time
from pathlib import Path

import pytest

from eureka_agent.common.errors import StorageError
from eureka_agent.store import Run, RunReader, find_run, list_runs
from eureka_agent.store.database import Database


def create(folder: Path) -> Path:
    with Run.create(folder, "cartpole", goal="", seed=0, config={}) as run:
        return run.path


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS])
def test_without_file_locks_no_run_is_made_and_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    made = create(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match="no file locks") as raised:
        create(tmp_path)
    assert "--runs" in raised.value.remedy and list(tmp_path.iterdir()) == [made]
    with RunReader.open(made) as reader:  # looking at it needs none
        assert reader.status() == "interrupted"


def test_a_full_disk_is_reported_and_earlier_data_stay(run: Run) -> None:
    pages = run._database.number("SELECT page_count FROM pragma_page_count")
    run._database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="the disk is full") as raised:
        for slot in range(2, 100):
            run.add_candidate(0, slot, "#" * 10_000, designer="offline")
    assert "Free some space" in raised.value.remedy
    assert len(run.candidates()) == 2
    run._database.connection.execute("PRAGMA max_page_count = 1000000")
    assert run.add_candidate(0, 2, "#" * 10_000, designer="offline").id == 3


def test_a_file_that_cannot_be_written_leaves_no_half_and_no_commit(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *words: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    names = {path.name for path in run.path.rglob("*")}
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OSError, match="No space"):
        run.add_candidate(0, 2, "text", designer="offline")
    assert len(run.candidates()) == 2
    assert {path.name for path in run.path.rglob("*")} == names | {"3"}


def test_a_run_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Database:
        raise StorageError("run.db: the disk is full.", "Free some space.")

    monkeypatch.setattr(Database, "create", refuse)
    with pytest.raises(StorageError, match="No run can be made") as raised:
        create(tmp_path)
    assert raised.value.remedy == "Free some space." and list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--runs"):
        create(tmp_path / "file")


def test_the_latest_run_is_the_last_one_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, made = time.time(), []
    for moment in (now, now, now - 3600, 5.0, now):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        made.append(create(tmp_path))
    assert list_runs(tmp_path) == made[::-1]
    assert find_run("latest", tmp_path) == made[-1]


def test_a_database_is_closed_whatever_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(*words: object, **named: object) -> sqlite3.Connection:
        opened.append(connect(*words, **named))  # type: ignore[call-overload]
        return opened[-1]

    path = create(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.db").write_bytes(b"no database" * 100)
    monkeypatch.setattr(sqlite3, "connect", remembered)
    list_runs(tmp_path)
    with RunReader.open(path) as reader:
        reader.row()
    assert len(opened) == 3
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
