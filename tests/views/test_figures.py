"""The plots show what the run's documents hold."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from views.synthetic import BASELINES, large_run

from eureka_agent.store import RewardComparisonRow, RunReader
from eureka_agent.views.documents import candidate_document, run_document
from eureka_agent.views.html import figures
from eureka_agent.views.html.analysis_figures import (
    analysis_plots,
    failures_figure,
    profile_figures,
)
from eureka_agent.views.html.figures import ancestors, label, outcome
from eureka_agent.views.snapshot import RunSnapshot

WINNER = 58
"""Of the synthetic run with 64 candidates."""
GENERATIONS = [
    {"generation": 0, "failures": {"fell": 0.75, "idle": 0.25}},
    {"generation": 1, "failures": {}},
    {"generation": 2, "failures": {"fell": 0.5}},
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    return large_run(tmp_path_factory.mktemp("runs"), 64)


@pytest.fixture(scope="module")
def document(reader: RunReader) -> dict[str, Any]:
    return run_document(reader)


def comparison(reader: RunReader) -> figures.Figure:
    return figures.comparison_figure(RunSnapshot(reader))


def named(figure: dict[str, Any], name: str) -> dict[str, Any]:
    """The first trace of that name."""
    return next(trace for trace in figure["data"] if trace["name"] == name)


def test_every_candidate_with_a_fitness_is_a_point_at_it(document: dict[str, Any]) -> None:
    trace = named(figures.generations_figure(document, None), "candidates")
    shown = zip(trace["customdata"], trace["x"], trace["y"], strict=True)
    found = {number: (round(x), y) for number, x, y in shown}
    rows = [row for row in document["candidates"] if row["fitness"] is not None]
    assert found == {
        row["id"]: (row["generation"], pytest.approx(row["fitness"], rel=1e-5)) for row in rows
    }


def test_candidates_without_a_fitness_stand_apart_by_their_state(document: dict[str, Any]) -> None:
    trace = named(figures.generations_figure(document, None), "without a fitness")
    shown = dict(zip(trace["customdata"], trace["y"], strict=True))
    rows = document["candidates"]
    assert shown == {row["id"]: row["state"] for row in rows if row["fitness"] is None}
    assert trace["yaxis"] == "y2"


def test_the_best_so_far_never_falls_and_ends_at_the_winner(document: dict[str, Any]) -> None:
    best = named(figures.generations_figure(document, None), "best so far")["y"]
    assert best == sorted(best)
    star = named(figures.generations_figure(document, None), "winner")
    assert star["customdata"] == [WINNER]
    assert star["y"][0] == best[-1]


def test_a_later_generation_that_is_worse_does_not_lower_the_best_so_far() -> None:
    best = ((0, 3.0), (1, 1.0), (2, None), (3, 4.0))
    generations = [{"generation": g, "best": b, "mean": b} for g, b in best]
    document = {"candidates": [], "generations": generations, "best": None}
    trace = named(figures.generations_figure(document, None), "best so far")
    assert (trace["x"], trace["y"]) == ([0, 1, 3], [3.0, 3.0, 4.0])


def test_the_human_reward_is_a_line_at_its_fitness(document: dict[str, Any]) -> None:
    trace = named(figures.generations_figure(document, 6.1), "human reward")
    assert trace["y"] == [6.1, 6.1]


def test_the_comparison_shows_means_intervals_and_each_training_run(
    reader: RunReader, document: dict[str, Any]
) -> None:
    figure = comparison(reader)
    entry = document["comparison"]["human"]
    low, high = entry["interval"]
    mean, each = [trace for trace in figure["data"] if trace["name"] == "human reward"]
    assert mean["x"] == pytest.approx([entry["mean"]])
    assert mean["x"][0] - mean["error_x"]["arrayminus"][0] == pytest.approx(low)
    assert mean["x"][0] + mean["error_x"]["array"][0] == pytest.approx(high)
    assert each["x"] == pytest.approx([BASELINES["human"], BASELINES["human"] + 0.2])


def test_one_training_run_has_no_interval(reader: RunReader, document: dict[str, Any]) -> None:
    (trace,) = (t for t in comparison(reader)["data"] if t["name"] == "winner")
    assert not trace["error_x"]["visible"]


def test_lineage_joins_every_candidate_to_its_parents(document: dict[str, Any]) -> None:
    figure = figures.lineage_figure(document)
    lines = named(figure, "descent")
    ends = zip(lines["x"][::3], lines["y"][::3], lines["x"][1::3], lines["y"][1::3], strict=True)
    by_id = {row["id"]: (row["generation"], row["slot"] + 1) for row in document["candidates"]}
    pairs = [(p, row["id"]) for row in document["candidates"] for p in row["parents"]]
    assert list(ends) == [(*by_id[parent], *by_id[child]) for parent, child in pairs]
    ancestry = named(figure, "the winner's")
    assert ancestry["x"] == [0, 1, None, 1, 2, None, 2, 3, None]
    assert ancestors({row["id"]: row for row in document["candidates"]}, WINNER) == {10, 26, 42, 58}


def test_ancestors_are_found_in_a_circle_and_without_a_candidate() -> None:
    rows = {1: {"parents": (2,)}, 2: {"parents": (1, 9)}}
    assert ancestors(rows, 1) == {1, 2}
    assert ancestors(rows, None) == set()


def test_component_and_fitness_curves_hold_the_evaluations(reader: RunReader) -> None:
    (training,) = candidate_document(reader, WINNER)["trainings"]
    evaluations = training["evaluations"]
    steps = [row["step"] for row in evaluations]
    trace = named(figures.components_figure(evaluations), "forward")
    assert trace["x"] == steps
    assert trace["y"] == [row["components"]["forward"]["mean"] for row in evaluations]
    trace = named(figures.training_figure([training], []), "in the search")
    assert trace["x"] == steps
    assert trace["y"] == pytest.approx([row["fitness"] for row in evaluations], rel=1e-5)


def test_a_component_that_appears_late_has_a_gap_before() -> None:
    rows = [
        {"step": 1, "components": {"a": {"mean": 1.0}}},
        {"step": 2, "components": {"a": {"mean": None}, "b": {"mean": 3.0}}},
    ]
    figure = figures.components_figure(rows)
    assert named(figure, "a")["y"] == [1.0, None]
    assert named(figure, "b")["y"] == [None, 3.0]


def test_outcomes_are_counted_by_generation_and_reason(document: dict[str, Any]) -> None:
    figure = figures.outcomes_figure(document)
    assert {trace["name"]: trace["y"] for trace in figure["data"]} == {
        "trained": [14] * 4,
        "rejected: unknown-name": [1] * 4,
        "failed: RewardFailed": [1] * 4,
    }


def test_rare_outcomes_are_counted_together() -> None:
    reasons = ["frequent", "frequent"] + [f"rare-{i}" for i in range(20)]
    rows = [
        {"generation": 0, "state": "failed", "failure": f"{why}: x", "verdict": []}
        for why in reasons
    ]
    figure = figures.outcomes_figure(
        {"candidates": rows, "generations": [{"generation": 0, "candidates": len(rows)}]}
    )
    assert sum(trace["y"][0] for trace in figure["data"]) == len(rows)
    assert figure["data"][-1]["name"] == figures.OTHERS


@pytest.mark.parametrize("failure", [None, "", "\n"])
def test_an_outcome_without_a_reason_still_has_a_name(failure: str | None) -> None:
    row = {"state": "failed", "failure": failure, "verdict": []}
    assert outcome(row) == "failed: no reason named"


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    assert label('<a href="x">b</a> & c\n') == '&lt;a href="x"&gt;b&lt;/a&gt; &amp; c'
    assert len(label("x" * 500)) == 60


def reward_comparison(**values: Any) -> RewardComparisonRow:
    empty = {"distances": {}, "matrix": {}, "peers": {}, "alarms": [], "said": []}
    return RewardComparisonRow(generation=0, **{**empty, **values})


def test_the_matrix_and_the_distances_are_drawn_where_the_run_has_them() -> None:
    matrix = {
        "programs": [1, 2],
        "policies": [
            {"candidate": 1, "step": 100, "kind": "shipped"},
            {"candidate": 2, "step": 100, "kind": "shipped"},
        ],
        "z": [[1.0, -0.5], [None, 2.0]],
    }
    distances = {"candidates": [1, 2], "matrix": [[0.0, 0.4], [0.4, 0.0]], "human": [0.2, None]}
    first, second = analysis_plots(
        reward_comparison(matrix=matrix, distances=distances, said=["#2 may exploit."])
    )
    assert first.figure["data"][0]["z"] == matrix["z"]
    assert first.conclusions == ("#2 may exploit.",)
    assert second.figure["data"][0]["z"] == [[0.0, 0.4], [0.4, 0.0], [0.2, None]]
    assert second.figure["data"][0]["y"] == ["#1", "#2", "human reward"]


def test_without_a_reward_comparison_nothing_is_drawn() -> None:
    assert analysis_plots(None) == []
    assert analysis_plots(reward_comparison()) == []
    assert analysis_plots(reward_comparison(matrix={"programs": [], "policies": [], "z": []})) == []


def test_failure_types_are_drawn_by_generation_the_most_frequent_first() -> None:
    first, second = failures_figure(GENERATIONS)["data"]
    assert (first["name"], first["x"], first["y"]) == ("fell", [0, 1, 2], [75.0, 0.0, 50.0])
    assert (second["name"], second["y"]) == ("idle", [25.0, 0.0, 0.0])


def test_where_no_failure_is_known_nothing_is_drawn() -> None:
    assert analysis_plots(None, [{"generation": 0, "failures": {}}]) == []
    assert [found.key for found in analysis_plots(None, GENERATIONS)] == ["failures"]


def test_a_sweep_of_one_is_drawn_as_lines_and_of_two_as_colours(reader: RunReader) -> None:
    known = reader.analysis(1)
    assert known is not None
    drawn = profile_figures(known.lens)
    assert list(drawn) == ["lens-0", "lens-1", "lens-2"]
    lines = drawn["lens-0"]
    assert [trace["name"] for trace in lines["data"]] == ["reward", "a", "b", "c", "d", "e"]
    assert lines["layout"]["xaxis"]["title"]["text"] == "torso_velocity[:, 0] (m/s)"
    (grid,) = drawn["lens-2"]["data"]
    total = known.lens["views"][2]["total"]
    assert grid["z"][3][5] == total[5][3]  # the first quantity lies along x
    assert profile_figures({}) == {}


def test_plotly_knows_every_figure(reader: RunReader, document: dict[str, Any]) -> None:
    trainings = candidate_document(reader, WINNER)["trainings"]
    drawn = [
        comparison(reader),
        figures.generations_figure(document, 6.1),
        figures.lineage_figure(document),
        figures.outcomes_figure(document),
        figures.training_figure(trainings, trainings),
        figures.components_figure(trainings[0]["evaluations"]),
    ]
    known = {"candidates": [1], "matrix": [[0.0]], "human": None}
    drawn += [found.figure for found in analysis_plots(reward_comparison(distances=known))]
    for figure in drawn:
        go.Figure(figure)  # raises at a property that Plotly does not have


def test_an_empty_run_has_nothing_to_compare(tmp_path: Path) -> None:
    with large_run(tmp_path, 0) as run:
        figure = figures.generations_figure(run_document(run), None)
    assert all(not trace["x"] for trace in figure["data"])
