"""What a run keeps, and that a killed process cannot spoil it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eureka_agent.common.errors import StorageError, UsageError
from eureka_agent.store import Run, RunReader, database
from eureka_agent.store.database import Database
from eureka_agent.store.schema import VERSION


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    config = {"search": {"generations": 3, "model": None}, "note": 'a "quoted" \x7f\n line'}
    with Run.create(tmp_path, "cartpole", goal="Swing up.", seed=1, config=config) as run:
        yield run


def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Run code in a process of its own and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_new_run_folder_is_complete(run: Run) -> None:
    assert (run.path / "candidates").is_dir()
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert config == {"search": {"generations": 3}, "note": 'a "quoted" \x7f\n line'}
    assert run.row().config["search"] == {"generations": 3, "model": None}
    assert run.row().status == "running"
    assert [path.name for path in run.path.parent.iterdir()] == [run.name]


def test_odd_environment_names_make_plain_folder_names(tmp_path: Path) -> None:
    with Run.create(tmp_path, "gymnasium:../Ant v5", goal="", seed=0, config={}) as run:
        assert run.path.parent == tmp_path
        assert run.name.startswith("gymnasium-..-Ant-v5-")


def test_a_place_in_a_generation_is_given_once(run: Run) -> None:
    first = run.add_candidate(0, 1, "WEIGHTS = {}", designer="offline", parents=[])
    again = run.add_candidate(0, 1, "something else", designer="offline", parents=[])
    other = run.add_candidate(1, 0, "WEIGHTS = {}", designer="offline", parents=[first.id])
    assert again == first
    assert (first.id, other.id, other.parents) == (1, 2, (1,))
    assert (run.candidate_folder(1) / "reward.py").read_text() == "WEIGHTS = {}"
    assert run.candidates() == [first, other]
    assert run.candidates(generation=1) == [other]


def test_a_training_run_is_entered_once_with_and_without_a_candidate(run: Run) -> None:
    run.add_candidate(0, 0, "", designer="offline")
    entered = {
        run.add_training(role, seed, steps_total=100, candidate=candidate).id
        for role, seed, candidate in [("human", 0, None), ("human", 1, None), ("winner", 0, 1)] * 2
    }
    assert entered == {training.id for training in run.trainings()}
    assert len(entered) == 3
    assert [training.seed for training in run.trainings(role="human")] == [0, 1]
    assert [training.role for training in run.trainings(candidate=1)] == ["winner"]


def test_a_training_run_that_begins_again_forgets_its_first_attempt(run: Run) -> None:
    training = run.add_training("human", 0, steps_total=100)
    run.start_training(training.id)
    run.set_progress({training.id: 50})
    run.add_evaluation(training.id, 50, fitness=1.0)
    last = run.evaluations()[-1].id
    run.start_training(training.id)
    assert run.trainings()[0].steps_done == 0
    assert run.evaluations() == []
    run.add_evaluation(training.id, 50, fitness=2.0)
    run.add_evaluation(training.id, 50, fitness=3.0)
    assert [evaluation.fitness for evaluation in run.evaluations(since=last)] == [3.0]


def test_everything_written_is_read_back(run: Run) -> None:
    candidate = run.add_candidate(0, 0, "bad \ud800 text", designer="offline", note="new")
    finding = {"rule": "names", "line": 3}
    run.set_verdict(candidate.id, [finding], accepted=True)
    training = run.add_training("candidate", 7, steps_total=10, candidate=candidate.id)
    components = {"speed": {"mean": 1.0, "min": float("nan"), "max": 2.0, "share": 0.5}}
    run.add_evaluation(training.id, 10, fitness=4.0, components=components, diagnostics={"kl": 0.1})
    run.finish_training(training.id, ranking_fitness=4.0, own_return=9.0, checkpoint_step=10)
    run.set_reporting(training.id, 3.5)
    run.set_reproduced(training.id, False)
    run.set_result(candidate.id, fitness=4.0, own_return=9.0, checkpoint_step=10)
    run.set_best(candidate.id)
    run.add_usage(env_steps=10, train_seconds=2.0, wall_seconds=3.0)
    run.add_usage(env_steps=5)

    with RunReader.open(run.path) as reader:
        row = reader.row()
        assert (row.env_steps, row.train_seconds, row.wall_seconds) == (15, 2.0, 3.0)
        stored = reader.candidate(candidate.id)
        assert (stored.state, stored.fitness, stored.verdict) == ("finished", 4.0, [finding])
        assert reader.trainings()[0].reporting_fitness == 3.5
        assert reader.trainings()[0].reproduced is False
        evaluation = reader.evaluations(training.id)[0]
        assert evaluation.components["speed"] == {"mean": 1, "min": None, "max": 2, "share": 0.5}
        assert evaluation.diagnostics == {"kl": 0.1}
    assert (run.path / "best" / "reward.py").read_text() == "bad \\ud800 text"


def test_generations_are_summed_up(run: Run) -> None:
    fitness = [[1.0, 3.0, None], [None, None], [float("nan")]]
    for generation, values in enumerate(fitness):
        for slot, value in enumerate(values):
            number = run.add_candidate(generation, slot, "", designer="offline").id
            if value is None:
                run.set_verdict(number, [], accepted=False, failure="unknown name")
            else:
                run.set_result(number, fitness=value, own_return=0.0, checkpoint_step=1)
    first, second, third = run.generations()
    assert (first.best, first.mean, first.best_candidate) == (3.0, 2.0, 2)
    assert (first.candidates, first.finished, first.rejected) == (3, 2, 1)
    assert (second.best, second.best_candidate, second.rejected) == (None, None, 2)
    assert third.best is None


def test_a_transaction_is_all_or_nothing(run: Run) -> None:
    with pytest.raises(KeyError), run.transaction():
        run.add_candidate(0, 0, "", designer="offline")
        run.event("news", "a candidate came")
        raise KeyError
    assert run.candidates() == []
    assert run.events() == []


def test_events_are_read_from_where_the_reader_stopped(run: Run) -> None:
    for text in "abcd":
        run.event("news", text)
    assert [event.text for event in run.events(since=run.events()[1].id)] == ["c", "d"]
    assert [event.text for event in run.events(last=3)] == ["b", "c", "d"]


def test_a_missing_candidate_is_reported_with_those_that_exist(run: Run) -> None:
    with pytest.raises(UsageError, match="none yet"):
        run.candidate(1)
    run.add_candidate(0, 0, "", designer="offline")
    with pytest.raises(UsageError, match="It has 1 to 1"):
        run.candidate(9)


def test_a_reader_cannot_write(run: Run) -> None:
    reader = Run(run.path, Database(run.path / "run.db", read_only=True))
    with reader, pytest.raises(StorageError, match="may not be written"):
        reader.set_phase("mine")


def test_a_reader_sees_one_moment_while_another_process_writes(run: Run) -> None:
    with RunReader.open(run.path) as reader:
        with reader.transaction():
            assert reader.events() == []
            run.event("news", "meanwhile")
            assert reader.events() == []
        assert len(reader.events()) == 1


def test_a_newer_schema_is_refused_with_advice(run: Run) -> None:
    connection = sqlite3.connect(run.path / "run.db")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(UsageError, match=r"newer eureka-agent.*Upgrade"):
        RunReader.open(run.path)


@pytest.mark.parametrize("content", [b"", b"this is not a database, but some text\n" * 100])
def test_a_file_that_is_no_run_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.db").write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.db"):
        RunReader.open(tmp_path)


def test_a_database_without_its_run_says_what_to_copy_with_it(run: Run) -> None:
    with sqlite3.connect(run.path / "run.db") as connection:
        connection.execute("DELETE FROM run")
    connection.close()
    with pytest.raises(UsageError, match=r"holds no run yet.*copy run\.db-wal"):
        RunReader.open(run.path)


def test_a_damaged_database_says_so_and_what_to_do(run: Run) -> None:
    for slot in range(100):
        run.add_candidate(0, slot, "#" * 1000, designer="offline")
    run.close()
    path = run.path / "run.db"
    content = path.read_bytes()
    path.write_bytes(content[:-20_000] + bytes([7]) * 20_000)
    with RunReader.open(run.path) as reader, pytest.raises(UsageError) as raised:
        reader.candidates()
    assert "run.db cannot be read" in raised.value.message
    assert "If it is a copy" in (raised.value.remedy or "")


def test_a_database_that_another_process_holds_is_no_bad_copy(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(run.path / "run.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UsageError, match="locked") as raised:
            RunReader.open(run.path)
    assert "Another process holds it" in raised.value.remedy


READER = """
import sys
from pathlib import Path
from eureka_agent.store import RunReader
with RunReader.open(Path(sys.argv[1])) as reader:
    print(len(reader.candidates()), reader.status())
"""
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'


@pytest.mark.skipif(shutil.which("unshare") is None, reason="makes no read-only mount without it")
@pytest.mark.parametrize("killed", [False, True])
def test_a_run_is_read_on_a_disk_that_cannot_be_written(
    run: Run, tmp_path: Path, killed: bool
) -> None:
    run.add_candidate(0, 0, "", designer="offline")
    run.set_status("running" if killed else "finished")
    if killed:  # what is new stands in the journal alone, and its index is not there
        folder = shutil.copytree(run.path, tmp_path / "copy", ignore=lambda *_: ["run.db-shm"])
    else:
        run.close()
        folder = run.path
    names = {path.name for path in folder.iterdir()}
    assert ("run.db-wal" in names, "run.db-shm" in names) == (killed, False)
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh", folder]
    done = subprocess.run(
        [*command, sys.executable, READER], capture_output=True, text=True, check=False
    )
    if not done.stdout and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no read-only mount can be made here: {done.stderr}")
    assert done.stdout == f"1 {'interrupted' if killed else 'finished'}\n", done.stderr
    assert {path.name for path in folder.iterdir()} == names


WRITER = """
import sys
from pathlib import Path
from eureka_agent.store import Run
run = Run.open(Path(sys.argv[1]))
print("ready", flush=True)
for slot in range(10**6):
    with run.transaction():
        number = run.add_candidate(0, slot, f"# {slot}", designer="offline").id
        run.add_training("candidate", slot, steps_total=1, candidate=number)
        run.event("proposed", f"{slot}", number)
    if slot == int(sys.argv[2]):
        print("far enough", flush=True)
"""


@pytest.mark.parametrize("far", [0, 7, 40])
def test_a_writer_killed_at_any_moment_leaves_a_consistent_run(run: Run, far: int) -> None:
    writer = start(WRITER, run.path, far)
    assert writer.stdout is not None
    writer.stdout.readline()
    kill(writer)
    with RunReader.open(run.path) as reader:
        assert len(reader.candidates()) == len(reader.trainings()) == len(reader.events())
    with Run.open(run.path) as after:
        candidates = after.candidates()
        assert [candidate.slot for candidate in candidates] == list(range(len(candidates)))
        assert len(candidates) > far
        assert len(after.trainings()) == len(after.events()) == len(candidates)
        for candidate in candidates:
            program = after.candidate_folder(candidate.id) / "reward.py"
            assert program.read_text() == candidate.text
        again = after.add_candidate(0, len(candidates), "# next", designer="offline")
        assert (after.candidate_folder(again.id) / "reward.py").read_text() == "# next"


HOLDER = """
import sys, time
from pathlib import Path
from eureka_agent.store import Run
with Run.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_searches_and_a_killed_one_blocks_no_other(run: Run) -> None:
    holder = start(HOLDER, run.path)
    assert run.status() == "running"
    with pytest.raises(UsageError, match=f"by process {holder.pid}"), run.lock():
        pass
    kill(holder)
    assert run.status() == "interrupted"
    with run.lock():
        assert run.status() == "running"
    assert run.status() == "interrupted"
    run.set_status("finished")
    assert run.status() == "finished"
