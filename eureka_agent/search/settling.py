"""Close calls between the best candidates are settled by a second training seed.

Training seeds differ far more than episodes do, and the best of many single trainings is mostly a
lucky one: more episodes of the same policies would measure the luck more exactly.
"""

import statistics

from eureka_agent.search.config import SearchConfig
from eureka_agent.search.trainer import Job, Trainer
from eureka_agent.store import CandidateRow, Run, RunReader

CLOSE = 0.3
"""A candidate is close if it lags the leader by at most this share of the range of all."""


def settle(run: Run, trainer: Trainer, config: SearchConfig) -> None:
    """Train the candidates that are close to the leader once more; the highest mean wins."""
    close = finalists(run, config.candidates)
    if not close:
        return
    seed = config.second_seed()
    jobs = []
    for row in close if len(close) > 1 else []:
        training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
        if training.state not in ("finished", "failed"):
            jobs.append(Job(training.id, row.text, seed, f"#{row.id} on a second seed"))
    if jobs:
        run.set_phase(f"close call: {len(jobs)} candidates train on a second seed")
        trainer.train(jobs)
    best = max(close, key=lambda row: (mean_fitness(run, row), -row.id))
    if run.row().best_candidate != best.id:
        run.event("best", f"wins on two seeds with {mean_fitness(run, best):.4g}", best.id)
    run.set_best(best.id)


def finalists(run: RunReader, most: int) -> list[CandidateRow]:
    """The candidates that are close to the leader, the fittest first, at most `most`."""
    finished = [(row.fitness, row) for row in run.candidates() if row.fitness is not None]
    if not finished:
        return []
    values = [fitness for fitness, _ in finished]
    bar = max(values) - CLOSE * (max(values) - min(values))
    ranked = sorted(finished, key=lambda entry: (-entry[0], entry[1].id))
    return [row for fitness, row in ranked if fitness >= bar][:most]


def mean_fitness(run: RunReader, row: CandidateRow) -> float:
    """Mean ranking fitness of a candidate's trainings; one that failed counts as the worst."""
    trainings = run.trainings("candidate", row.id)
    if any(training.state == "failed" for training in trainings):
        return float("-inf")
    return statistics.mean(t.ranking_fitness for t in trainings if t.ranking_fitness is not None)
