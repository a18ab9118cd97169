"""What Gymnasium's environment itself pays, or says in its `info`, at the end of the episode."""

from torch import Tensor

REDUCE = "sum"
AFTER_END = 0.0


def fitness(own_score: Tensor, prev_own_score: Tensor) -> Tensor:
    """What one step changes `[M]`: from the 0 of every start, the changes add up to the last."""
    return own_score - prev_own_score
