"""What a run keeps of its language model, also one of an older schema."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import UNTO_SCHEMA_4

from eureka_agent.common.errors import UsageError
from eureka_agent.store import DraftRow, ExchangeRow, Run, RunReader, UsageRow
from eureka_agent.store.folder import DATABASE
from eureka_agent.store.schema import VERSION
from eureka_agent.store.writing import write_transcript

FINDINGS = [{"rule": "no-weights", "severity": "error", "line": 1}]
ANSWER: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Write."}],
    "reply": "Here.",
    "reasoning": "Hm.",
    "finish_reason": "stop",
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "estimated": True,
    "cost": 0.25,
    "seconds": 1.5,
}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "cartpole", goal="Swing up.", seed=1, config={}) as run:
        yield run


def reward_file(run: RunReader, candidate: int) -> str:
    return (run.candidate_folder(candidate) / "reward.py").read_text()


def test_a_question_and_its_answer_are_read_back(run: Run) -> None:
    run.add_exchange("designer", (2, 1, 0), **ANSWER)
    (row,) = run.exchanges(2, 1)
    place = {"role": "designer", "generation": 2, "slot": 1, "attempt": 0}
    assert row == ExchangeRow(id=1, time=row.time, **place, **ANSWER)
    assert row.estimated is True
    assert run.exchanges(1, 2) == []


def test_exchanges_of_a_candidate_stand_in_the_order_of_attempts(run: Run) -> None:
    for attempt in (2, 0, 1):
        run.add_exchange("repair", (0, 0, attempt), **ANSWER)
    assert [row.attempt for row in run.exchanges(0, 0)] == [0, 1, 2]


def test_a_place_is_answered_once(run: Run) -> None:
    run.add_exchange("designer", (0, 0, 0), **ANSWER)
    with pytest.raises(sqlite3.IntegrityError):
        run.add_exchange("designer", (0, 0, 0), **ANSWER | {"reply": "Other."})
    assert [row.reply for row in run.exchanges(0, 0)] == ["Here."]


def test_usage_is_summed_by_role_and_an_unknown_cost_stays_unknown(run: Run) -> None:
    assert run.usage() == []
    run.add_exchange("designer", (0, 0, 0), **ANSWER)
    run.add_exchange("designer", (0, 1, 0), **ANSWER)
    run.add_exchange("repair", (0, 0, 1), **ANSWER)
    run.add_exchange("repair", (0, 0, 2), **ANSWER | {"cost": None})
    assert run.usage() == [
        UsageRow("designer", 2, 200, 40, 0.5, 3.0),
        UsageRow("repair", 2, 200, 40, None, 3.0),
    ]


def test_a_revised_program_replaces_the_file_and_stays_as_a_draft(run: Run) -> None:
    candidate = run.add_candidate(0, 0, "first", designer="model", thought="1", lesson="Gate.")
    later = [{"rule": "cut-off"}]
    run.revise_candidate(candidate.id, "second", thought="2", sent_back=FINDINGS)
    row = run.revise_candidate(
        candidate.id, "third", thought="3", sent_back=later, findings=FINDINGS
    )
    assert (row.text, row.thought, row.lesson, row.state) == ("third", "3", "Gate.", "proposed")
    assert row.verdict == FINDINGS
    assert reward_file(run, candidate.id) == "third"
    assert run.drafts(candidate.id) == [
        DraftRow(candidate.id, 0, "first", FINDINGS),
        DraftRow(candidate.id, 1, "second", later),
    ]


def test_drafts_belong_to_their_candidate(run: Run) -> None:
    run.add_candidate(0, 0, "a", designer="model")
    run.add_candidate(0, 1, "b", designer="model")
    run.revise_candidate(2, "c", thought="", sent_back=[])
    assert run.drafts(1) == []
    assert [draft.text for draft in run.drafts(2)] == ["b"]


def test_a_candidate_that_is_not_there_cannot_be_revised(run: Run) -> None:
    with pytest.raises(UsageError, match="has no candidate 7"):
        run.revise_candidate(7, "x", thought="", sent_back=[])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a run with one candidate, as a program of schema version 1 left it."""
    with Run.create(tmp_path, "cartpole", goal="Swing up.", seed=1, config={}) as run:
        run.add_candidate(0, 0, "first", designer="offline", thought="Up.")
        run.set_verdict(1, [], accepted=True)
        run.set_result(1, fitness=3.5, own_return=1.0, checkpoint_step=64)
    connection = sqlite3.connect(run.path / DATABASE)
    connection.executescript(UNTO_SCHEMA_4)
    connection.executescript("""
        DROP TABLE drafts;
        DROP TABLE exchanges;
        DROP TABLE insights;
        DROP TABLE analyses;
        ALTER TABLE candidates DROP COLUMN twin;
        ALTER TABLE candidates DROP COLUMN lesson;
        ALTER TABLE candidates DROP COLUMN reflection;
        PRAGMA user_version = 1;
    """)
    connection.close()
    return run.path


def version(folder: Path) -> int:
    connection = sqlite3.connect(folder / DATABASE)
    try:
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_a_viewer_shows_an_old_run_and_leaves_its_file_as_it_is(old: Path) -> None:
    before = (old / DATABASE).read_bytes()
    with RunReader.open(old) as reader:
        (candidate,) = reader.candidates()
        assert (candidate.text, candidate.fitness) == ("first", 3.5)
        assert (candidate.lesson, candidate.reflection) == ("", "")
        assert reader.drafts(1) == []
        assert reader.exchanges(0, 0) == []
        assert reader.usage() == []
        assert reader.row().goal == "Swing up."
    assert (old / DATABASE).read_bytes() == before
    assert version(old) == 1


def test_opening_an_old_run_for_writing_brings_it_up_to_date(old: Path) -> None:
    with Run.open(old) as run:
        run.set_reflection(1, "It swings.")
        run.revise_candidate(1, "second", thought="", sent_back=FINDINGS)
        run.add_exchange("designer", (0, 0, 0), **ANSWER)
    assert version(old) == VERSION
    with Run.open(old) as run:
        row = run.candidate(1)
        assert (row.text, row.fitness, row.lesson, row.reflection) == (
            "second",
            3.5,
            "",
            "It swings.",
        )
        assert [draft.text for draft in run.drafts(1)] == ["first"]
        assert len(run.exchanges(0, 0)) == 1


def schema(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    connection = sqlite3.connect(folder / DATABASE)
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info({name})"))
            for (name,) in tables.fetchall()
        }
    finally:
        connection.close()


def test_an_old_run_brought_up_to_date_has_the_tables_of_a_new_one(old: Path, run: Run) -> None:
    Run.open(old).close()
    assert schema(old) == schema(run.path)


@pytest.mark.parametrize("kind", [Run, RunReader])
def test_the_run_of_a_newer_program_is_refused(run: Run, kind: type[RunReader]) -> None:
    connection = sqlite3.connect(run.path / DATABASE)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(UsageError, match="written by a newer eureka-agent") as caught:
        kind.open(run.path)
    assert caught.value.remedy == "Upgrade eureka-agent to look at it."
    assert version(run.path) == VERSION + 1


def answer(run: Run, attempt: int, reply: str, reasoning: str = "") -> None:
    run.add_exchange(
        "repair" if attempt else "designer",
        (0, 1, attempt),
        model="m",
        messages=[
            {"role": "system", "content": "You design.\n"},
            {"role": "user", "content": f"Question {attempt}, naïve?"},
        ],
        reply=reply,
        reasoning=reasoning,
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        estimated=False,
        cost=None,
        seconds=1.0,
    )


def test_each_question_and_answer_has_a_file_beside_the_program(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config={}) as run:
        answer(run, 0, "First.", reasoning="Hm.")
        answer(run, 1, "Second \ud800.")
        candidate = run.add_candidate(0, 1, "", designer="model")
        write_transcript(run, candidate)
        folder = run.candidate_folder(candidate.id)
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert files == {
        "prompt.md": "<!-- system -->\n\nYou design.\n\n<!-- user -->\n\nQuestion 0, naïve?\n",
        "reply.md": "<!-- reasoning -->\n\nHm.\n\n<!-- reply -->\n\nFirst.\n",
        "repair-1.prompt.md": (
            "<!-- system -->\n\nYou design.\n\n<!-- user -->\n\nQuestion 1, naïve?\n"
        ),
        "repair-1.reply.md": "<!-- reply -->\n\nSecond \\ud800.\n",
    }


def test_a_candidate_without_exchanges_has_no_transcript(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="", seed=0, config={}) as run:
        candidate = run.add_candidate(0, 0, "", designer="offline")
        answer(run, 0, "About slot 1.")
        write_transcript(run, candidate)
        assert [path.name for path in run.candidate_folder(candidate.id).iterdir()] == ["reward.py"]
