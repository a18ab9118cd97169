"""Recorded episodes for tests, by the judge's own code in this process."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.environment import SCRIPTED_POLICIES, Environment, pools
from eureka_agent.workers.judge_client import EvaluatedEpisodes, read_judgements
from eureka_agent.workers.judge_server import JudgeServer
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter

EPISODES = 4


def judged(
    environment: Environment, policies: Sequence[Mapping[str, torch.Tensor]]
) -> list[EvaluatedEpisodes]:
    """What policies do on the ranking pool."""
    arrays = {f"{p}/{n}": v.numpy() for p, held in enumerate(policies) for n, v in held.items()}
    reply = _asked(environment, Message("judge", {"policies": len(policies)}, arrays))
    return read_judgements(reply, len(policies), EPISODES, environment)


def roamed(environment: Environment, *kinds: str) -> list[EvaluatedEpisodes]:
    """What untrained policies do there."""
    reply = _asked(environment, Message("run_scripted", {"kinds": list(kinds)}))
    return read_judgements(reply, len(kinds), EPISODES, environment)


def reference_bank(
    folder: Path, seen: Sequence[EvaluatedEpisodes], kinds: Sequence[str] = SCRIPTED_POLICIES
) -> Bank:
    """A bank of untrained policies alone, which loses nothing."""
    bank = Bank(folder, 1 << 28, pytest.fail)
    for kind, judgement in zip(kinds, seen, strict=True):
        bank.add(Record(Entry(kind, 0, "reference"), judgement))
    return bank


def same(first: EvaluatedEpisodes, second: EvaluatedEpisodes) -> bool:
    """Whether both hold the same numbers."""
    one, two = first.episodes.arrays(), second.episodes.arrays()
    return np.array_equal(first.fitness, second.fitness) and all(
        np.array_equal(one[name], two[name]) for name in one
    )


def _asked(environment: Environment, message: Message) -> Message:
    judge, reporter = JudgeServer(), Reporter(io.BytesIO(), lambda lane: None)
    fields = {
        "environment": environment.source,
        "fitness": str(environment.fitness_path),
        "lanes": max(1, len(message.arrays)),
        "threads": 1,
    }
    judge.open(Message("open", fields), reporter)
    message.fields.update(episodes=EPISODES, pool=pools.RANKING, seed=3)
    return getattr(judge, message.kind)(message, reporter)
