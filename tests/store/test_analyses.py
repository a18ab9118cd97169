"""What a run keeps of its policies and of its rewards beside each other, also an older run."""

import sqlite3
from typing import Any

import pytest
from store.test_conversations import ANSWER
from support import UNTO_SCHEMA_4

from eureka_agent.store import AnalysisRow, Run, RunReader
from eureka_agent.store.folder import DATABASE
from eureka_agent.store.schema import VERSION

FAILURES: dict[str, Any] = {
    "episodes": 4,
    "failed": 3,
    "untyped": 1,
    "progress": "the way along place",
    "types": [{"kind": "fell", "share": 0.5, "step": 12, "sentence": "Fell.", "components": {}}],
    "lines": ["3 failed episodes."],
}


def test_an_analysis_is_read_back(run: Run) -> None:
    assert run.analysis(2) is None
    run.add_analysis(2, failures=FAILURES, lens={"lines": ["It rises."]})
    known = AnalysisRow(2, FAILURES, {"lines": ["It rises."]}, {})
    assert run.analysis(2) == known
    assert run.analyses() == [known]


def test_a_candidate_is_analysed_once(run: Run) -> None:
    run.add_analysis(1, failures=FAILURES)
    with pytest.raises(sqlite3.IntegrityError):
        run.add_analysis(1)
    assert [row.failures for row in run.analyses()] == [FAILURES]


def test_each_role_has_places_of_its_own(run: Run) -> None:
    for role in ("designer", "reviewer", "analyst"):
        run.add_exchange(role, (0, 0, 0), **ANSWER | {"reply": role})
    run.add_exchange("repair", (0, 0, 1), **ANSWER | {"reply": "repair"})
    assert [row.reply for row in run.exchanges(0, 0)] == ["designer", "repair"]
    assert [row.reply for row in run.exchanges(0, 0, "reviewer")] == ["reviewer"]
    everything = ["designer", "reviewer", "analyst", "repair"]
    assert [row.reply for row in run.exchanges_about(0, 0)] == everything
    with pytest.raises(sqlite3.IntegrityError):
        run.add_exchange("reviewer", (0, 0, 0), **ANSWER)


OLD_EXCHANGES = """
    DROP TABLE analyses;
    ALTER TABLE insights DROP COLUMN reviews;
    DROP TABLE exchanges;
    CREATE TABLE exchanges (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, role TEXT NOT NULL,
        generation INTEGER NOT NULL, slot INTEGER NOT NULL, attempt INTEGER NOT NULL,
        model TEXT NOT NULL, messages TEXT NOT NULL, reply TEXT NOT NULL, reasoning TEXT NOT NULL,
        finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL, cost REAL,
        seconds REAL NOT NULL, UNIQUE (generation, slot, attempt)
    );
    PRAGMA user_version = 3;
"""


def test_a_run_of_schema_3_keeps_its_exchanges_and_takes_those_of_new_roles(run: Run) -> None:
    run.close()
    connection = sqlite3.connect(run.path / DATABASE)
    connection.executescript(UNTO_SCHEMA_4)
    connection.executescript(OLD_EXCHANGES)
    connection.execute(
        "INSERT INTO exchanges VALUES "
        "(7, 1.0, 'designer', 0, 0, 0, 'm', '[]', 'Here.', '', 'stop', 1, 2, 0, NULL, 3.0)"
    )
    connection.commit()
    connection.close()
    before = (run.path / DATABASE).read_bytes()
    with RunReader.open(run.path) as reader:
        assert [row.id for row in reader.exchanges(0, 0)] == [7]
        assert reader.analysis(1) is None
    assert (run.path / DATABASE).read_bytes() == before
    with Run.open(run.path) as again:
        again.add_exchange("reviewer", (0, 0, 0), **ANSWER)
        assert [row.id for row in again.exchanges_about(0, 0)] == [7, 8]
        again.add_reward_comparison(0, distances={}, matrix={}, peers={}, alarms=[], said=[])
        assert [again.reward_comparison(0).reviews, again.analyses()] == [{}, []]  # type: ignore[union-attr]


def test_the_parts_of_a_reflection_are_read_in_their_order_and_can_be_taken_back(run: Run) -> None:
    run.set_reflection(1, "It equals #2.", "comparison")
    run.set_reflection(1, "It fell.", "failures")
    run.set_reflection(1, "It trained.")
    assert run.candidate(1).reflection == "It trained.\nIt fell.\nIt equals #2."
    run.set_reflection(1, "", "failures")
    assert run.candidate(1).reflections == {
        "comparison": "It equals #2.",
        "training": "It trained.",
    }


def test_the_reflection_of_a_run_of_schema_5_is_read_whole(run: Run) -> None:
    run.close()
    connection = sqlite3.connect(run.path / DATABASE)
    connection.executescript(
        "ALTER TABLE candidates DROP COLUMN reflections; "
        "UPDATE candidates SET reflection = 'It trained.\nIt fell.' WHERE id = 1; "
        "PRAGMA user_version = 5;"
    )
    connection.close()
    with RunReader.open(run.path) as reader:
        assert [row.reflection for row in reader.candidates()] == ["It trained.\nIt fell.", ""]
    with Run.open(run.path) as again:
        again.set_reflection(1, "It shook.", "analyst")
        assert again.candidate(1).reflection == "It trained.\nIt fell.\nIt shook."


KNOWN: dict[str, Any] = {
    "distances": {"candidates": [1, 2], "matrix": [[0.0, 0.5], [0.5, 0.0]], "human": None},
    "matrix": {"programs": [1], "policies": [{"candidate": 1, "step": 9}], "z": [[1.5]]},
    "peers": {"1": 0.75, "2": None},
    "alarms": [],
    "said": ["#2 asks for the contrary of #1."],
}


def test_a_comparison_is_read_back_by_generation_or_the_last_one(run: Run) -> None:
    assert run.reward_comparison() is None
    run.add_reward_comparison(0, **KNOWN)
    run.add_reward_comparison(1, **KNOWN | {"said": []})
    first, latest = run.reward_comparison(0), run.reward_comparison()
    assert first is not None and latest is not None
    assert {name: getattr(first, name) for name in KNOWN} == KNOWN
    assert (latest.generation, latest.said) == (1, [])
    assert run.reward_comparison(2) is None


def test_a_distance_that_is_not_known_is_none(run: Run) -> None:
    unknown = {"candidates": [1], "matrix": [[float("nan")]], "human": [float("nan")]}
    run.add_reward_comparison(0, **KNOWN | {"distances": unknown})
    known = run.reward_comparison()
    assert known is not None
    assert known.distances == {"candidates": [1], "matrix": [[None]], "human": [None]}


def test_a_rejected_candidate_keeps_its_twin_until_it_is_cleared(run: Run) -> None:
    run.set_verdict(1, [], accepted=True)
    run.set_verdict(2, [], accepted=False, failure="equal", twin=1)
    assert [row.twin for row in run.candidates()] == [None, 1]
    run.clear_twin(2)
    assert [row.twin for row in run.candidates()] == [None, None]


def test_a_run_of_schema_2_is_read_as_it_is_and_brought_up_to_date_for_writing(run: Run) -> None:
    run.close()
    path = run.path / DATABASE
    connection = sqlite3.connect(path)
    connection.executescript(UNTO_SCHEMA_4)
    connection.executescript(
        "DROP TABLE insights; DROP TABLE analyses; "
        "ALTER TABLE candidates DROP COLUMN twin; PRAGMA user_version = 2;"
    )
    connection.close()
    before = path.read_bytes()
    with RunReader.open(run.path) as reader:
        assert reader.reward_comparison() is None
        assert [row.twin for row in reader.candidates()] == [None, None]
    assert path.read_bytes() == before
    with Run.open(run.path) as again:
        again.add_reward_comparison(0, **KNOWN)
        assert again.reward_comparison() is not None
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
    connection.close()
