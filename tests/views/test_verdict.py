"""The result of a run in one sentence, and why its winner won: in the same words everywhere."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from eureka_agent.store import Run, ranking
from eureka_agent.store.rows import Role
from eureka_agent.views.dashboard.pages import run_summary
from eureka_agent.views.dashboard.source import Source
from eureka_agent.views.documents import (
    candidate_document,
    comparison_document,
    run_document,
)
from eureka_agent.views.snapshot import RunSnapshot
from eureka_agent.views.terminal.candidate import show_candidate
from eureka_agent.views.terminal.run import final_summary, runs_table, show_run
from eureka_agent.views.terminal.run_comparison import comparison_view

UNTRAINED = 0.016


def draw(view: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


class Made:
    """A finished search with given results.

    Args:
        folder: where runs are kept.
        fitness: of each candidate on its first seed; None where it failed.
        progress: of each candidate.
        config: settings of the search.
    """

    def __init__(
        self,
        folder: Path,
        fitness: Sequence[float | None],
        progress: Sequence[float | None] = (None,) * 9,
        **config: Any,
    ) -> None:
        settings = {"ranking_episodes": 4, "rank_by": "fitness", **config}
        self.run = Run.create(folder, "somewhere", goal="Spin.", seed=0, config=settings)
        for slot, (value, near) in enumerate(zip(fitness, progress, strict=False)):
            row = self.run.add_candidate(0, slot, f"text {slot}", designer="test")
            self.train("candidate", [value], row.id, near=near, reported=False)
            if value is None:
                self.run.set_failure(row.id, "broke")
            else:
                result = {"own_return": 0.0, "checkpoint_step": 1}
                self.run.set_result(row.id, fitness=value, progress=near, **result)
        self.run.set_status("finished")
        self.choose()

    def choose(self) -> None:
        """Ship what ranks first."""
        ranked = ranking(self.run)
        if ranked:
            self.run.set_best(ranked[0].row.id)

    def train(
        self,
        role: Role,
        values: Sequence[float | None],
        candidate: int | None = None,
        *,
        near: float | None = None,
        reported: bool = True,
    ) -> "Made":
        """Training runs on seeds of their own; None for one that failed."""
        begun = len(self.run.trainings())
        for seed, value in enumerate(values, begun):
            training = self.run.add_training(role, seed, steps_total=1, candidate=candidate)
            if value is None:
                self.run.fail_training(training.id, "broke")
                continue
            result = {"own_return": 0.0, "checkpoint_step": 1, "progress": near}
            self.run.finish_training(training.id, ranking_fitness=value, **result)
            if reported:
                self.run.set_reporting(training.id, value)
        return self

    @property
    def document(self) -> dict[str, Any]:
        document = run_document(self.run)
        json.dumps(document, allow_nan=False)
        return document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def searched(folder: Path, fitness: Sequence[float | None], **measure: Any) -> Made:
    """A finished search with a known result of no training."""
    made = Made(folder, fitness)
    made.run.set_measure(**{"untrained": UNTRAINED, "range": [None, None], **measure})
    return made


def test_a_search_in_which_nothing_beats_no_training_solved_nothing(folder: Path) -> None:
    made = searched(folder, [0.0, 0.0, 0.0])
    made.train("human", [0.3, 0.2, 0.214]).train("fitness", [0.0, 0.0, 0.0])
    document = made.document
    sentence = "No reward solved the task: nothing did better than untrained policies (0.016)."
    assert (document["verdict"], document["solved"]) == (sentence, False)
    advice = " ".join(document["advice"])
    assert "the human reward reaches 0.238, so the task can be learned" in advice
    assert "Add progress(<signals>)" in advice
    assert document["best"]["why"] == (
        "the same ranking fitness as #2 and #3 (0.000); nothing distinguishes them, and it was "
        "written first"
    )


def test_every_view_begins_with_the_same_sentence(folder: Path) -> None:
    made = searched(folder, [0.1, 0.9])
    made.run.set_sandbox("full: everything holds")
    made.train("winner", [0.8, 0.9, 0.85], 2).train("human", [0.1, 0.2, 0.15])
    sentence = made.document["verdict"]
    assert sentence.startswith("Candidate 2 reaches 0.850, expected on a fresh seed: better than")
    source = Source(made.run.path)
    source.look()
    assert source.overview is not None
    other = searched(folder / "other", [0.0]).run
    compared = comparison_document([made.run.path, other.path])
    assert compared["runs"][0]["verdict"] == sentence
    views = {
        "show": show_run(made.run),
        "search": final_summary(made.run),
        "watch": run_summary(source, source.overview),
        "compare": comparison_view(compared, 200),
    }
    for name, view in views.items():
        assert sentence in draw(view, 200), name
    shown = draw(show_run(made.run), 200)
    assert shown.index(sentence) < shown.index("Best reward") < shown.index("Isolation")
    source.close()


@pytest.mark.parametrize(
    ("winner", "human", "said"),
    [
        ([0.8, 0.9, 1.0], [0.1, 0.2, 0.1], "better than the human reward (0.133)"),
        ([0.2, 0.2, 0.3], [0.8, 0.9, 1.0], "worse than the human reward (0.900)"),
        ([0.9, 0.9, 0.91], [0.9, 0.91, 0.9], "as good as the human reward (0.903)"),
        (
            [0.8, 0.9, 1.0],
            [0.9, 0.7, 0.2],
            "too few training runs to say whether it beats the human",
        ),
        ([-0.2, -0.21, -0.2], [-5.0, -5.1, -5.0], "better than the human reward (-5.033)"),
    ],
)
def test_a_tie_is_reported_only_if_the_training_runs_show_it(
    folder: Path, winner: list[float], human: list[float], said: str
) -> None:
    made = searched(folder, [1.0, 0.5], untrained=-9.0)
    made.train("winner", winner, 1).train("human", human)
    verdict = made.document["verdict"]
    assert said in verdict
    assert ("--seeds 10` would" in verdict) == ("too few" in said)
    assert "ties" not in verdict


def test_more_seeds_are_suggested_than_there_are(folder: Path) -> None:
    made = searched(folder, [1.0, 0.5])
    made.train("winner", [0.8, 0.9, 1.0, 0.7] * 3, 1).train("human", [0.9, 0.7, 0.8, 0.9] * 3)
    assert "--seeds 24` would" in made.document["verdict"]


def test_a_winner_that_fails_on_fresh_seeds_solved_nothing(folder: Path) -> None:
    made = searched(folder, [0.5, 0.2])
    made.train("winner", [0.01, 0.0, 0.02], 1)
    document = made.document
    assert document["solved"] is False
    assert "candidate 1, the best in the search, reached 0.010" in document["verdict"]


def test_an_evaluation_on_fresh_seeds_can_show_that_a_failed_search_did_not_fail(
    folder: Path,
) -> None:
    made = searched(folder, [0.01, 0.0])
    assert made.document["solved"] is False
    made.train("winner", [0.5, 0.6, 0.55], 1)
    assert made.document["solved"] is True


def test_without_a_result_the_verdict_counts_how_candidates_ended(folder: Path) -> None:
    document = searched(folder, [None, None]).document
    assert document["verdict"] == "No reward trained to the end: 2 failed."
    assert document["solved"] is False
    assert "eureka-agent show" in document["advice"][0]
    empty = searched(folder / "empty", [])
    assert empty.document["verdict"] == "No reward trained to the end: none was written."
    empty.run.set_status("interrupted")
    assert empty.document["advice"] == [f"Continue with: eureka-agent resume {empty.run.path}"]


def test_a_single_reward_is_compared_with_no_training(folder: Path) -> None:
    made = Made(folder, [0.5], designer="given")
    assert "has a ranking fitness of 0.500" in made.document["verdict"]
    number = made.run.trainings("candidate")[0].id
    made.run.set_reporting(number, 0.4)
    assert made.document["verdict"] == "The reward reached 0.400 on one seed."
    made.run.set_measure(untrained=0.1)
    assert "untrained policies 0.100" in made.document["verdict"]
    made.run.set_measure(untrained=0.5)
    assert made.document["verdict"].startswith("The reward did not solve the task")


def test_an_older_run_without_a_reference_claims_nothing(folder: Path) -> None:
    made = Made(folder, [0.0, 0.0])
    assert made.document["solved"] is None
    assert "No reward solved" not in made.document["verdict"]


def test_a_run_without_a_fitness_says_that_nothing_measured_the_task(folder: Path) -> None:
    made = Made(folder, [0.9, 0.1], rank_by="peers")
    document = made.document
    assert (document["solved"], document["verdict"][:26]) == (None, "Nothing measured the task,")
    assert "0.9" not in document["verdict"]


def test_the_reason_names_the_second_seed_that_made_the_winner(folder: Path) -> None:
    made = searched(folder, [0.9, 0.96, 0.97])
    made.train("candidate", [0.94], 1, reported=False)
    made.train("candidate", [0.5], 2, reported=False)
    made.train("candidate", [None], 3, reported=False)
    made.choose()
    why = made.document["best"]["why"]
    assert why.startswith("the highest mean ranking fitness over 2 seeds, 0.920")
    assert why.endswith("#3 reached 0.970 on its first seed and broke on the second")
    assert candidate_document(made.run, 1)["why"] == why
    assert candidate_document(made.run, 2)["why"] == ""
    numbers = {
        row["id"]: (row["ranking_value"], row["seeds"]) for row in made.document["candidates"]
    }
    means = {1: (pytest.approx(0.92), 2), 2: (pytest.approx(0.73), 2), 3: (None, 0)}
    assert numbers == means


def test_progress_orders_equals_and_is_shown(folder: Path) -> None:
    made = Made(folder, [0.0, 0.0, 0.0], [-3.0, -1.0, -2.0])
    made.run.set_measure(untrained=0.0, progress="Minus the distance, m.")
    document = made.document
    assert document["best"]["candidate"] == 2
    assert "but more progress (-1.000)" in document["best"]["why"]
    assert [row["progress"] for row in document["candidates"]] == [-3.0, -1.0, -2.0]
    assert not any("Add progress" in line for line in document["advice"])
    shown = draw(show_run(made.run), 120)
    assert shown.index(" -1.000 ") < shown.index(" -2.000 ") < shown.index(" -3.000 ")
    assert made.run.generations()[0].best_candidate == 2


def test_intervals_stay_within_the_range_of_the_fitness(folder: Path) -> None:
    made = searched(folder, [0.5], range=[0.0, 1.0])
    made.train("winner", [0.2, 0.9, 0.6], 1).train("human", [0.0, 0.0, 0.1])
    entries = made.document["comparison"]
    assert entries["winner"]["interval"] == (0.0, 1.0)
    low, high = entries["against_human"]["interval"]
    assert -1.0 <= low < high <= 1.0


def test_a_goal_without_a_human_reward_says_so(folder: Path) -> None:
    made = searched(folder, [0.5, 0.4])
    made.train("winner", [0.5, 0.6], 1).train("fitness", [0.1, 0.2])
    assert made.document["comparison"]["score"]["reason"] == "this goal has no human reward"


def test_two_equal_rewards_are_named_once(folder: Path) -> None:
    made = searched(folder, [0.9, 0.4], one_function=True)
    made.train("winner", [0.8, 0.81, 0.82], 1)
    made.train("human", [0.1, 0.2, 0.1]).train("fitness", [0.1, 0.2, 0.1])
    document = made.document
    said = document["verdict"]
    assert "better than the human reward (0.133, the same function as the bare fitness)" in said
    assert document["comparison"]["score"]["reason"] == "the human reward is the bare fitness"
    assert "are the same function: trained once" in " ".join(draw(show_run(made.run)).split())


def test_each_training_run_is_written_out_and_drawn_if_there_is_room(folder: Path) -> None:
    made = searched(folder, [0.9, 0.4])
    made.train("winner", [0.8, 0.9, 1.0], 1).train("human", [0.1] * 8 + [0.2])
    wide, narrow = draw(show_run(made.run), 120), draw(show_run(made.run), 80)
    assert "0.800 0.900 1.000" in wide
    assert "9 from 0.100 to 0.200" in wide
    assert "\N{BLACK CIRCLE}" in wide
    assert "\N{BLACK CIRCLE}" not in narrow
    assert "0.800 0.900 1.000" in narrow


def test_commands_in_a_verdict_find_the_run_wherever_it_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = searched(folder / "my runs", [0.9, 0.4])
    made.train("winner", [0.8, 0.9], 1).train("human", [0.85, 0.84])
    monkeypatch.chdir(folder)
    said = f"`eureka-agent evaluate 'my runs/{made.run.name}' --seeds 10`"
    assert said in made.document["verdict"]


@pytest.mark.parametrize(
    ("rates", "said", "reason"),
    [
        ([0.5], "is the only one with a result", "the only candidate"),
        ([0.5, 0.5], "nothing distinguishes the candidates", "nothing distinguishes it from #2"),
        ([0.8, 0.2], "with 80 % of its comparisons won", "a peer win rate of 0.8"),
    ],
)
def test_peers_that_say_nothing_make_no_winner(
    folder: Path, rates: list[float], said: str, reason: str
) -> None:
    made = Made(folder, [0.9] * len(rates), rank_by="peers")
    nothing: dict[str, Any] = {"distances": {}, "matrix": {}, "alarms": [], "said": []}
    peers = {str(number): rate for number, rate in enumerate(rates, 1)}
    made.run.add_reward_comparison(0, peers=peers, **nothing)
    made.choose()
    best = made.document["best"]
    assert said in made.document["verdict"] and best["why"].startswith(reason)


def test_one_reward_under_two_names_is_as_good_as_itself(folder: Path) -> None:
    made = searched(folder, [0.9, 0.4])
    made.train("winner", [0.2, 0.9], 1).train("human", [0.2, 0.9])
    assert "as good as the human reward (0.550)" in made.document["verdict"]


def test_a_task_that_needs_no_training_says_so(folder: Path) -> None:
    made = searched(folder, [1.0, 0.9], untrained=1.0, range=[0.0, 1.0])
    assert made.document["advice"][0].startswith("Untrained policies get all that is possible")
    open_ended = searched(folder / "open", [1.0, 0.9], untrained=1.0)
    open_ended.train("fitness", [1.0000000001])
    assert open_ended.document["advice"][0].startswith("Nor does the bare fitness")


def test_a_range_that_a_result_exceeds_bounds_nothing(folder: Path) -> None:
    made = searched(folder, [0.9, 0.4], range=[0.0, 1.0])
    made.train("winner", [0.02, 0.01], 1).train("human", [-0.3, -0.2])
    assert made.document["comparison"]["winner"]["interval"][0] < 0.0


def test_a_dense_measure_is_advised_if_the_fitness_is_equal_everywhere(folder: Path) -> None:
    assert "progress" in " ".join(searched(folder, [0.0, 0.0]).document["advice"])
    told = searched(folder / "told", [0.001, 0.002, 0.003]).document["advice"]
    assert "progress" not in " ".join(told)


def test_candidates_are_listed_as_they_rank_by_all_their_seeds(folder: Path) -> None:
    made = searched(folder, [0.9, 0.8, 0.85])
    for number, value in ((1, 0.1), (2, 0.8)):
        training = made.run.add_training("candidate", 9, steps_total=1, candidate=number)
        made.run.finish_training(
            training.id, ranking_fitness=value, own_return=0.0, checkpoint_step=1
        )
    listed = [row.id for row in RunSnapshot(made.run).best_first]
    assert listed == [3, 2, 1] == [standing.row.id for standing in ranking(made.run)]
    text = " ".join(draw(show_candidate(made.run, 1)).split())
    assert "Ranking fitness 0.500, the mean of 2 seeds (0.900 first)" in text


def test_a_list_of_runs_says_how_many_seeds_are_behind_each_result(folder: Path) -> None:
    searched(folder, [0.0, 0.0]).train("candidate", [0.0], 1)
    made = searched(folder, [0.9, 0.4])
    made.train("winner", [0.8, 0.9], 1)
    text = draw(runs_table(folder))
    assert "0.850 on 2 fresh seeds" in text
