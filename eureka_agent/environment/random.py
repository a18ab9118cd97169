"""Random numbers as a pure function of (stream, episode, draw).

A world's reset noise must not depend on what other worlds do, on how many there are, or on how many
numbers were drawn before. So there is no generator whose state advances: each number is a hash of a
64-bit key. The hash is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014, figure 17), on 64-bit integers that wrap around, on any device.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)


def mix(*parts: int | Tensor) -> Tensor:
    """Hash integers (broadcast against each other) into one 64-bit key per element, int64."""
    far = [part.device for part in parts if isinstance(part, Tensor) and part.device.type != "cpu"]
    device = far[0] if far else None
    key = _integers(0, device)
    for part in parts:
        key = _splitmix(key * _GOLDEN + _integers(part, device) + _GOLDEN)
    return torch.as_tensor(key)


class ResetNoise:
    """Noise for the reset of `m` worlds; every call draws fresh numbers.

    Args:
        keys: one 64-bit key per world, int64 `[m]`; the noise lies on its device.
    """

    def __init__(self, keys: Tensor) -> None:
        self._keys = keys
        self._draws = 0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def device(self) -> torch.device:
        """Where the noise lies."""
        return self._keys.device

    def uniform(self, size: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform numbers in [low, high), `[m, size]` float64."""
        return low + (high - low) * self._unit(size)

    def normal(self, size: int, spread: float = 1.0) -> Tensor:
        """Normal numbers with mean 0 and standard deviation `spread`, `[m, size]` float64."""
        # Box-Muller; 1 - u keeps the logarithm finite.
        radius = (-2.0 * (1.0 - self._unit(size)).log()).sqrt()
        return spread * radius * (2.0 * math.pi * self._unit(size)).cos()

    def _unit(self, size: int) -> Tensor:
        counter = torch.arange(self._draws, self._draws + size, device=self._keys.device)
        self._draws += size
        # The upper 53 bits of a key fill the mantissa of a float64.
        return _shifted(mix(self._keys[:, None], counter), 11).double() * 2.0**-53


def _integers(part: int | Tensor, device: torch.device | None) -> Any:
    """An operand as a tensor on a device, or as a NumPy array on the CPU when None.

    Resets are small and frequent, and NumPy's calls cost a third of torch's.
    """
    if device is None:
        return np.array([part]) if isinstance(part, int) else part.numpy()
    # Filled on the device: sending a number would wait for it.
    whole = isinstance(part, int)
    return torch.full((1,), part, dtype=torch.int64, device=device) if whole else part


def _splitmix(z: Any) -> Any:
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return z ^ _shifted(z, 31)


def _shifted(z: Any, bits: int) -> Any:
    """Shift right as an unsigned number."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
