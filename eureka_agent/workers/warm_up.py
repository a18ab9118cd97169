"""What a child will do, done once in small before it locks itself.

Libraries import parts of themselves when they are first used; a locked process cannot, as it opens
no file any more. So it answers made-up requests first, sound ones and such as fail.
"""

import copy
import io
import unicodedata  # noqa: F401  Python's parser asks for it when it first meets a foreign letter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from eureka_agent.environment import Environment, Episodes
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Handler, Reporter, answer

SOUND = '''"""A rehearsal."""
WEIGHTS = {"effort": 1.0}

def compute_reward(action, time_left):
    return {"effort": torch.tensor([1.0]) * action.square().sum(-1) * time_left}
'''
FAILING = SOUND.replace("* time_left", "@ time_left[:1]")
REJECTED = "import os\n"


def brief(environment: Environment) -> Environment:
    """The same task with settings under which a training takes no time."""
    copied = copy.copy(environment)
    hidden = tuple(min(width, 8) for width in environment.training.hidden)
    vars(copied)["training"] = replace(
        environment.training, hidden=hidden, n_steps=4, n_epochs=1, minibatches=1
    )
    return copied


def rehearse(handlers: Mapping[str, Handler], requests: Sequence[Message]) -> None:
    """Answer requests as `serve` would, for nobody.

    Args:
        handlers: of an object that is thrown away afterwards.
        requests: their answers do not matter, and may be errors.
    """
    repr(torch.ones(1))  # as messages of torch's errors do
    reporter = Reporter(io.BytesIO(), lambda lane: None)
    for request in requests:
        answer(handlers, request, reporter)


def still_episode(environment: Environment) -> dict[str, np.ndarray]:
    """The arrays of an episode of one step in which all signals are zero."""
    return Episodes(
        states=torch.zeros(2, 1, environment.layout.width),
        actions=torch.zeros(1, 1, environment.action_size),
        lengths=torch.ones(1, dtype=torch.int64),
        terminated=torch.zeros(1, dtype=torch.bool),
    ).arrays()


def a_row(environment: Environment) -> dict[str, np.ndarray]:
    """What the programs of a rehearsal read, on one transition."""
    action = np.zeros((1, environment.action_size), np.float32)
    return {"action": action, "time_left": np.ones(1, np.float32)}
