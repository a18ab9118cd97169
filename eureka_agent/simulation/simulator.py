"""What the program asks of a physics engine: many worlds of one model, stepped together."""

from collections.abc import Sequence
from typing import Protocol

import mujoco
import numpy as np
import torch
from torch import Tensor

MAX_SPEED = 1e6
"""A velocity beyond this (m/s or rad/s) counts as divergence: no robot recovers from it."""

LATE_FIELDS = frozenset(
    (
        *("act_dot", "actuator_force", "cacc", "cfrc_ext", "cfrc_int", "qacc", "qacc_smooth"),
        *("qfrc_actuator", "qfrc_constraint", "qfrc_inverse", "qfrc_smooth"),
    )
)
"""Fields that hold what acted during the last physics step, not what follows from the state."""


class Simulator(Protocol):
    """`n` worlds of one MuJoCo model with batched tensor views.

    Positions, velocities and their sensors read after `step` or `reset_where` describe the new
    state. Forces, accelerations and their sensors (`LATE_FIELDS`) are those of the last physics
    step, and zero between a reset and the next step.

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

        Shapes are those of `mjData` on every backend; numbers are float64 on the CPU and float32
        on a GPU. Only `ctrl` and `mocap_*` may be written; states change through `reset_where`.

        Raises:
            UsageError: the field does not exist or cannot be viewed.
        """
        ...

    def prepare(self, substeps: int) -> None:
        """Do now what `step(substeps)` and a reset would do first: compile, record, allocate.

        The state stays. Afterwards nothing is compiled or read from disk.
        """
        ...

    def step(self, substeps: int, worlds: Sequence[int] | np.ndarray | None = None) -> None:
        """Advance by `substeps` physics steps the given worlds, or all when None.

        The worlds are a hint that saves time: a backend may step all.
        """
        ...

    def reset_where(
        self,
        mask: Tensor,
        qpos: Tensor,
        qvel: Tensor,
        act: Tensor | None = None,
        keyframe: int = -1,
    ) -> None:
        """Put the worlds in `mask [n]` into fresh states, all else of them as in a keyframe.

        Rows outside the mask are not read. On a GPU nothing waits for the device.

        Args:
            mask: which worlds, bool on `device`.
            qpos: positions `[n, nq]`.
            qvel: velocities `[n, nv]`.
            act: states of actuators that have one `[n, na]`; as in the model when None.
            keyframe: number of the one that gives mocap poses, controls and time; those of the
                model itself when -1.
        """
        ...

    def state(self) -> np.ndarray:
        """Everything that decides how the physics go on, solver warm starts included `[n, X]`."""
        ...

    def restore(self, state: np.ndarray) -> None:
        """Go back to a state."""
        ...

    def diverged(self) -> Tensor:
        """Which worlds left the finite numbers at their last step, `[n]` bool on `device`."""
        ...

    def overflow(self) -> str | None:
        """Say what did not fit into buffers of a fixed size since the last call, and the remedy.

        None when all did, as always on the CPU. What did not fit was left out of the physics. Waits
        for the device: ask once per rollout.
        """
        ...


def out_of_bounds(qpos: Tensor, qvel: Tensor) -> Tensor:
    """Which states `[n, nq]`, `[n, nv]` are no states of a robot any more, `[n]` bool."""
    # One sum per world finds NaN and infinity: both survive addition.
    speed = qvel.abs().amax(1) if qvel.shape[1] else qvel.sum(1)
    return ~torch.isfinite(qpos.sum(1) + speed) | (speed > MAX_SPEED)


def late_sensors(model: mujoco.MjModel) -> Tensor:
    """Entries of `sensordata` that belong to the `LATE_FIELDS`, int64 `[m]`."""
    late = model.sensor_needstage == int(mujoco.mjtStage.mjSTAGE_ACC)
    return torch.from_numpy(np.flatnonzero(np.repeat(late, model.sensor_dim)))
