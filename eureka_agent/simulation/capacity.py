"""Sizes of the fixed buffers of a GPU simulation, measured on the CPU, with room to spare.

A GPU simulator drops contacts and constraints that do not fit into its buffers, and every unused
place costs time. So random controls move the model on the CPU, and twice the largest use is
reserved.
"""

from dataclasses import dataclass

import mujoco
import mujoco.batch
import numpy as np

WORLDS = 64
"""Half of them start in the model's pose, half in random poses, where bodies may interpenetrate."""
SECONDS = 1.5
"""Simulated time of the trial, s: long enough to fall over and come to rest."""
MAX_STEPS = 400
HOLD = 10
"""Physics steps that a random control lasts."""
ROOM = 2
"""Places reserved for each used one."""
LEAST_CONTACTS, LEAST_ROWS = 8, 16


@dataclass(frozen=True)
class Capacity:
    """Places in the buffers, per world.

    Attributes:
        contacts: contacts, and pairs of geoms near enough to be checked; worlds share theirs.
        rows: constraint rows: limits, equalities, friction, and several for each contact.
    """

    contacts: int
    rows: int


def measure_capacity(model: mujoco.MjModel, pairs: np.ndarray) -> Capacity:
    """Measure a model; the same model always gives the same answer.

    The model's own request (`<size nconmax="..." njmax="..."/>`) is the least that it gets.

    Args:
        model: the compiled model.
        pairs: geoms that may touch, int `[P, 2]`.
    """
    rng = np.random.default_rng(0)
    batch = mujoco.batch.Batch(model, WORLDS)
    contacts, rows = batch.bind("ncon"), batch.bind("nefc")
    centres, frames = batch.bind("geom_xpos"), batch.bind("geom_xmat")
    controls, positions = batch.bind("ctrl"), batch.bind("qpos")
    positions[WORLDS // 2 :] = _random_poses(model, WORLDS - WORLDS // 2, rng)
    most_contacts = most_rows = 0
    for step in range(min(MAX_STEPS, int(np.ceil(SECONDS / model.opt.timestep)))):
        if step % HOLD == 0:
            controls[:] = _random_controls(model, rng)
            # Rarely: it is much slower than a step, and its answer changes slowly.
            batch.forward(stage=int(mujoco.mjtStage.mjSTAGE_POS))
            near = _near(model, pairs, centres, frames)
            most_contacts = max(most_contacts, int(near.max(initial=0)))
        try:
            batch.step()
        except mujoco.batch.SimulationError:
            pass  # the engine gives up on some random poses; the other worlds continued
        most_contacts = max(most_contacts, int(contacts.max()))
        most_rows = max(most_rows, int(rows.max()))
    return Capacity(
        contacts=max(LEAST_CONTACTS, ROOM * most_contacts, model.nconmax),
        rows=max(LEAST_ROWS, ROOM * most_rows, model.njmax),
    )


def _random_controls(model: mujoco.MjModel, rng: np.random.Generator) -> np.ndarray:
    """Controls `[WORLDS, nu]`, uniform in their ranges, normal where they have none."""
    limited = model.actuator_ctrllimited.astype(bool)
    low, high = model.actuator_ctrlrange.T
    size = (WORLDS, model.nu)
    return np.where(limited, rng.uniform(low, high, size), rng.standard_normal(size))


def _random_poses(model: mujoco.MjModel, n: int, rng: np.random.Generator) -> np.ndarray:
    """Positions `[n, nq]`: joints uniform in their ranges, bodies turned any way."""
    poses = np.tile(model.qpos0, (n, 1))
    for joint in range(model.njnt):
        first = model.jnt_qposadr[joint]
        kind = model.jnt_type[joint]
        if kind in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL):
            first += 3 * (kind == mujoco.mjtJoint.mjJNT_FREE)
            turn = rng.standard_normal((n, 4))
            poses[:, first : first + 4] = turn / np.linalg.norm(turn, axis=1, keepdims=True)
        elif model.jnt_limited[joint]:
            low, high = model.jnt_range[joint]
            poses[:, first] = rng.uniform(low, high, n)
        elif kind == mujoco.mjtJoint.mjJNT_HINGE:
            poses[:, first] = rng.uniform(-np.pi, np.pi, n)
    return poses


def _near(
    model: mujoco.MjModel, pairs: np.ndarray, centres: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """How many pairs of geoms are near enough for a collision check `[WORLDS]`.

    Args:
        model: the compiled model.
        pairs: geoms that may touch `[P, 2]`.
        centres: of all geoms `[WORLDS, ngeom, 3]`.
        frames: their orientations `[WORLDS, ngeom, 3, 3]`, in any shape.
    """
    first, second = pairs.T
    radius = model.geom_rbound  # 0 for a plane, which is infinite
    reach = radius + model.geom_margin
    between = centres[:, second] - centres[:, first]
    distance = np.linalg.norm(between, axis=2)
    normals = frames.reshape(len(centres), model.ngeom, 3, 3)[..., 2]
    above_first = (between * normals[:, first]).sum(2)
    above_second = -(between * normals[:, second]).sum(2)
    distance = np.where(radius[first] == 0, above_first, distance)
    distance = np.where(radius[second] == 0, above_second, distance)
    return (distance <= reach[first] + reach[second]).sum(1)
