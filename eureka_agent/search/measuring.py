"""What is known of a run's fitness beside its values: its range, and what takes no training."""

from collections.abc import Sequence

from eureka_agent.environment import pools
from eureka_agent.environment.roaming import ROAMING
from eureka_agent.search.bank import Bank
from eureka_agent.search.children import Judge
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.replies import Judgement
from eureka_agent.store import Run


def note_measure(run: Run, judge: Judge, config: SearchConfig, bank: Bank | None) -> None:
    """Note in the run what its fitness can be and what policies without training get, once.

    Where candidates rank by their peers there is nothing to note: no fitness measures the task.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    if config.rank_by == "peers" or "untrained" in run.row().measure:
        return
    seen = _untrained(judge, config, bank)
    nearer = [judgement.nearness for judgement in seen if judgement.nearness is not None]
    judge.open()
    run.set_measure(
        **judge.measure,
        untrained=max((float(judgement.fitness.mean()) for judgement in seen), default=None),
        untrained_progress=max(nearer, default=None),
    )


def _untrained(judge: Judge, config: SearchConfig, bank: Bank | None) -> Sequence[Judgement]:
    """What each kind of untrained policy did on the ranking pool."""
    if bank is None:
        return judge.roam(list(ROAMING), pools.RANKING, config.ranking_episodes)
    references = [entry for entry in bank.entries if entry.kind == "reference"]
    return [record.seen for record in bank.read(references)]
