"""What a search may guess by, for every program of the pool: each from its run's bank.

A cell is an environment with a seed, trained to the end. All of its programs are scored on what was
recorded there, as a search would.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pool.training import Cell
from eureka_agent.analysis.rewards.bank import BEFORE_ALL, FOLDER, SUFFIX, Bank, Scorer
from eureka_agent.analysis.rewards.comparison import (
    EQUIVALENT,
    CrossRewardAgreement,
    RewardComparison,
)
from eureka_agent.analysis.rewards.distance import clusters
from eureka_agent.critic.examiner import Examiner
from eureka_agent.environment import Environment
from eureka_agent.store import Run
from eureka_agent.workers.probe_client import ProbeClient

FIRST = 0
"""The generation of the first offline programs, after which a search knows its first policies."""


def guesses(cell: Cell) -> dict[str, list[Any]]:
    """Everything for a cell, a list over its programs each; None stands for unknown.

    `peers` is the win rate under the others' rewards, `human_distance` that to the human reward;
    these know all that was recorded. What a search knows after the first generation, which is
    `known_early`: the exam's `exam` (its score), `suspect` and `refused`, and for each program the
    place of the first one that is so near to it that it would be sent back (`twins`), or of the
    first one that counts as the same (`equals`).

    Raises:
        ChildFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """
    environment = cell.environment
    with cell.run() as run, ProbeClient(environment) as prober:
        bank = Bank(run.path / FOLDER, cell.config.bank << 20, print)
        texts = [row.text for row in run.candidates()]
        path = environment.human_reward_path
        human = [path.read_text(encoding="utf-8")] if path else []
        scorer = Scorer(bank, prober)
        apart = _distances(run, bank, scorer, environment, [*texts, *human])
        programs = apart[: len(texts), : len(texts)]
        with _first_records(run, bank) as first:
            exam = _exam(environment, first, prober, texts)
            apart_early = _distances(run, first, Scorer(first, prober), environment, texts)
        return {
            "peers": _peers(run, bank, scorer, programs),
            "human_distance": _plain(apart[-1, : len(texts)]) if human else [None] * len(texts),
            "twins": clusters(apart_early, EQUIVALENT).tolist(),
            "equals": clusters(apart_early).tolist(),
            "known_early": [row.generation <= FIRST for row in run.candidates()],
            **exam,
        }


def _distances(
    run: Run, bank: Bank, scorer: Scorer, environment: Environment, texts: Sequence[str]
) -> np.ndarray:
    reward_comparison = RewardComparison(run, bank, scorer, environment.training.gamma)
    return reward_comparison.distances(texts).matrix


def _peers(run: Run, bank: Bank, scorer: Scorer, apart: np.ndarray) -> list[float | None]:
    """Win rates of all policies that there are."""
    place = {row.id: k for k, row in enumerate(run.candidates())}
    finished = [row for row in run.candidates() if row.state == "finished"]

    def equals(numbers: Sequence[int]) -> np.ndarray:
        places = [place[number] for number in numbers]
        return clusters(apart[np.ix_(places, places)])

    rates = CrossRewardAgreement(finished, bank, scorer, equals).rates()
    return _plain([rates.get(number) for number in place])


def _exam(
    environment: Environment, bank: Bank, prober: ProbeClient, texts: Sequence[str]
) -> dict[str, list[Any]]:
    results = Examiner(environment, bank, prober).examine(texts)
    return {
        "exam": _plain([None if r is None else r.score for r in results]),
        "suspect": [r is not None and r.suspect for r in results],
        "refused": [r is not None and r.refused for r in results],
    }


@contextmanager
def _first_records(run: Run, bank: Bank) -> Iterator[Bank]:
    """A bank as it was after the first generation, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="eureka-pool-") as folder:
        for entry in bank.entries:
            if BEFORE_ALL <= entry.generation <= FIRST:
                shutil.copy(run.path / FOLDER / f"{entry.name}{SUFFIX}", folder)
        yield Bank(Path(folder), 1 << 40, print)


def _plain(values: Any) -> list[float | None]:
    """Rounded numbers, None for what is unknown."""
    array = np.array(values, dtype=np.float64)
    return [round(v, 5) if np.isfinite(v) else None for v in array.tolist()]
