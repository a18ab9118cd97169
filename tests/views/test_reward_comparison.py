"""`show` says in a few lines what the rewards of a run say about each other."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eureka_agent.store import Run
from eureka_agent.views.documents import run_document
from eureka_agent.views.terminal.run import MOST_SAID, final_summary, show_run

SAID = [f"Sentence {number}." for number in range(MOST_SAID + 2)]


def known(run: Run, **changes: Any) -> None:
    values: dict[str, Any] = {
        "distances": {"candidates": [1, 2], "matrix": [[0.0, None]] * 2, "human": [0.25, None]},
        "matrix": {"programs": [1], "policies": [], "z": []},
        "peers": {"1": 0.75},
        "alarms": [],
        "said": SAID,
    }
    run.add_reward_comparison(0, **values | changes)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path, "cartpole", goal="Up.", seed=0, config={"rank_by": "peers"})
    for slot in range(2):
        run.add_candidate(0, slot, "text", designer="test")
    run.set_result(1, fitness=1.0, own_return=1.0, checkpoint_step=1)
    run.set_best(1)
    return run


def drawn(thing: Any) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(thing)
    return " ".join(console.export_text().split())


def test_before_a_comparison_nothing_is_shown(run: Run) -> None:
    document = run_document(run)
    names = ("distances", "matrix", "peers", "alarms", "said")
    assert [document[name] for name in names] == [None] * 5
    assert "What the rewards say" not in drawn(show_run(run))


def test_a_comparison_is_in_the_document_and_in_few_lines(run: Run) -> None:
    known(run)
    document = run_document(run)
    assert json.loads(json.dumps(document))["peers"] == {"1": 0.75}
    assert document["said"] == SAID
    for text in (drawn(show_run(run)), drawn(final_summary(run))):
        assert SAID[0] in text
        assert SAID[-1] not in text
        assert "2 more with --json" in text
        assert "distance of 0.250 from the human reward" in text
        assert "rank by these comparisons" in text


def test_without_a_human_reward_no_distance_to_it_is_shown(run: Run) -> None:
    known(run, distances={"candidates": [1], "matrix": [[0.0]], "human": None})
    assert "human reward:" not in drawn(show_run(run))


def test_foreign_words_cannot_break_out_of_their_line(run: Run) -> None:
    known(run, said=["\x1b[31m[bold]red[/bold]\nnext"])
    text = drawn(show_run(run))
    assert "\x1b" not in text
    assert "[bold]red[/bold]" in text
