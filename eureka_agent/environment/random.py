"""Random numbers as a pure function of (stream, episode, draw).

A world's reset noise must not depend on what other worlds do, on how many there are, or on how
often somebody asked before. So there is no generator whose state advances: each number is a hash
of a 64-bit key. The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014, figure 17).
"""

import numpy as np
import torch
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(*parts: int | np.ndarray) -> np.ndarray:
    """Hash integers (broadcast against each other) into one 64-bit key per element."""
    key = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            key = _splitmix(key * _GOLDEN + np.asarray(part).astype(np.uint64) + _GOLDEN)
    return key


class ResetNoise:
    """Noise for the reset of `m` worlds; every call draws fresh numbers.

    Args:
        keys: one 64-bit key per world, `[m]`.
    """

    def __init__(self, keys: np.ndarray) -> None:
        self._keys = keys
        self._draws = 0

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high), `[m, size]` float64."""
        return torch.from_numpy(low + (high - low) * self._unit(size))

    def normal(self, size: int, spread: float = 1.0) -> Tensor:
        """Normal numbers with mean 0 and standard deviation `spread`, `[m, size]` float64."""
        # Box-Muller; 1 - u keeps the logarithm finite.
        radius = np.sqrt(-2.0 * np.log(1.0 - self._unit(size)))
        return torch.from_numpy(spread * radius * np.cos(2.0 * np.pi * self._unit(size)))

    def _unit(self, size: int) -> np.ndarray:
        counter = np.arange(self._draws, self._draws + size)
        self._draws += size
        bits = mix(self._keys[:, None], counter[None, :])
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _splitmix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
