"""The GPU simulator: MuJoCo Warp, whose kernel launches are recorded once and replayed as graphs.

It runs on Warp's CPU device as well, for tests: the same calls, the same graphs.

Hazards: a graph holds addresses, so arrays are written in place and never replaced, and options
must not change after the recording. Worlds share the buffer of contacts, and sums run in the order
in which threads finish: on a GPU two runs differ in their last digits, and so do worlds whose
neighbours differ.

Two things differ from the CPU beyond rounding: boxes touch in up to four points instead of eight,
and the friction pyramid of a capsule that stands on a plane at more than 60 degrees is turned about
the normal.
"""

import copy
import gc
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import mujoco
import mujoco.batch
import numpy as np
import torch
import warp as wp
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.simulation.capacity import Capacity, measure_capacity
from eureka_agent.simulation.simulator import LATE_FIELDS, Simulator

wp.config.log_level = wp.LOG_ERROR  # before the next import: its greeting would go to stdout

import mujoco_warp as mjw  # noqa: E402

SCRATCH = 1.5
"""Peak memory over that of the worlds' own arrays, as solver and graphs need some."""
_STATE = int(mujoco.mjtState.mjSTATE_INTEGRATION)
_CONTACTS = mjw.OverflowType.BROADPHASE | mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD
_ROWS = mjw.OverflowType.NEFC | mjw.OverflowType.NJMAX_NNZ
_UNFINISHED = mjw.OverflowType.ITERATIONS | mjw.OverflowType.LS_ITERATIONS
"""The solver stopped at its limit of iterations, as on the CPU: not a buffer."""


def _prepared(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy with options that MuJoCo Warp takes.

    Raises:
        UsageError: the model's solver is one that MuJoCo Warp does not have.
    """
    model = copy.deepcopy(model)
    if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
        raise UsageError(
            "The model asks for the PGS solver, which the GPU simulator does not have.",
            'Set <option solver="Newton"/> in the model, or train on the CPU with --device cpu.',
        )
    # It never resets a diverged world by itself, and does not know the flag that forbids it.
    model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    # How matrices are stored is the engine's choice here: large models must be sparse.
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_AUTO
    return model


def _put_model(model: mujoco.MjModel) -> Any:
    """The model on the current device.

    Raises:
        UsageError: it uses something that MuJoCo Warp lacks.
    """
    try:
        physics = mjw.put_model(model)
    except (NotImplementedError, ValueError) as error:
        version = importlib.metadata.version("mujoco-warp")
        raise UsageError(
            f"MuJoCo Warp {version} cannot simulate this model: {error}",
            "Change the model, or train on the CPU with --device cpu.",
        ) from error
    physics.opt.warn_overflow = False  # printing from a kernel makes all worlds wait
    if wp.get_device().is_cuda and not wp.is_conditional_graph_supported():
        physics.opt.graph_conditional = False
    return physics


def make_data(model: mujoco.MjModel, n: int, capacity: Capacity) -> Any:
    """`n` worlds of a model on the current device."""
    return mjw.make_data(model, n, nconmax=capacity.contacts, njmax=capacity.rows)


def worlds_that_fit(model: mujoco.MjModel, capacity: Capacity, device: torch.device) -> int:
    """About how many worlds fit into the free memory of a device."""
    if device.type == "cpu":
        return 1 << 31
    with wp.ScopedDevice("cpu"):
        one, two = (_memory(make_data(model, n, capacity)) for n in (1, 2))
    free, _ = torch.cuda.mem_get_info(device)
    return int(free / (SCRATCH * (two - one)))


def _memory(arrays: Any) -> int:
    """Bytes of all arrays of a dataclass, nested ones included."""
    total = 0
    for field in fields(arrays):
        value = getattr(arrays, field.name)
        if isinstance(value, wp.array):
            total += value.capacity
        elif is_dataclass(value):
            total += _memory(value)
    return total


def _too_many(n: int, fit: int, device: torch.device) -> UsageError:
    return UsageError(
        f"{n} worlds of this model do not fit into the memory of {device}; about {fit} would.",
        "Use fewer candidates or fewer worlds for each, or wait until the GPU is free.",
    )


def explain_overflow(masks: np.ndarray, capacity: Capacity) -> str | None:
    """What overflowed in how many worlds, and what to do; None when nothing did.

    Args:
        masks: bits of `OverflowType` per world, int `[n]`.
        capacity: the places that were reserved.
    """
    masks = masks & ~int(_UNFINISHED)
    worlds = np.count_nonzero(masks)
    if not worlds:
        return None
    kinds = mjw.OverflowType(int(np.bitwise_or.reduce(masks)))
    said = []
    if kinds & _CONTACTS:
        said.append(
            f"more contacts than the {capacity.contacts} reserved per world (raise them with "
            f'<size nconmax="{2 * capacity.contacts}"/> in the model)'
        )
    if kinds & _ROWS:
        said.append(
            f"more constraint rows than the {capacity.rows} reserved (raise them with "
            f'<size njmax="{2 * capacity.rows}"/> in the model)'
        )
    others = kinds & ~(_CONTACTS | _ROWS)
    if others:
        said.append(f"more than fits of {others.name} (simplify the model's geometry)")
    had = f"{worlds} of {len(masks)} worlds had {' and '.join(said)}."
    return f"{had} The physics left out what did not fit."


class WarpSimulator(Simulator):
    """`n` worlds on one device, float32; see `Simulator`.

    The last call of a control step leaves positions and velocities computed, and the next one
    continues from them (`step2`), so that only `step1` costs time beyond the physics.

    Args:
        model: the compiled model; it is copied and never changed.
        n: number of worlds.
        device: a CUDA device with an index, or the CPU.

    Raises:
        UsageError: the model uses something that MuJoCo Warp lacks, or the worlds do not fit into
            the device's memory.
    """

    def __init__(self, model: mujoco.MjModel, n: int, device: torch.device) -> None:
        super().__init__(_prepared(model), n, device)
        wp.init()
        self._device = wp.device_from_torch(device)
        self._steps: dict[int, Any] = {}
        self._keyframes: dict[int, dict[str, Tensor]] = {}
        with wp.ScopedDevice(self._device):
            self._physics = _put_model(self.model)
            self.capacity = measure_capacity(
                self.model, self._physics.nxn_geom_pair_filtered.numpy().reshape(-1, 2)
            )
            fit = worlds_that_fit(self.model, self.capacity, device)
            if n > fit:
                raise _too_many(n, fit, device)
            try:
                self._data = make_data(self.model, n, self.capacity)
                self._allocate()
                self._try_out()
            except RuntimeError as error:
                if "allocate" not in str(error):
                    raise
                raise _too_many(n, fit, device) from error
        self._compute_graph = self._record(self._compute)
        self._reset_graph = self._record(self._reset)
        self._save_graph = self._record(self._save)
        self._load_graph = self._record(self._load)
        everywhere = torch.ones(n, dtype=torch.bool, device=device)
        start = torch.from_numpy(self.model.qpos0).to(device).expand(n, -1)
        self.reset_where(everywhere, start, torch.zeros(n, self.model.nv, device=device))

    def prepare(self, substeps: int) -> None:
        """See `Simulator.prepare`; the rest happened at construction. The state stays."""
        if substeps not in self._steps:
            self._steps[substeps] = self._record(lambda: self._advance(substeps))

    def step(self, substeps: int, worlds: Sequence[int] | np.ndarray | None = None) -> None:
        """See `Simulator.step`; all worlds are stepped."""
        self.prepare(substeps)
        if len(self._late_sensors):
            # The engine adds to them, from zeros that `_compute` leaves and `_refresh` covers.
            self.view("sensordata").index_fill_(1, self._late_sensors, 0.0)
        self._replay(self._steps[substeps])
        self._refresh()

    def reset_where(
        self,
        mask: Tensor,
        qpos: Tensor,
        qvel: Tensor,
        act: Tensor | None = None,
        keyframe: int = -1,
    ) -> None:
        """See `Simulator.reset_where`; every world costs the same, in the mask or not."""
        self._overflowed |= self._overflow  # a reset forgets it
        self._mask.copy_(mask)
        self._replay(self._reset_graph)
        given = {"qpos": qpos, "qvel": qvel}
        if act is not None and self.model.na:
            given["act"] = act
        if keyframe >= 0:
            given |= self._of_keyframe(keyframe)
        for field, value in given.items():
            view = self.view(field)
            chosen = mask.view(-1, *[1] * (view.ndim - 1))
            torch.where(chosen, value.to(view), view, out=view)
        self._refresh()
        # Sensors among these are zero already: the engine clears them at a reset.
        for field in LATE_FIELDS & self._views.keys():
            view = self._views[field]
            view.masked_fill_(mask.view(-1, *[1] * (view.ndim - 1)), 0.0)

    def _of_keyframe(self, number: int) -> dict[str, Tensor]:
        """Fields of a keyframe beside positions, velocities and activations, sent once."""
        if number not in self._keyframes:
            model = self.model
            said = {
                "ctrl": model.key_ctrl[number],
                "mocap_pos": model.key_mpos[number].reshape(-1, 3),
                "mocap_quat": model.key_mquat[number].reshape(-1, 4),
                "time": model.key_time[number],
            }
            self._keyframes[number] = {
                field: torch.as_tensor(value, dtype=torch.float32, device=self.device)
                for field, value in said.items()
                if np.size(value)
            }
        return self._keyframes[number]

    def state(self) -> np.ndarray:
        """See `Simulator.state`; float32."""
        self._replay(self._save_graph)
        return wp.to_torch(self._state).cpu().numpy().copy()

    def restore(self, state: np.ndarray) -> None:
        """See `Simulator.restore`."""
        wp.to_torch(self._state).copy_(torch.from_numpy(np.asarray(state, dtype=np.float32)))
        self._replay(self._load_graph)
        self._refresh()

    def overflow(self) -> str | None:
        """See `Simulator.overflow`."""
        seen = (self._overflowed | self._overflow).cpu().numpy()
        self._overflowed.zero_()
        self._overflow.zero_()
        return explain_overflow(seen, self.capacity)

    def _bind(self, field: str) -> None:
        array = getattr(self._data, field, None)
        if field not in mujoco.batch.DATA_FIELDS or not isinstance(array, wp.array):
            raise UsageError(f"The GPU simulator has no field {field!r}.")
        shape = np.shape(getattr(mujoco.MjData(self.model), field))
        tensor = wp.to_torch(array)
        if tensor.numel() != self.n * int(np.prod(shape)):
            raise UsageError(f"The GPU simulator keeps {field!r} in a form of its own.")
        self._views[field] = tensor.view(self.n, *shape)  # matrices are flat there

    def _allocate(self) -> None:
        """Allocate what the graphs read besides the engine's own arrays."""
        size = mujoco.mj_stateSize(self.model, _STATE)
        self._state: Any = wp.zeros((self.n, size), dtype=float)
        self._reset_mask = wp.zeros(self.n, dtype=bool)
        self._mask = wp.to_torch(self._reset_mask)
        self._overflow = wp.to_torch(self._data.overflow)
        self._overflowed = torch.zeros_like(self._overflow)

    def _try_out(self) -> None:
        """Call everything once: it compiles every kernel and reaches the peak of memory."""
        self._compute()
        self._advance(2)
        self._save()
        self._load()
        self._reset()
        wp.synchronize_device(self._device)  # from here on, all goes through PyTorch's stream

    def _advance(self, substeps: int) -> None:
        """Physics steps from a state whose positions and velocities are computed."""
        for substep in range(substeps):
            if self._whole_steps:
                mjw.step(self._physics, self._data)
                continue
            if substep:
                self._compute()
            mjw.step2(self._physics, self._data)

    @property
    def _whole_steps(self) -> bool:
        """Whether a step must start anew, not from what the last call computed."""
        option = self.model.opt
        runge_kutta = option.integrator == mujoco.mjtIntegrator.mjINT_RK4  # needs all stages
        sleep = bool(option.enableflags & mujoco.mjtEnableBit.mjENBL_SLEEP)
        return runge_kutta or sleep or self.model.nmocap > 0  # may have been moved meanwhile

    def _compute(self) -> None:
        """Compute positions, velocities and their sensors from the state."""
        mjw.step1(self._physics, self._data)
        if self._held:
            # Equality constraints use the bodies' velocities before these are computed: they must
            # see them once more.
            mjw.step1(self._physics, self._data)

    @property
    def _held(self) -> bool:
        """Whether equality constraints that depend on velocities hold bodies together."""
        kinds = (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD)
        return bool(np.isin(self.model.eq_type, [int(kind) for kind in kinds]).any())

    def _reset(self) -> None:
        mjw.reset_data(self._physics, self._data, self._reset_mask)

    def _save(self) -> None:
        mjw.get_state(self._physics, self._data, self._state, _STATE)

    def _load(self) -> None:
        mjw.set_state(self._physics, self._data, self._state, _STATE)

    def _refresh(self) -> None:
        """Replay `_compute`, keeping the late sensors, which it clears."""
        if not len(self._late_sensors):
            self._replay(self._compute_graph)
            return
        sensors = self.view("sensordata")
        kept = sensors.index_select(1, self._late_sensors)
        self._replay(self._compute_graph)
        sensors.index_copy_(1, self._late_sensors, kept)

    def _record(self, calls: Callable[[], None]) -> Any:
        """Record calls as a graph without running them."""
        with _no_collection(), wp.ScopedDevice(self._device):
            with wp.ScopedCapture(device=self._device) as capture:
                calls()
        return capture.graph

    def _replay(self, graph: Any) -> None:
        # A thread may not have chosen the device yet, and the default stream belongs to none.
        with wp.ScopedDevice(self._device):
            wp.capture_launch(graph, stream=self._stream())

    def _stream(self) -> Any:
        """PyTorch's current stream as Warp's, so that the two run in order; None on the CPU."""
        if self.device.type == "cpu":
            return None
        return wp.stream_from_torch(torch.cuda.current_stream(self.device))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Suspend garbage collection, as freeing device memory breaks a recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
