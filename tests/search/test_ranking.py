"""Where candidates rank by their peers, the fitness decides nothing and is told to nobody."""

from pathlib import Path
from typing import Any

from sledge import REWARD, sledge

from eureka_agent.analysis.feedback import NO_FITNESS, store_reflection
from eureka_agent.config import SearchConfig
from eureka_agent.search.archive import break_ties, past_candidates
from eureka_agent.search.loop import select
from eureka_agent.search.trainer import EARLY, Checkpoint, Job, Outcome
from eureka_agent.store import Run, ranking
from eureka_agent.store.ranking import leader

PEERS = SearchConfig(candidates=3, rank_by="peers")
SECRET = 987.25
"""A fitness that must not be found anywhere."""


class NoTrainer:
    """Stands where nothing may train any more."""

    def train(self, jobs: list) -> None:
        raise AssertionError(jobs)


def run_with(folder: Path, config: SearchConfig = PEERS) -> Run:
    """Three finished candidates; the first is the fittest."""
    run = Run.create(folder, "sledge", goal="Go.", seed=0, config=config.as_dict())
    for slot in range(3):
        row = run.add_candidate(0, slot, REWARD, designer="test")
        training = run.add_training("candidate", 1, steps_total=1, candidate=row.id)
        result = {"own_return": 0.0, "checkpoint_step": 1}
        run.add_evaluation(training.id, 1, fitness=SECRET - slot, own_return=0.0)
        run.finish_training(training.id, ranking_fitness=SECRET - slot, **result)
        run.set_result(row.id, fitness=SECRET - slot, **result)
    return run


def know(run: Run, peers: dict[str, float | None]) -> None:
    nothing: dict[str, Any] = {"distances": {}, "matrix": {}, "alarms": [], "said": []}
    run.add_reward_comparison(0, peers=peers, **nothing)


def test_candidates_rank_by_their_peers(tmp_path: Path) -> None:
    with run_with(tmp_path) as run:
        know(run, {"1": 0.25, "2": 0.75, "3": None})
        assert [(s.value, s.row.id) for s in ranking(run)] == [(0.75, 2), (0.5, 3), (0.25, 1)]
        assert [past.fitness for past in past_candidates(run, 1)] == [0.25, 0.75, 0.5]


def test_what_an_older_version_measured_is_not_read(tmp_path: Path) -> None:
    with run_with(tmp_path) as run:
        assert [row.fitness for row in run.candidates()] == [None] * 3
        assert [row.ranking_fitness for row in run.trainings()] == [None] * 3
        assert [row.fitness for row in run.evaluations()] == [None] * 3
        assert [(row.best, row.mean) for row in run.generations()] == [(None, None)]


def test_a_policy_whose_training_failed_on_another_seed_does_not_rank(tmp_path: Path) -> None:
    with run_with(tmp_path) as run:
        again = run.add_training("candidate", 2, steps_total=1, candidate=1)
        run.fail_training(again.id, "It broke.")
        assert [standing.row.id for standing in ranking(run)] == [2, 3]


def test_before_anything_is_compared_all_are_equal(tmp_path: Path) -> None:
    with run_with(tmp_path) as run:
        assert [standing.value for standing in ranking(run)] == [0.5] * 3
        first = leader(run)
        assert first is not None and first.id == 1


def test_with_a_fitness_the_peers_decide_nothing(tmp_path: Path) -> None:
    with run_with(tmp_path, SearchConfig(candidates=3)) as run:
        know(run, {"1": 0.0, "2": 1.0, "3": 1.0})
        assert [standing.row.id for standing in ranking(run)] == [1, 2, 3]


def test_the_designer_and_the_events_are_told_no_fitness(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    with run_with(tmp_path) as run:
        know(run, {"1": 0.25, "2": 0.75, "3": None})
        for row in run.candidates():
            store_reflection(run, row.id, environment, PEERS)
        select(run, 0)
        told = [row.reflection for row in run.candidates()] + [e.text for e in run.events()]
        assert not any("98" in text for text in told)
        assert all(row.reflection.startswith(NO_FITNESS) for row in run.candidates())
        assert any("peer win rate of 0.75" in text for text in told)


def test_nothing_is_settled_by_a_second_seed(tmp_path: Path) -> None:
    with run_with(tmp_path) as run:
        know(run, {"1": 0.5, "2": 0.75, "3": 0.5})
        break_ties(run, NoTrainer(), PEERS)  # type: ignore[arg-type]
        assert run.row().best_candidate == 2


def test_the_early_look_is_the_first_one_well_into_a_training() -> None:
    outcome = Outcome(Job(1, None, 0, "one"))
    looks = [Checkpoint(step, own, {}, None) for step, own in ((10, 1.0), (30, 5.0), (60, 2.0))]  # type: ignore[arg-type]
    for look in looks:
        outcome.keep(look, steps=100)
    assert EARLY == 0.3
    assert (outcome.early, outcome.best) == (looks[1], looks[1])
