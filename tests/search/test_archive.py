"""Close calls are settled by a second training seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eureka_agent.config import SearchConfig
from eureka_agent.search.archive import CLOSE, POLICY_FILES, break_ties, finalists, ship
from eureka_agent.search.trainer import Job
from eureka_agent.store import Run, solved
from eureka_agent.store.ranking import leader

CONFIG = SearchConfig(candidates=3)


class NoTrainer:
    """Stands where nothing may train any more."""

    def train(self, jobs: list) -> None:
        raise AssertionError(jobs)


class Fixed:
    """Trains on the second seed with results that are known beforehand."""

    def __init__(self, run: Run, results: dict[int, float]) -> None:
        self._run, self._results = run, results
        self.rounds: list[list[int]] = []

    def train(self, jobs: list[Job]) -> None:
        rows = {t.id: t.candidate_id or 0 for t in self._run.trainings("candidate")}
        self.rounds.append([rows[job.training] for job in jobs])
        for candidate in self.rounds[-1]:
            second(self._run, candidate, self._results[candidate])


def run_with(
    tmp_path: Path, fitness: list[float], progress: Sequence[float | None] = (None,) * 9
) -> Run:
    run = Run.create(tmp_path, "cartpole", goal="Stay.", seed=0, config=CONFIG.as_dict())
    for slot, value in enumerate(fitness):
        row = run.add_candidate(0, slot, "text", designer="test")
        training = run.add_training("candidate", 1, steps_total=1, candidate=row.id)
        result: dict[str, Any] = {"own_return": 0.0, "checkpoint_step": 1}
        result["progress"] = progress[slot]
        run.finish_training(training.id, ranking_fitness=value, **result)
        run.set_result(row.id, fitness=value, **result)
    return run


def second(run: Run, candidate: int, value: float | None) -> None:
    seed = CONFIG.second_seed()
    training = run.add_training("candidate", seed, steps_total=1, candidate=candidate)
    if value is None:
        run.fail_training(training.id, "broke")
    else:
        run.finish_training(training.id, ranking_fitness=value, own_return=0.0, checkpoint_step=1)


def test_only_candidates_near_the_leader_are_finalists_and_never_too_many(tmp_path: Path) -> None:
    below = 10.0 - 10.0 * CLOSE
    with run_with(tmp_path, [0.0, 10.0, below - 0.1, below + 0.1]) as run:
        assert [row.id for row in finalists(run, 3)] == [2, 4]
    with run_with(tmp_path / "many", [5.0] * 5 + [1.0]) as run:
        assert [row.id for row in finalists(run, 3)] == [1, 2, 3]


def test_among_equal_candidates_the_one_with_the_most_progress_wins(
    tmp_path: Path,
) -> None:
    for fitness in (0.0, 5.0, -3.5):
        with run_with(tmp_path / str(fitness), [fitness] * 4, [0.1, None, 0.7, 0.7]) as run:
            break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
            assert run.row().best_candidate == 3
            said = [event.text for event in run.events()]
            assert not any("close call" in text for text in said)
            assert "but more progress (0.700); #4 has as much" in said[-1]


def test_there_is_no_tie_to_break_if_nothing_beats_untrained_policies(tmp_path: Path) -> None:
    with run_with(tmp_path, [-9.0, -4.0, -4.1]) as run:
        run.set_measure(untrained=-4.0)
        break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert (run.row().best_candidate, solved(run)) == (2, False)
        assert "no better than untrained policies" in run.events()[-1].text
        run.set_measure(untrained=-4.05)
        assert solved(run)
        assert [row.id for row in finalists(run, 3)] == [2, 3]


def test_the_highest_mean_wins_over_the_luckiest_seed(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        run.set_best(2)
        second(run, 2, 4.0)
        second(run, 3, 8.5)
        break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 3


def test_a_reward_that_breaks_on_the_second_seed_does_not_win(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        second(run, 2, None)
        second(run, 3, 1.0)
        break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 3


def test_a_clear_leader_needs_no_second_seed(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 1.0]) as run:
        break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 2


def test_a_search_without_results_has_no_ties(tmp_path: Path) -> None:
    with run_with(tmp_path, []) as run:
        break_ties(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate is None


def test_the_leader_is_the_candidate_that_breaking_ties_would_choose(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        second(run, 2, 4.0)
        second(run, 3, 8.5)
        best = leader(run)
        assert best is not None
        assert best.id == 3


def test_no_candidate_wins_on_one_lucky_seed_when_the_leaders_fall_back(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.5, 6.0]) as run:
        trainer = Fixed(run, {2: 1.0, 3: 1.0, 4: 5.8})
        break_ties(run, trainer, CONFIG)  # type: ignore[arg-type]
        assert trainer.rounds == [[2, 3], [4]]
        assert run.row().best_candidate == 4


def test_an_interrupted_run_on_the_second_seed_is_finished(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        second(run, 2, 10.0)
        run.add_training("candidate", CONFIG.second_seed(), steps_total=1, candidate=3)
        trainer = Fixed(run, {3: 12.0})
        break_ties(run, trainer, CONFIG)  # type: ignore[arg-type]
        assert trainer.rounds == [[3]]
        assert run.row().best_candidate == 3


def test_program_and_policy_of_the_best_belong_together(tmp_path: Path) -> None:
    with run_with(tmp_path, [1.0, 2.0, 3.0]) as run:
        for number in (1, 2):
            for name in POLICY_FILES:
                (run.candidate_folder(number) / name).write_text(f"{name} of {number}")
        best = run.path / "best"
        for number in (1, 2):
            ship(run, run.candidate(number))
            assert run.row().best_candidate == number
            assert (best / "policy.zip").read_text() == f"policy.zip of {number}"
        ship(run, run.candidate(3))  # which has none
        assert [path.name for path in best.iterdir()] == ["reward.py"]
