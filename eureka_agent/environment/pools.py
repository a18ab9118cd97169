"""Three disjoint pools of episode seeds: nothing that is trained or chosen on is reported."""

import torch
from torch import Tensor

from eureka_agent.environment.random import mix

TRAINING, RANKING, REPORTING = 1, 2, 3


def streams(pool: int, seed: int, count: int) -> Tensor:
    """One 64-bit key per episode or world, int64 `[count]`; more of them begin with the same."""
    return mix(pool, seed, torch.arange(count))
