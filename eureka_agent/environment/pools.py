"""Three disjoint pools of episode seeds: nothing that is trained or chosen on is reported."""

import numpy as np

from eureka_agent.environment.random import mix

TRAINING, RANKING, REPORTING = 1, 2, 3


def streams(pool: int, seed: int, count: int) -> np.ndarray:
    """One 64-bit key per episode or world `[count]`; the first ones are the same for any count."""
    return mix(pool, seed, np.arange(count))
