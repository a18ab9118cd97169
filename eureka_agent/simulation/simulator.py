"""The interface of simulators, and the one on the CPU: `mujoco.batch.Batch`, a C thread pool."""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import mujoco
import mujoco.batch
import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError

MAX_SPEED = 1e6
"""A velocity beyond this (m/s or rad/s) counts as divergence: no robot recovers from it."""
LATE_FIELDS = frozenset(
    (
        *("act_dot", "actuator_force", "cacc", "cfrc_ext", "cfrc_int", "qacc", "qacc_smooth"),
        *("qfrc_actuator", "qfrc_constraint", "qfrc_inverse", "qfrc_smooth"),
    )
)
"""Fields of MuJoCo's acceleration stage: they belong to the last physics step, not to the state."""


class Simulator(ABC):
    """`n` worlds of one MuJoCo model with batched tensor views.

    Positions, velocities and their sensors read after `step` or `reset_where` describe the new
    state. Forces, accelerations and their sensors (`LATE_FIELDS`) are those of the last physics
    step, and zero between a reset and the next step.

    Attributes:
        model: the compiled model, the same for every world.
        n: number of worlds.
        device: where the tensors returned by `view` live.
    """

    def __init__(self, model: mujoco.MjModel, n: int, device: torch.device) -> None:
        self.model, self.n, self.device = model, n, device
        self._views: dict[str, Tensor] = {}
        late = model.sensor_needstage == int(mujoco.mjtStage.mjSTAGE_ACC)
        entries = np.flatnonzero(np.repeat(late, model.sensor_dim))
        self._late_sensors = torch.from_numpy(entries).to(device)  # entries of `sensordata`

    def view(self, field: str) -> Tensor:
        """A live `[n, ...]` view of an `mjData` field such as `qpos`, `ctrl` or `sensordata`.

        Shapes are those of `mjData` on every backend; numbers are float64 on the CPU and float32
        on a GPU. Only `ctrl` and `mocap_*` may be written; states change through `reset_where`.

        Raises:
            UsageError: the field does not exist or cannot be viewed.
        """
        if field not in self._views:
            self._bind(field)
        return self._views[field]

    @abstractmethod
    def _bind(self, field: str) -> None:
        """Make the view of a field."""

    def prepare(self, substeps: int) -> None:  # noqa: B027 the CPU has nothing to prepare
        """Do now what `step(substeps)` and a reset would do first: compile, record, allocate.

        The state stays. Afterwards nothing is compiled or read from disk.
        """

    @abstractmethod
    def step(self, substeps: int, worlds: Sequence[int] | np.ndarray | None = None) -> None:
        """Advance by `substeps` physics steps the given worlds, or all when None.

        The worlds are a hint that saves time: a backend may step all.
        """

    @abstractmethod
    def reset_where(
        self,
        mask: Tensor,
        qpos: Tensor,
        qvel: Tensor,
        act: Tensor | None = None,
        keyframe: int = -1,
    ) -> None:
        """Put the worlds in `mask [n]` into fresh states; the rest of each is as in a keyframe.

        Rows outside the mask are not read. On a GPU nothing waits for the device.

        Args:
            mask: which worlds, bool on `device`.
            qpos: positions `[n, nq]`.
            qvel: velocities `[n, nv]`.
            act: activations of stateful actuators `[n, na]`; as in the model when None.
            keyframe: number of the one that gives mocap poses, controls and time; those of the
                model itself when -1.
        """

    @abstractmethod
    def state(self) -> np.ndarray:
        """All that decides how the physics continue, solver warm starts included `[n, X]`."""

    @abstractmethod
    def restore(self, state: np.ndarray) -> None:
        """Go back to a state."""

    def diverged(self) -> Tensor:
        """Which worlds are not finite or faster than `MAX_SPEED`, `[n]` bool on `device`."""
        qpos, qvel = self.view("qpos"), self.view("qvel")
        # One sum per world finds NaN and infinity: both survive addition.
        speed = qvel.abs().amax(1) if qvel.shape[1] else qvel.sum(1)
        return ~torch.isfinite(qpos.sum(1) + speed) | (speed > MAX_SPEED)

    def overflow(self) -> str | None:
        """What did not fit into buffers of a fixed size since the last call, with the remedy.

        None when all did, as always on the CPU. The physics left out what did not fit. Waits for
        the device: ask once per rollout.
        """
        return None


class CpuSimulator(Simulator):
    """`n` worlds on CPU threads; see `Simulator`.

    `Batch` gives bit-identical physics for any number of worlds and threads, so a world never
    depends on its neighbours. It must not be used from several Python threads at once.

    Args:
        model: the compiled model; it is copied and never changed.
        n: number of worlds.
        threads: physics threads; 0 means one per core.
    """

    def __init__(self, model: mujoco.MjModel, n: int, threads: int = 0) -> None:
        model = copy.deepcopy(model)
        # mujoco 4.0.0 ships a core whose sparse Newton solver assembles wrong Hessians.
        model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
        # The engine's silent reset of diverged worlds would hide divergence from the judge.
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        super().__init__(model, n, torch.device("cpu"))
        self._batch = mujoco.batch.Batch(model, n, nthread=threads or available_cores())
        self._failed = np.zeros(n, dtype=bool)

    def _bind(self, field: str) -> None:
        try:
            array = self._batch.bind(field)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"The simulator has no field {field!r}: {error}") from error
        if array.flags.writeable:
            self._views[field] = torch.from_numpy(array)
            return
        # Outputs of the physics are read-only arrays, which torch cannot express: nothing here
        # writes to them, so the flag is lifted on a view of the same memory.
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        holder = type("Memory", (), {"__array_interface__": interface, "owner": array})()
        self._views[field] = torch.from_numpy(np.asarray(holder))
        # Outputs are copied out after a call: without one the new view would hold zeros.
        self._refresh()

    def step(self, substeps: int, worlds: Sequence[int] | np.ndarray | None = None) -> None:
        """See `Simulator.step`."""
        ids = None if worlds is None else np.asarray(worlds, dtype=np.int32)
        self._failed[:] = False
        try:
            self._batch.step(ids, nstep=substeps, stage=int(mujoco.mjtStage.mjSTAGE_VEL))
        except mujoco.batch.SimulationError as error:
            self._failed[np.asarray(error.ids, dtype=np.int64)] = True

    def reset_where(
        self,
        mask: Tensor,
        qpos: Tensor,
        qvel: Tensor,
        act: Tensor | None = None,
        keyframe: int = -1,
    ) -> None:
        """See `Simulator.reset_where`; only the worlds in the mask cost anything."""
        rows = mask.nonzero()[:, 0]
        if not len(rows):
            return
        ids = rows.int().numpy()
        self._batch.reset(ids, keyframe=keyframe, stage=int(mujoco.mjtStage.mjSTAGE_NONE))
        self.view("qpos")[rows] = qpos[rows].double()
        self.view("qvel")[rows] = qvel[rows].double()
        if act is not None and self.model.na:
            self.view("act")[rows] = act[rows].double()
        self._refresh(ids)
        for view, columns in self._late():
            view[rows[:, None], columns] = 0.0

    def state(self) -> np.ndarray:
        """See `Simulator.state`."""
        return self._batch.state.copy()

    def restore(self, state: np.ndarray) -> None:
        """See `Simulator.restore`."""
        self._batch.state[:] = state
        self._refresh()

    def diverged(self) -> Tensor:
        """See `Simulator.diverged`."""
        return super().diverged() | torch.from_numpy(self._failed)

    def _refresh(self, ids: np.ndarray | None = None) -> None:
        """Compute what follows from the states of worlds, all when None."""
        # Worlds share `MjData` buffers: fields that this call does not compute would come out with
        # another world's values.
        kept = [(view, columns, view[:, columns].clone()) for view, columns in self._late()]
        self._batch.forward(ids, stage=int(mujoco.mjtStage.mjSTAGE_VEL))
        for view, columns, value in kept:
            view[:, columns] = value

    def _late(self) -> Iterator[tuple[Tensor, Tensor | slice]]:
        """The views in use of results of the last physics step, as `[n, ...]` and columns."""
        for field in LATE_FIELDS & self._views.keys():
            yield self._views[field], slice(None)
        if "sensordata" in self._views and len(self._late_sensors):
            yield self._views["sensordata"], self._late_sensors


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
