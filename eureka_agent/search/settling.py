"""Close calls between the best candidates are settled by a second training seed.

Training seeds differ far more than episodes do, and the best of many single trainings is mostly a
lucky one: more episodes of the same policies would measure the luck more exactly.
"""

from eureka_agent.search.archive import ship
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.trainer import Job, Trainer
from eureka_agent.store import CandidateRow, Run, RunReader, ranking, solved
from eureka_agent.ui.format import things
from eureka_agent.ui.verdict import why

CLOSE = 0.3
"""A candidate is close if it lags the leader by at most this share of the range of all."""


def settle(run: Run, trainer: Trainer, config: SearchConfig) -> None:
    """Train the candidates that are close to the leader once more; the highest mean wins.

    It goes on until whoever leads has been trained twice: when the leaders fall back on their
    second seed, the next one has still only been lucky once.
    """
    while close := _undecided(run, config):
        run.set_phase(f"close call: a second seed for {things(len(close), 'candidate')}")
        trainer.train([_second_training(run, row, config) for row in close])
    ranked = ranking(run)
    if not ranked:
        return
    best = ranked[0].row
    if run.row().best_candidate != best.id:
        run.event("best", f"wins: {why(run, ranked)}", best.id)
    ship(run, best)


def finalists(run: RunReader, most: int) -> list[CandidateRow]:
    """The candidates that are close to the leader, the fittest first, at most `most`.

    There are none where nothing is to be settled: no candidate does better than policies without
    training, or none than any other.
    """
    ranked = ranking(run)
    if not ranked or solved(run, ranked) is False:
        return []
    highest, lowest = ranked[0].value, ranked[-1].value
    if len(ranked) > 1 and ranked[0].merit[0] == ranked[-1].merit[0]:
        return []
    bar = highest - CLOSE * (highest - lowest)
    return [standing.row for standing in ranked if standing.value >= bar][:most]


def _undecided(run: RunReader, config: SearchConfig) -> list[CandidateRow]:
    """Who trains on the second seed next: what is begun, or the finalists of an open call."""
    second = {
        t.candidate_id: t for t in run.trainings("candidate") if t.seed == config.second_seed()
    }
    begun = {number for number, t in second.items() if t.state not in ("finished", "failed")}
    if begun:
        return [row for row in run.candidates() if row.id in begun]
    if not config.measured:
        return []  # a second policy would change the comparison of all others, too
    close = finalists(run, config.candidates)
    if not close or close[0].id in second or (len(close) == 1 and not second):
        return []
    return [row for row in close if row.id not in second]


def _second_training(run: Run, row: CandidateRow, config: SearchConfig) -> Job:
    seed = config.second_seed()
    training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
    return Job(training.id, row.text, seed, f"#{row.id} on a second seed")
