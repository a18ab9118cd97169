"""Views show how policies fail and what programs pay, also in part or written by strangers."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from views.synthetic import FAILURES, large_run

from eureka_agent.store import Run, RunReader
from eureka_agent.views.documents import (
    candidate_document,
    exchange_name,
    failure_shares,
    run_document,
)
from eureka_agent.views.terminal.candidate import analysis_sections, show_candidate

HOSTILE = "\x1b[2J[bold]name\u202e"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    with large_run(tmp_path_factory.mktemp("runs"), 8, 4) as run:
        return RunReader.open(run.path)


def drawn(*parts: Any, width: int = 100) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(*parts)
    return captured.get()


def test_a_candidate_shows_its_failures_and_its_reward_profile(run: RunReader) -> None:
    text = drawn(show_candidate(run, 1))
    assert "Of its 4 episodes 2 failed. How, by rules:" in text
    assert "fell      50 %        120  forward 0.900" in text
    assert "No rule fits 1 of them." in text
    assert "over torso_velocity[:, 0], 0.000 to 3.075 m/s" in text
    assert "forward    random  -1.000   0.000  1.000" in text
    assert "           own      0.500   1.500  2.500" in text


def test_a_candidate_without_an_analysis_shows_none(run: RunReader) -> None:
    document = candidate_document(run, 3)
    assert document["state"] == "rejected"
    assert (document["failures"], document["lens"], document["opinion"]) == ({}, {}, {})
    assert "How its episodes fail" not in drawn(show_candidate(run, 3))


def test_documents_have_all_of_a_candidate_and_shares_of_a_generation(run: RunReader) -> None:
    document = candidate_document(run, 1)
    assert document["failures"] == FAILURES
    assert [len(view["swept"]) for view in document["lens"]["views"]] == [1, 1, 2]
    generations = run_document(run)["generations"]
    assert [row["failures"] for row in generations] == [{"fell": 0.25}] * 2


def test_shares_count_the_episodes_that_were_looked_at() -> None:
    def found(episodes: int, failed: int, **shares: float) -> dict[str, Any]:
        types = [{"kind": kind, "share": share} for kind, share in shares.items()]
        return {"episodes": episodes, "failed": failed, "types": types}

    rows = [found(4, 2, fell=1.0), found(4, 0, fell=0.5, idle=0.25), found(4, 4), {}]
    assert failure_shares(rows) == {"fell": 4 / 12, "idle": 1 / 12}
    assert failure_shares([{}]) == failure_shares([]) == {}


def test_foreign_text_cannot_control_the_terminal(tmp_path: Path) -> None:
    types = [FAILURES["types"][0] | {"components": {HOSTILE: 1.0}}]  # type: ignore[index]
    failures = FAILURES | {"types": types, "lines": [HOSTILE], "progress": HOSTILE}
    view = {
        "swept": [{"name": HOSTILE, "unit": HOSTILE}],
        "grids": [[0.0, 1.0]],
        "total": [0.0, 1.0],
        "components": {HOSTILE: [0.0, 1.0]},
    }
    lens = {"views": [view], "spreads": {HOSTILE: {HOSTILE: [0.0, 1.0, 2.0]}}}
    text = drawn(*analysis_sections(failures, lens, {"lines": [HOSTILE]}))
    assert "\x1b" not in text and "\u202e" not in text
    assert "[bold]name" in text


def test_sections_fit_a_narrow_terminal(run: RunReader) -> None:
    known = run.analysis(1)
    assert known is not None
    parts = analysis_sections(known.failures, known.lens, {"lines": ["A model's opinion: none."]})
    lines = drawn(*parts, width=60).splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert any("What the analyst says" in line for line in lines)


def test_names_are_cut_before_numbers() -> None:
    name = "a_component_with_a_rather_long_name"
    curve = [1000.125 + i for i in range(26)]
    view = {"swept": [{"name": "speed", "unit": "m/s"}], "grids": [[0.0, 1.0]], "total": curve}
    view["components"] = {name: curve}
    lens = {"views": [view], "spreads": {name: {"random": [-1111.1, 0.0125, 2222.2]}}}
    text = drawn(*analysis_sections({}, lens, {}), width=60)
    assert text.count("1,000 to 1,025") == 2
    (row,) = (line.split() for line in text.splitlines() if "random" in line)
    assert row[-3:] == ["-1,111", "0.013", "2,222"]
    assert name not in text and "a_component" in text


def test_a_reward_that_stays_the_same_is_no_curve() -> None:
    view = {"swept": [{"name": "speed", "unit": "m/s"}], "grids": [[0.0, 1.0]]}
    view |= {"total": [2.5, 2.5], "components": {"alive": [2.5, 2.5]}}
    text = drawn(*analysis_sections({}, {"views": [view]}, {}))
    assert "reward  the same throughout  2.500" in text
    assert "alive" not in text


def test_exchanges_are_named_by_their_role() -> None:
    names = [exchange_name("designer", 0), exchange_name("repair", 2)]
    names += [
        exchange_name("reviewer", 0),
        exchange_name("reviewer", 3),
        exchange_name("analyst", 1),
    ]
    assert names == [
        "First program",
        "Repair 2",
        "Review 1",
        "Review 2, asked again",
        "Analyst, asked again",
    ]


def test_exchanges_of_all_roles_are_shown_in_the_order_of_time(tmp_path: Path) -> None:
    answer: dict[str, Any] = {"model": "m", "messages": [], "reply": "", "reasoning": ""}
    answer |= {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1}
    answer |= {"estimated": False, "cost": None, "seconds": 1.0}
    with Run.create(tmp_path, "cartpole", goal="Up.", seed=0, config={}) as run:
        run.add_candidate(0, 0, "x", designer="openai")
        for role in ("designer", "reviewer", "analyst"):
            run.add_exchange(role, (0, 0, 0), **answer)
        text = drawn(show_candidate(run, 1))
    places = [text.index(name) for name in ("First program by", "Review 1 by", "Analyst by")]
    assert places == sorted(places)
