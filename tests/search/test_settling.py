"""Close calls are settled by a second training seed."""

from pathlib import Path

from eureka_agent.search import SearchConfig
from eureka_agent.search.settling import CLOSE, finalists, mean_fitness, settle
from eureka_agent.store import Run, RunReader

CONFIG = SearchConfig(candidates=3)


class NoTrainer:
    """Stands where nothing may train any more."""

    def train(self, jobs: list) -> None:
        raise AssertionError(jobs)


def run_with(tmp_path: Path, fitness: list[float]) -> Run:
    run = Run.create(tmp_path, "cartpole", goal="Stay.", seed=0, config=CONFIG.as_dict())
    for slot, value in enumerate(fitness):
        row = run.add_candidate(0, slot, "text", designer="test")
        training = run.add_training("candidate", 1, steps_total=1, candidate=row.id)
        result = {"own_return": 0.0, "checkpoint_step": 1}
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


def test_only_those_near_the_leader_are_close_and_never_too_many(tmp_path: Path) -> None:
    below = 10.0 - 10.0 * CLOSE
    with run_with(tmp_path, [0.0, 10.0, below - 0.1, below + 0.1]) as run:
        assert [row.id for row in finalists(run, 3)] == [2, 4]
    with run_with(tmp_path / "equals", [5.0] * 5) as run:
        assert [row.id for row in finalists(run, 3)] == [1, 2, 3]


def test_the_highest_mean_wins_over_the_luckiest_seed(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        run.set_best(2)
        second(run, 2, 4.0)
        second(run, 3, 8.5)
        settle(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 3


def test_a_reward_that_breaks_on_the_second_seed_does_not_win(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 9.0]) as run:
        second(run, 2, None)
        second(run, 3, 1.0)
        settle(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 3


def test_a_clear_leader_needs_no_second_training(tmp_path: Path) -> None:
    with run_with(tmp_path, [0.0, 10.0, 1.0]) as run:
        settle(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate == 2


def test_a_search_without_any_result_has_nothing_to_settle(tmp_path: Path) -> None:
    with run_with(tmp_path, []) as run:
        settle(run, NoTrainer(), CONFIG)  # type: ignore[arg-type]
        assert run.row().best_candidate is None


def test_a_real_search_settles_its_finalists(finished: RunReader) -> None:
    config = SearchConfig.from_dict(finished.row().config)
    close = finalists(finished, config.candidates)
    assert len(close) > 1
    for row in close:
        assert len(finished.trainings("candidate", row.id)) == 2
    means = {row.id: mean_fitness(finished, row) for row in close}
    best = finished.row().best_candidate
    assert means[best] == max(means.values())
