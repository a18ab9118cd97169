"""A run keeps what its programs think of each other, also one of an older schema."""

import sqlite3
from typing import Any

from support import UNTO_SCHEMA_4

from eureka_agent.store import Run, RunReader
from eureka_agent.store.folder import DATABASE
from eureka_agent.store.schema import VERSION

KNOWN: dict[str, Any] = {
    "distances": {"candidates": [1, 2], "matrix": [[0.0, 0.5], [0.5, 0.0]], "human": None},
    "matrix": {"programs": [1], "policies": [{"candidate": 1, "step": 9}], "z": [[1.5]]},
    "peers": {"1": 0.75, "2": None},
    "alarms": [],
    "said": ["#2 asks for the contrary of #1."],
}


def test_what_is_known_is_read_back_by_generation_and_the_latest_first(run: Run) -> None:
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
