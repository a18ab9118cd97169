"""MuJoCo Warp's model and data, and what can be wrong with them, in words.

This module loads Warp; everything that needs it gets it from here.
"""

import copy
import importlib.metadata
from dataclasses import fields, is_dataclass
from typing import Any

import mujoco
import numpy as np
import torch
import warp as wp

from eureka_agent.common.errors import UsageError
from eureka_agent.simulation.capacity import Capacity

wp.config.log_level = wp.LOG_ERROR  # before the next import: its greeting would go to stdout

import mujoco_warp as mjw  # noqa: E402

__all__ = [
    "explain_overflow",
    "make_data",
    "mjw",
    "prepared",
    "put_model",
    "too_many",
    "usable_gpus",
    "worlds_that_fit",
    "wp",
]

SCRATCH = 1.5
"""Memory in use at a time over that of the worlds' own arrays: solver and graphs need some."""

_CONTACTS = mjw.OverflowType.BROADPHASE | mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD
_ROWS = mjw.OverflowType.NEFC | mjw.OverflowType.NJMAX_NNZ
_UNFINISHED = mjw.OverflowType.ITERATIONS | mjw.OverflowType.LS_ITERATIONS
"""The solver stopped at its limit of iterations, as on the CPU: not a buffer."""


def usable_gpus() -> int:
    """How many GPUs Warp can use; 0 where the driver is missing or too old."""
    return wp.get_cuda_device_count()


def prepared(model: mujoco.MjModel) -> mujoco.MjModel:
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


def put_model(model: mujoco.MjModel) -> Any:
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


def too_many(n: int, fit: int, device: torch.device) -> UsageError:
    """What to raise when only `fit` of `n` worlds find place on a device."""
    return UsageError(
        f"{n} worlds of this model do not fit into the memory of {device}; about {fit} would.",
        "Use fewer candidates or fewer worlds for each, or wait until the GPU is free.",
    )


def explain_overflow(masks: np.ndarray, capacity: Capacity) -> str | None:
    """What overflowed in how many worlds, and what to do; None when nothing did.

    Args:
        masks: bits of `OverflowType` per world, int `[n]`.
        capacity: the places that there were.
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
    left_out = "What did not fit was left out of the physics."
    return f"{worlds} of {len(masks)} worlds had {' and '.join(said)}. {left_out}"
