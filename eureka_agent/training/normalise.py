"""Running normalisation per lane: of observations, and of returns (PopArt)."""

from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Stateful

MIN_STD = 1e-3
"""Observations are divided by no less: a constant one must not turn noise into signal."""
RELATIVE_MIN_STD = 1e-6
"""Smallest standard deviation of returns relative to their mean, as a reward may have any scale."""
RETURN_RATE = 0.2
"""How fast the moments of returns follow those of the last rollout."""


class ObservationNormaliser(Stateful):
    """Maps observations to mean 0 and standard deviation 1 over everything seen, per lane.

    The moments are merged batch by batch (Chan, Golub and LeVeque, 1979). Nothing is clipped, so
    the normalisation folds into a linear layer exactly.

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
        for moment in (self.count, self.mean, self.squares):
            moment[lane] = 0.0

    def update(self, batch: Tensor) -> None:
        """Add `[K, B, D]` rows."""
        batch = batch.double()
        size = batch.shape[1]
        mean = batch.mean(1)
        squares = (batch - mean[:, None]).square().sum(1)
        total = self.count + size
        delta = mean - self.mean
        self.squares += squares + delta.square() * (self.count * size / total)
        self.mean += delta * (size / total)
        self.count = total

    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Mean and floored standard deviation `[K, D]` float32."""
        std = (self.squares / self.count.clamp(min=1.0)).sqrt()
        return self.mean.float(), std.clamp(min=MIN_STD).float()

    def __call__(self, observation: Tensor) -> Tensor:
        """Normalise `[K, B, D]`."""
        mean, std = self.mean_and_std()
        return (observation - mean[:, None]) / std[:, None]


class PopArt(Stateful):
    """Maps between returns and what the value network predicts: relative to a moving mean and std.

    When these move, the network's last layer is rewritten so that its predictions stay (van Hasselt
    et al., "Learning values across many orders of magnitude", 2016, equations 1 to 4). The standard
    deviation is the one within rollouts: the drift of the mean while a policy learns would drown
    it. Everything is relative: rewards times a power of two give the same network bit by bit.
    Before the first batch every value is 0.

    Attributes:
        mean: of the returns `[K]`.
        std: floored standard deviation of the returns `[K]`.
    """

    STATE: ClassVar = ("mean", "std", "_variance")

    def __init__(self, lanes: int, device: torch.device | None = None) -> None:
        self.mean, self.std, self._variance = (torch.zeros(lanes, device=device) for _ in range(3))

    def reset(self, lane: int) -> None:
        """Forget a lane."""
        self.mean[lane] = self.std[lane] = self._variance[lane] = 0.0

    def update(self, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Add the returns `[K, B]` of a rollout.

        Returns:
            Factor and offset `[K]` that turn what the value network predicted before into what it
            must predict now.
        """
        rollout_mean, variance = returns.mean(1), returns.var(1, unbiased=False)
        first = self.std == 0
        moved = self.mean + RETURN_RATE * (rollout_mean - self.mean)
        mean = torch.where(first, rollout_mean, moved)
        blend = self._variance + RETURN_RATE * (variance - self._variance)
        self._variance = torch.where(first, variance, blend)
        std = torch.maximum(self._variance.sqrt(), RELATIVE_MIN_STD * mean.abs())
        # v' = (std v + mean - mean') / std' leaves the value in the reward's own unit as it is.
        divisor = _nonzero(std)
        factor = torch.where(first, 1.0, self.std / divisor)
        offset = torch.where(first, 0.0, (self.mean - mean) / divisor)
        self.mean, self.std = mean, std
        return factor, offset

    def normalise(self, returns: Tensor) -> Tensor:
        """Returns `[K, B]` to the value network's scale."""
        return (returns - self.mean[:, None]) / _nonzero(self.std)[:, None]

    def denormalise(self, values: Tensor) -> Tensor:
        """The value network's values `[K, B]` to the scale of returns."""
        return values * self.std[:, None] + self.mean[:, None]


def _nonzero(std: Tensor) -> Tensor:
    """The divisor; 1 where a reward was always 0, as its returns are 0 whatever divides them."""
    return torch.where(std > 0, std, 1.0)
