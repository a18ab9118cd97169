"""Recorded episodes for tests, by the judge's own code in this process."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from eureka_agent.environment import Environment, pools
from eureka_agent.judge import Judge
from eureka_agent.sandbox.protocol import Message
from eureka_agent.sandbox.serve import Reporter
from eureka_agent.search.replies import Judgement, read_judgements

EPISODES = 4


def judged(
    environment: Environment, policies: Sequence[Mapping[str, torch.Tensor]]
) -> list[Judgement]:
    """What policies do on the ranking pool."""
    arrays = {f"{p}/{n}": v.numpy() for p, held in enumerate(policies) for n, v in held.items()}
    reply = _asked(environment, Message("judge", {"policies": len(policies)}, arrays))
    return read_judgements(reply, len(policies), EPISODES, environment)


def roamed(environment: Environment, *kinds: str) -> list[Judgement]:
    """What untrained policies do there."""
    reply = _asked(environment, Message("roam", {"kinds": list(kinds)}))
    return read_judgements(reply, len(kinds), EPISODES, environment)


def same(first: Judgement, second: Judgement) -> bool:
    """Whether both hold the same numbers."""
    one, two = first.episodes.arrays(), second.episodes.arrays()
    return np.array_equal(first.fitness, second.fitness) and all(
        np.array_equal(one[name], two[name]) for name in one
    )


def _asked(environment: Environment, message: Message) -> Message:
    judge, reporter = Judge(), Reporter(io.BytesIO(), lambda lane: None)
    fields = {
        "environment": environment.source,
        "fitness": str(environment.fitness_path),
        "lanes": max(1, len(message.arrays)),
        "threads": 1,
    }
    judge.open(Message("open", fields), reporter)
    message.fields.update(episodes=EPISODES, pool=pools.RANKING, seed=3)
    return getattr(judge, message.kind)(message, reporter)
