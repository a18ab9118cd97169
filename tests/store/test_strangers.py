"""A run folder from a stranger reaches nothing beyond it, and what it holds is not believed."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.store import Run, RunReader, database, find_run, list_runs
from eureka_agent.store.cleaning import plan_cleaning, remove
from eureka_agent.store.folder import atomic_file, is_plain, read_plain, require_replaceable
from eureka_agent.store.trust import SIGNATURE
from eureka_agent.views.documents import run_document
from eureka_agent.views.html.page import write_report

ELSEWHERE = {"designer": "openai", "model": "m", "base_url": "http://evil.example/v1"}


def changed(run: Run, *statements: str) -> Path:
    """The folder of a run with a changed database."""
    run.close()
    with closing(sqlite3.connect(run.path / "run.db")) as connection:
        connection.executescript("PRAGMA ignore_check_constraints = ON;" + ";".join(statements))
    return run.path


def asked(folder: Path, answer: bool = False) -> list[str]:
    """What the user is asked before a run continues."""
    questions: list[str] = []

    def agrees(said: str) -> bool:
        questions.append(said)
        return answer

    with RunReader.open(folder) as reader:
        try:
            reader.require_trust(agrees)
        except UsageError as error:
            assert not answer and "--trust" in error.remedy
    return questions


def test_runs_made_here_are_trusted_wherever_they_are_moved(run: Run, tmp_path: Path) -> None:
    run.set_config(ELSEWHERE)
    assert asked(run.path) == []
    assert asked(shutil.copytree(run.path, tmp_path / "copy")) == []


def test_a_run_that_demands_nothing_is_not_asked_about(run: Run) -> None:
    (run.path / SIGNATURE).unlink()
    assert asked(run.path) == []


def environment(run: Run) -> str:
    folder = run.path.parent / "evil"
    folder.mkdir()
    (folder / "env.py").write_text("")
    return changed_value("environment_source", str(folder))


def changed_value(column: str, value: str) -> str:
    return f"UPDATE run SET {column} = '{value}'"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (environment, "evil"),
        (lambda run: changed_value("environment_source", "gymnasium:evil_module:X-v0"), "evil_mod"),
        (lambda run: changed_value("config", json.dumps(ELSEWHERE)), "http://evil.example/v1"),
        (lambda run: changed_value("config", '{"sandbox": "off"}'), "sandbox policy off"),
    ],
)
def test_a_run_that_was_changed_says_what_it_would_do(
    run: Run, change: Callable[[Run], str], said: str
) -> None:
    folder = changed(run, change(run))
    (question,) = asked(folder)
    assert said in question and "not made here" in question


def test_a_fitness_that_was_put_there_is_asked_about_once(run: Run) -> None:
    (run.path / "fitness.py").write_text("print('mine now')")
    (question,) = asked(run.path)
    assert "fitness.py" in question
    assert len(asked(run.path, answer=True)) == 1
    assert asked(run.path) == []


def test_a_key_that_others_may_read_signs_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("state/eureka-agent", f"temporary/eureka-agent-{os.geteuid()}"):
        folder = tmp_path / place
        folder.mkdir(parents=True, mode=0o700)
        (folder / "key").write_bytes(b"k" * 32)
        (folder / "key").chmod(0o644)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config=ELSEWHERE) as other:
        assert not other.made_here()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW evil AS SELECT 1",
        "CREATE TRIGGER t AFTER UPDATE ON run BEGIN SELECT 1; END",
        "ALTER TABLE events ADD COLUMN x GENERATED ALWAYS AS (hex(zeroblob(1000000000))) VIRTUAL",
        "ALTER TABLE events ADD COLUMN x CHECK (x < random())",
        "CREATE INDEX i ON events (hex(text))",
        "CREATE TABLE evil (x)",
        "CREATE VIRTUAL TABLE evil USING fts5(x)",
    ],
)
def test_a_database_that_computes_is_refused(run: Run, statement: str) -> None:
    with pytest.raises(UsageError, match="is not a database of a run"):
        RunReader.open(changed(run, statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE candidates SET fitness = 'abc'",
        "UPDATE candidates SET fitness = 9e999",
        "UPDATE candidates SET text = x'00ff'",
        "UPDATE candidates SET note = CAST(x'ff00fe' AS TEXT)",
        "UPDATE candidates SET parents = '[1.5]'",
        "UPDATE candidates SET parents = '5'",
        "UPDATE candidates SET verdict = '[{\"line\": NaN}]'",
        "UPDATE candidates SET verdict = '[{\"line\": 1e999}]'",
        "UPDATE candidates SET verdict = replace(hex(zeroblob(100000)), '00', '[')",
        "UPDATE candidates SET state = 'evil'",
        "UPDATE candidates SET created = 1e300",
        "UPDATE run SET status = 'evil'",
        "UPDATE run SET config = '[]'",
        "UPDATE run SET environment = 'a' || char(0)",
        "UPDATE run SET goal = hex(zeroblob(1000000))",
        "ALTER TABLE candidates DROP COLUMN note",
        "DELETE FROM run",
        "PRAGMA user_version = -3",
        "PRAGMA user_version = 1",
    ],
)
def test_a_database_that_no_version_wrote_is_refused(run: Run, statement: str) -> None:
    folder = changed(run, statement)
    with pytest.raises(EurekaError, match=r"run\.db"), RunReader.open(folder) as reader:
        run_document(reader)


def test_documents_that_do_not_fit_together_are_reported(run: Run) -> None:
    run.add_analysis(1, failures={"types": [{}], "episodes": 1, "failed": 0})
    with pytest.raises(UsageError, match="does not fit together"), RunReader.open(run.path) as seen:
        run_document(seen)


def test_endless_tables_are_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT "
    with RunReader.open(run.path) as reader:
        monkeypatch.setattr(database, "MOST_SECONDS", 0.0)
        with pytest.raises(UsageError, match="no end"):
            reader._database.number(f"{endless} max(n) FROM t")
        monkeypatch.setattr(database, "MOST_SECONDS", 600.0)
        monkeypatch.setattr(database, "MOST_BYTES", 10_000)
        with pytest.raises(UsageError, match="more than any run holds"):
            reader._database.rows(f"{endless} n FROM t")


@pytest.mark.parametrize("name", ["run.db", "run.db-wal", "run.db-shm", "lock"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "second name"])
def test_a_link_or_pipe_in_place_of_a_file_is_neither_read_nor_written(
    run: Run, tmp_path: Path, name: str, kind: str
) -> None:
    run.close()
    victim, place = tmp_path / "victim", run.path / name
    victim.write_bytes((run.path / "run.db").read_bytes() if name == "run.db" else b"mine")
    before = victim.read_bytes()
    place.unlink(missing_ok=True)
    match kind:
        case "link":
            place.symlink_to(victim)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "second name":
            place.hardlink_to(victim)
    if kind == "folder" and name == "lock":
        with pytest.raises(UsageError, match="lock"), Run.open(run.path) as opened, opened.lock():
            pass
    elif kind != "folder":
        with pytest.raises(UsageError, match="nothing is written"):
            Run.open(run.path)
    if name == "lock":
        with RunReader.open(run.path) as reader:
            assert reader.status() == "interrupted"
    elif kind != "second name":
        with pytest.raises(UsageError, match="not an ordinary file"):
            RunReader.open(run.path)
    assert victim.read_bytes() == before


def test_a_planted_folder_or_file_leads_no_writing_out_of_the_run(run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "reward.py").write_text("mine")
    shutil.rmtree(run.candidate_folder(1))
    run.candidate_folder(1).symlink_to(victim)
    with pytest.raises(UsageError, match="candidates/1 is a link"):
        Run.open(run.path)
    (run.path / "report.html").symlink_to(victim / "reward.py")
    with RunReader.open(run.path) as reader:
        written = write_report(reader)
    assert not written.is_symlink() and (victim / "reward.py").read_text() == "mine"


def test_a_film_that_a_link_leads_to_is_in_no_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "video.mp4").write_bytes(b"secret")
    run.set_best(1)
    run.set_best(2)
    (run.candidate_folder(1) / "video.mp4").symlink_to(tmp_path / "secret")
    shutil.rmtree(run.candidate_folder(2))
    run.candidate_folder(2).symlink_to(tmp_path / "outside")
    for best in (1, 2):
        folder = changed(run, f"UPDATE run SET best_candidate = {best}")
        with RunReader.open(folder) as reader:
            assert "c2VjcmV0" not in write_report(reader, tmp_path / "out.html").read_text()


def test_cleaning_removes_nothing_that_a_link_leads_to(run: Run, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    for number in (1, 2):
        run.set_result(number, fitness=float(number), own_return=0.0, checkpoint_step=1)
    run.set_status("finished")
    (run.candidate_folder(1) / "policy.zip").write_text("a loser's")
    folder = changed(run, "UPDATE run SET updated = 1")
    (plan,) = plan_cleaning(tmp_path, losers=True).removals
    (victim / "policy.zip").write_text("mine")
    shutil.rmtree(folder / "candidates" / "1")
    (folder / "candidates" / "1").symlink_to(victim)
    remove(plan)
    assert (victim / "policy.zip").read_text() == "mine"
    assert plan_cleaning(tmp_path, losers=True).removals == ()


def test_a_journal_that_only_a_writer_may_take_back_is_named(run: Run) -> None:
    folder = changed(run)
    (folder / "run.db-journal").write_bytes(b"x" * 4096)
    with pytest.raises(UsageError, match=r"run\.db-journal beside it"):
        RunReader.open(folder)
    Run.open(folder).close()
    RunReader.open(folder).close()


def test_a_candidate_with_endless_parents_is_refused(run: Run) -> None:
    run.add_candidate(0, 0, "x = 1\n", designer="offline")
    parents = json.dumps(list(range(1001)))
    folder = changed(run, f"UPDATE candidates SET parents = '{parents}'")
    with RunReader.open(folder) as reader, pytest.raises(UsageError, match="where the parents of"):
        reader.candidates()


@pytest.mark.parametrize(
    ("goal", "why"), [("'a' || char(0) || 'b'", "holds a NUL"), ("hex(zeroblob(60000))", "no end")]
)
def test_a_goal_that_is_not_a_sentence_is_named(run: Run, goal: str, why: str) -> None:
    folder = changed(run, f"UPDATE run SET goal = {goal}")
    with RunReader.open(folder) as reader, pytest.raises(UsageError, match=why):
        reader.row()


def test_nothing_is_read_through_links_from_pipes_or_without_a_limit(tmp_path: Path) -> None:
    (tmp_path / "run" / "in").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    root, plain = tmp_path / "run", tmp_path / "run" / "in" / "plain"
    plain.write_bytes(b"12")
    (root / "link").symlink_to(plain)
    (root / "folder").symlink_to(root / "in")
    os.mkfifo(root / "pipe")
    assert read_plain(plain, 2, root) == b"12" and is_plain(plain, root)
    with pytest.raises(OSError, match="larger"):
        read_plain(plain, 1, root)
    for odd in ("link", "folder/plain", "pipe", "in", "nothing"):
        assert not is_plain(root / odd, root)
        with pytest.raises(OSError):
            read_plain(root / odd, 2, root)


def test_a_relative_path_below_an_absolute_folder_is_inside_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs", "one")
    run.mkdir(parents=True)
    (run / "file").write_bytes(b"1")
    (run / "link").symlink_to("file")
    for root, inside in ((run, run.absolute()), (run.absolute(), run)):
        assert is_plain(inside / "file", root) and read_plain(inside / "file", 1, root) == b"1"
        assert not is_plain(inside / "link", root)
    assert not is_plain(tmp_path / "elsewhere", run)


def test_an_error_names_the_file_in_the_way_and_not_the_draft(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(OSError) as caught, atomic_file(tmp_path / "film.mp4"):
        pass
    assert caught.value.filename == str(tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == [tmp_path / "film.mp4"]


def test_a_draft_is_never_a_planted_file_and_never_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with pytest.raises(ValueError), atomic_file(path) as draft:
        assert draft.suffix == ".mp4" and draft.parent == tmp_path
        draft.write_text("half")
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_strange_folders_spoil_no_list(run: Run, tmp_path: Path) -> None:
    for number, kind in enumerate((os.mkfifo, os.mkdir)):
        folder = tmp_path / f"strange-{number}"
        folder.mkdir()
        kind(folder / "run.db")
    assert run.path in list_runs(tmp_path) and len(list_runs(tmp_path)) == 3
    with pytest.raises(UsageError, match="not an ordinary file"):
        RunReader.open(find_run("strange-0", tmp_path))
    with pytest.raises(UsageError, match="There is no run"):
        find_run("x" * 5000, tmp_path)


def test_a_plain_file_is_one_whichever_of_the_paths_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "policy.zip").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert is_plain(root / "policy.zip", Path("run"))
    assert is_plain(Path("run/policy.zip"), root)
    assert not is_plain(tmp_path / "other", Path("run"))


def test_a_named_output_takes_the_place_of_ordinary_files_alone(tmp_path: Path) -> None:
    require_replaceable(tmp_path / "new.html")
    (tmp_path / "old.html").write_text("")
    require_replaceable(tmp_path / "old.html")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "old.html")
    for odd in (Path(os.devnull), tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(OSError, match="is there"):
            require_replaceable(odd)
