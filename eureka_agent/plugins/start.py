"""Where episodes of a model begin: its keyframe, or its own pose put right."""

from dataclasses import dataclass

import mujoco
import numpy as np

START = "start"
"""Name of the keyframe that is written where the model's own pose will not do."""

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_SCALAR = (int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE))
_TOUCH = 0.02
"""Depth of a contact, as a share of the smaller body's size, that may be there at the start."""


@dataclass(frozen=True)
class StartPose:
    """A pose `[nq]`, and why it is not the model's own."""

    pose: np.ndarray
    reason: str


def start_pose(model: mujoco.MjModel) -> StartPose | None:
    """The pose that episodes should begin in; None where the model's own is one."""
    if model.nkey:
        pose, reasons = model.key_qpos[0].copy(), ["the first one of the model"]
    else:
        pose, reasons = model.qpos0.copy(), []
    inside = within_limits(model, pose)
    if not np.allclose(inside, pose, atol=1e-4):
        pose = inside
        reasons.append("joints were moved into their limits")
    lifted = _lifted(model, pose)
    if lifted is not None:
        pose = lifted
        reasons.append("the robot was lifted out of the ground")
    return StartPose(pose, ", and ".join(reasons)) if reasons else None


def within_limits(model: mujoco.MjModel, pose: np.ndarray) -> np.ndarray:
    """The nearest pose `[nq]` within the limits of hinges and slides."""
    pose = pose.copy()
    for joint in range(model.njnt):
        if model.jnt_limited[joint] and model.jnt_type[joint] in _SCALAR:
            address = model.jnt_qposadr[joint]
            pose[address] = np.clip(pose[address], *model.jnt_range[joint])
    return pose


def deepest_contact(model: mujoco.MjModel, pose: np.ndarray) -> tuple[float, str]:
    """How deep geoms overlap in a pose, as a share of the smaller one's size, and which do.

    Args:
        model: the model.
        pose: positions `[nq]`.
    """
    data = mujoco.MjData(model)
    data.qpos[:] = pose
    mujoco.mj_forward(model, data)
    worst, names = 0.0, ""
    for contact in data.contact:
        sizes = [model.geom_rbound[g] for g in contact.geom if model.geom_rbound[g] > 0]
        share = -float(contact.dist) / float(min(sizes, default=1.0))
        if share > worst:
            worst = share
            names = " and ".join(repr(model.geom(int(g)).name or int(g)) for g in contact.geom)
    return worst, names


def _lifted(model: mujoco.MjModel, pose: np.ndarray) -> np.ndarray | None:
    """The pose with all free bodies raised until nothing overlaps; None if that is not needed."""
    free = [int(model.jnt_qposadr[j]) for j in range(model.njnt) if model.jnt_type[j] == _FREE]
    if not free or deepest_contact(model, pose)[0] <= _TOUCH:
        return None
    step = 0.01 * model.stat.extent
    lifted = pose.copy()
    for _ in range(200):
        lifted[[address + 2 for address in free]] += step
        if deepest_contact(model, lifted)[0] <= _TOUCH:
            return lifted
    return None
