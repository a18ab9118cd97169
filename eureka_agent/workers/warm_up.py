"""Warm-up: a worker does its later work once in small before it locks itself.

Libraries import parts of themselves when they are first used; a locked process cannot, as it opens
no more files. So it answers made-up requests first, sound and failing ones.
"""

import copy
import io
import unicodedata  # noqa: F401  Python's parser asks for it when it first meets a foreign letter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from eureka_agent.environment import Environment, Episodes
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Job, Reporter, answer

_SOUND = '''"""A warm-up."""
WEIGHTS = {"effort": 1.0}

def compute_reward(action, time_left):
    return {"effort": torch.tensor([1.0]) * action.square().sum(-1) * time_left}
'''
PROGRAMS = (_SOUND, _SOUND.replace("* time_left", "@ time_left[:1]"), "import os\n")
"""Programs to warm up with: one works, one fails when it is called, one is rejected."""


def brief(environment: Environment) -> Environment:
    """The same task with settings under which training takes no time."""
    copied = copy.copy(environment)
    hidden = tuple(min(width, 8) for width in environment.training.hidden)
    vars(copied)["training"] = replace(
        environment.training, hidden=hidden, n_steps=4, n_epochs=1, minibatches=1
    )
    return copied


def warm_up(jobs: Sequence[Job], requests: Iterable[Message]) -> None:
    """Answer requests as `serve` would, and drop the answers, which may be errors.

    Args:
        jobs: those that answer the requests.
        requests: made-up ones.
    """
    repr(torch.ones(1))  # as messages of torch's errors do
    reporter = Reporter(io.BytesIO(), lambda lane: None)
    for request in requests:
        answer({job.__name__: job for job in jobs}, request, reporter)


def still_episode(environment: Environment) -> dict[str, np.ndarray]:
    """The arrays of an episode of one step in which all signals are zero."""
    return Episodes(
        states=torch.zeros(2, 1, environment.layout.width),
        actions=torch.zeros(1, 1, environment.action_size),
        lengths=torch.ones(1, dtype=torch.int64),
        terminated=torch.zeros(1, dtype=torch.bool),
    ).arrays()
