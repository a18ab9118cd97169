"""The report draws how policies fail and what programs pay, and leaves out what is not known."""

from pathlib import Path

import pytest
from views.pages import Page, packed
from views.synthetic import large_run

from eureka_agent.store import Run, RunReader
from eureka_agent.views.html.analysis_figures import (
    analysis_plots,
    failures_figure,
    profile_figures,
)
from eureka_agent.views.html.page import report_page

GENERATIONS = [
    {"generation": 0, "failures": {"fell": 0.75, "idle": 0.25}},
    {"generation": 1, "failures": {}},
    {"generation": 2, "failures": {"fell": 0.5}},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    with large_run(tmp_path_factory.mktemp("runs"), 8, 4) as run:
        return RunReader.open(run.path)


def test_failure_types_are_drawn_by_generation_the_most_frequent_first() -> None:
    first, second = failures_figure(GENERATIONS)["data"]
    assert (first["name"], first["x"], first["y"]) == ("fell", [0, 1, 2], [75.0, 0.0, 50.0])
    assert (second["name"], second["y"]) == ("idle", [25.0, 0.0, 0.0])


def test_where_no_failure_is_known_nothing_is_drawn() -> None:
    assert analysis_plots(None, [{"generation": 0, "failures": {}}]) == []
    assert [found.key for found in analysis_plots(None, GENERATIONS)] == ["failures"]


def test_a_sweep_of_one_is_drawn_as_lines_and_of_two_as_colours(run: RunReader) -> None:
    known = run.analysis(1)
    assert known is not None
    figures = profile_figures(known.lens)
    assert list(figures) == ["lens-0", "lens-1", "lens-2"]
    lines = figures["lens-0"]
    assert [trace["name"] for trace in lines["data"]] == ["reward", "a", "b", "c", "d", "e"]
    assert lines["layout"]["xaxis"]["title"]["text"] == "torso_velocity[:, 0] (m/s)"
    (grid,) = figures["lens-2"]["data"]
    total = known.lens["views"][2]["total"]
    assert grid["z"][3][5] == total[5][3]  # the first quantity lies along x
    assert profile_figures({}) == {}


def test_the_page_has_failures_and_lens_of_the_run_and_of_each_candidate(run: RunReader) -> None:
    html = report_page(run)
    plots = [attributes.get("data-plot") for tag, attributes in Page(html).tags if tag == "div"]
    assert {"failures", "winner-lens-0", "winner-lens-2"} <= set(plots)
    data = packed(html)
    assert "failures" in data["plots"]
    opened = Page(data["candidates"]["1"]["html"])
    assert "Fell: 1 of 2, from about step 120." in opened.text
    assert {"lens-0", "lens-1", "lens-2"} <= set(data["candidates"]["1"]["plots"])
    rejected = Page(data["candidates"]["3"]["html"])
    assert "How its episodes fail" not in rejected.text


def test_a_run_in_which_nothing_was_analysed_has_a_report(tmp_path: Path) -> None:
    with Run.create(tmp_path, "cartpole", goal="Up.", seed=0, config={}) as run:
        run.add_candidate(0, 0, "x", designer="offline")
        run.set_verdict(1, [], accepted=True)
        run.set_result(1, fitness=1.0, own_return=1.0, checkpoint_step=1)
        run.set_best(1)
        run.add_analysis(1)
        text = Page(report_page(run)).text
    assert "How policies fail" not in text and "What the winner's reward pays" not in text
