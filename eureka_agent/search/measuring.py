"""What is known of a run's fitness beside its values: its range, and what takes no training."""

from collections.abc import Sequence

import numpy as np

from eureka_agent.analysis.bank import Bank
from eureka_agent.analysis.rewards.agreement import SAMPLE
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, pools
from eureka_agent.environment.scripted_policies import ROAMING
from eureka_agent.search.final_comparison import human_reward
from eureka_agent.store import Run
from eureka_agent.workers.clients import Judge
from eureka_agent.workers.probe_client import Prober
from eureka_agent.workers.protocol import ChildFailed, JobFailed
from eureka_agent.workers.replies import Judgement


def note_measure(run: Run, judge: Judge, config: SearchConfig, bank: Bank | None) -> None:
    """Note in the run what its fitness can be and what policies without training get, once.

    Where candidates rank by their peers there is nothing to note: no fitness measures the task.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    if not config.measured or "untrained" in run.row().measure:
        return
    seen = _untrained(judge, config, bank)
    nearer = [judgement.nearness for judgement in seen if judgement.nearness is not None]
    judge.open()
    run.set_measure(
        **judge.measure,
        untrained=max((float(judgement.fitness.mean()) for judgement in seen), default=None),
        untrained_progress=max(nearer, default=None),
    )


def note_one_function(
    run: Run, environment: Environment, judge: Judge, bank: Bank, prober: Prober
) -> None:
    """Note whether the human reward pays in every recorded step just what the fitness measures.

    Where the steps of all records are alike nothing can be said, and nothing is noted.

    Raises:
        JudgeFailed: recorded episodes cannot be judged.
    """
    human = human_reward(run, environment)
    if human is None or "one_function" in run.row().measure:
        return
    text, values = human.read_text(encoding="utf-8"), []
    for record in bank.read(bank.sample(SAMPLE)):
        alive = record.episodes.alive().numpy()
        try:
            (paid,) = prober.score([text], record.episodes)
        except (ChildFailed, JobFailed):
            return
        measured = judge.steps(record.episodes)[alive]
        if isinstance(paid, str) or not np.allclose(paid.total[alive], measured, rtol=1e-5):
            run.set_measure(one_function=False)
            return
        values.append(measured)
    if values and np.ptp(np.concatenate(values)) > 0:
        run.set_measure(one_function=True)


def _untrained(judge: Judge, config: SearchConfig, bank: Bank | None) -> Sequence[Judgement]:
    """What each kind of untrained policy did on the ranking pool."""
    if bank is None:
        return judge.roam(list(ROAMING), pools.RANKING, config.ranking_episodes)
    references = [entry for entry in bank.entries if entry.kind == "reference"]
    return [record.seen for record in bank.read(references)]
