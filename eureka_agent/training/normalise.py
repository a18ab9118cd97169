"""Running statistics per lane: of observations, and of returns."""

from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Stateful

SPREAD_FLOOR = 1e-3
"""Observations never spread less than this: a constant one must not turn noise into signal."""
RELATIVE_FLOOR = 1e-6
"""Smallest spread of returns relative to their size: the scale of a reward never matters."""
VALUE_RATE = 0.2
"""How fast the moments of returns follow a rollout's."""


class RunningMoments(Stateful):
    """Mean and variance of everything seen, per lane and column (Chan, Golub and LeVeque, 1979).

    Args:
        lanes: K.
        width: D.
        device: where they live.
    """

    STATE: ClassVar = ("count", "mean", "squares")

    def __init__(self, lanes: int, width: int, device: torch.device | None = None) -> None:
        self.count = torch.zeros(lanes, 1, dtype=torch.float64, device=device)
        self.mean = torch.zeros(lanes, width, dtype=torch.float64, device=device)
        self.squares = torch.zeros(lanes, width, dtype=torch.float64, device=device)

    def reset(self, lane: int) -> None:
        """Forget a lane."""
        self.count[lane] = 0.0
        self.mean[lane] = 0.0
        self.squares[lane] = 0.0

    def update(self, batch: Tensor) -> None:
        """Take in `[K, B, D]` rows."""
        batch = batch.double()
        size = batch.shape[1]
        mean = batch.mean(1)
        squares = (batch - mean[:, None]).square().sum(1)
        total = self.count + size
        delta = mean - self.mean
        self.squares += squares + delta.square() * (self.count * size / total)
        self.mean += delta * (size / total)
        self.count = total

    def spread(self) -> Tensor:
        """Standard deviation `[K, D]` float64; 0 before the first batch."""
        return (self.squares / self.count.clamp(min=1.0)).sqrt()


class ObservationNormaliser(RunningMoments):
    """Shifts and scales observations; no clipping, so that it folds into a linear layer exactly."""

    def shift_and_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and floored spread `[K, D]` float32."""
        return self.mean.float(), self.spread().clamp(min=SPREAD_FLOOR).float()

    def __call__(self, observation: Tensor) -> Tensor:
        """Normalise `[K, B, D]`."""
        shift, scale = self.shift_and_scale()
        return (observation - shift[:, None]) / scale[:, None]


class PopArt(Stateful):
    """Maps between returns and what the value network predicts: PopArt.

    The network predicts returns relative to a moving mean and spread; when these move, its last
    layer is rewritten so that its predictions stay (van Hasselt et al., "Learning values across
    many orders of magnitude", 2016, equations 1 to 4). The spread is the one within rollouts: the
    drift of the mean while a policy learns would drown it. Everything is relative: rewards times
    a power of two give the same network bit by bit. Before the first batch every value is 0.

    Attributes:
        shift: mean of the returns `[K]`.
        scale: floored spread of the returns `[K]`.
    """

    STATE: ClassVar = ("shift", "scale", "_variance")

    def __init__(self, lanes: int, device: torch.device | None = None) -> None:
        self.shift = torch.zeros(lanes, device=device)
        self.scale = torch.zeros(lanes, device=device)
        self._variance = torch.zeros(lanes, device=device)

    def reset(self, lane: int) -> None:
        """Forget a lane."""
        self.shift[lane] = self.scale[lane] = self._variance[lane] = 0.0

    def update(self, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Take in the returns `[K, B]` of a rollout.

        Returns:
            Factor and offset `[K]` that turn what the network predicted before into what it must
            predict now.
        """
        mean, variance = returns.mean(1), returns.var(1, unbiased=False)
        first = self.scale == 0
        shift = torch.where(first, mean, self.shift + VALUE_RATE * (mean - self.shift))
        blend = self._variance + VALUE_RATE * (variance - self._variance)
        self._variance = torch.where(first, variance, blend)
        scale = torch.maximum(self._variance.sqrt(), RELATIVE_FLOOR * shift.abs())
        # A reward that never paid anything has spread 0, and returns of 0 whatever divides them.
        divisor = torch.where(scale > 0, scale, 1.0)
        factor = torch.where(first, 1.0, self.scale / divisor)
        offset = torch.where(first, 0.0, (self.shift - shift) / divisor)
        self.shift, self.scale = shift, scale
        return factor, offset

    def normalise(self, returns: Tensor) -> Tensor:
        """Returns `[K, B]` to the network's scale."""
        divisor = torch.where(self.scale > 0, self.scale, 1.0)
        return (returns - self.shift[:, None]) / divisor[:, None]

    def denormalise(self, values: Tensor) -> Tensor:
        """The network's values `[K, B]` to the scale of returns."""
        return values * self.scale[:, None] + self.shift[:, None]
