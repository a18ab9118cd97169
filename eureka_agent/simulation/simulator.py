"""What the program asks of a physics engine: many worlds of one model, stepped together."""

from collections.abc import Sequence
from typing import Protocol

import mujoco
import numpy as np
import torch
from torch import Tensor


class Simulator(Protocol):
    """`n` worlds of one MuJoCo model with batched tensor views.

    Positions, velocities and sensors read after `step` or `reset` describe the new state.

    Attributes:
        model: the compiled model, the same for every world.
        n: number of worlds.
        device: where the tensors returned by `view` live.
    """

    model: mujoco.MjModel
    n: int
    device: torch.device

    def view(self, field: str) -> Tensor:
        """A live `[n, ...]` view of an `mjData` field such as `qpos`, `ctrl` or `sensordata`.

        Only `qpos`, `qvel`, `act`, `ctrl` and `mocap_*` may be written.

        Raises:
            UsageError: the field does not exist or cannot be viewed.
        """
        ...

    def step(self, substeps: int, worlds: Sequence[int] | None = None) -> None:
        """Advance the given worlds (all when None) by `substeps` physics steps."""
        ...

    def reset(self, worlds: Sequence[int], qpos: Tensor, qvel: Tensor) -> None:
        """Put worlds into fresh states `qpos [m, nq]`, `qvel [m, nv]`, all else as in the model."""
        ...

    def state(self) -> np.ndarray:
        """Everything that decides how the physics go on, solver warm starts included `[n, X]`."""
        ...

    def restore(self, state: np.ndarray) -> None:
        """Go back to a state."""
        ...

    def diverged(self) -> Tensor:
        """Which worlds left the finite numbers at their last step, `[n]` bool."""
        ...
