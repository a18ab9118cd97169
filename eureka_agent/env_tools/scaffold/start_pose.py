"""Where episodes of a model begin: a keyframe, or its own pose, corrected where that is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np

START = "start"
"""Name of the keyframe that is written where the model has no pose that will do."""
MAX_OVERLAP = 0.25
"""Overlap of two bodies at the start, as a fraction of the smaller one's size."""
BROKEN = 0.1
"""Distance, m or rad, at which an equality constraint is broken; less in a model below 1 m."""
OVERLAP_REMEDY = (
    "Move apart what overlaps, keep it from colliding (<contact><exclude .../>), or add a keyframe."
)
CONSTRAINT_REMEDY = (
    "Add a keyframe in which it holds, with the poses of mocap bodies (mpos, mquat), or take it "
    "out."
)

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_SCALAR = (int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE))
_TOUCH = 0.02
"""Overlap at the start up to which nothing is moved."""
_LIFTS, _TRIES, _DRAWS = 200, 200, 16


@dataclass(frozen=True)
class StartPose:
    """Where episodes begin.

    Attributes:
        pose: positions `[nq]`.
        key: number of the keyframe that it comes from, -1 for the model's own pose.
        moved: whether the pose is not that of the keyframe or the model itself.
        reason: why it is this one; empty where the model's own pose will do.
        trouble: what is wrong with it; empty if nothing is.
        cure: what to do about that.
    """

    pose: np.ndarray
    key: int
    moved: bool
    reason: str
    trouble: str = ""
    cure: str = ""


def start_pose(model: mujoco.MjModel) -> StartPose:
    """The pose that episodes should begin in.

    That is the first keyframe in which no geoms overlap and no equality constraint is broken, after
    joints were moved into their limits and the robot out of the ground; else the model's own pose;
    else one near the first choice, with joints drawn at random.
    """
    refused: dict[str, list[str]] = {}
    choices = [_corrected(model, key) for key in (*range(model.nkey), -1)]
    for choice in choices:
        if not choice.trouble:
            return _explained(model, choice, refused)
        refused.setdefault(choice.trouble, []).append(_called(model, choice.key))
    drawn = _drawn(model, choices[0])
    return _explained(model, drawn or choices[0], refused if drawn else {})


def add_start_keyframe(spec: mujoco.MjSpec, model: mujoco.MjModel, start: StartPose) -> str:
    """Have a keyframe hold where episodes begin; returns its name, empty for the model's own pose.

    Args:
        spec: of the model; it gets another keyframe only where none has the pose.
        model: the same, compiled.
        start: the result of `start_pose`.
    """
    if start.key < 0 and not start.moved:
        return ""
    own = spec.keys[start.key] if start.key >= 0 else None
    taken = {key.name for key in spec.keys}
    name = START
    while name in taken:
        name += "_"
    if own is not None and not start.moved:
        own.name = own.name or name
        return own.name
    added = spec.add_key(name=name, qpos=start.pose)
    if own is not None:
        added.time = own.time
        for field in ("qvel", "act", "ctrl", "mpos", "mquat"):
            setattr(added, field, getattr(model, f"key_{field}")[start.key])
    return name


def safe_noise(model: mujoco.MjModel, start: StartPose, noise: float) -> float:
    """The noise, at most `noise`, at which no bodies overlap and no constraint breaks."""
    random = np.random.default_rng(0)
    for _ in range(8):
        draws = random.uniform(-noise, noise, (_DRAWS, model.nq))
        poses = [within_limits(model, start.pose + draw) for draw in draws]
        deepest = max(deepest_contact(model, pose, start.key)[0] for pose in poses)
        broken = any(broken_constraint(model, pose, start.key)[1] for pose in poses)
        if deepest <= 0.5 * MAX_OVERLAP and not broken:
            break
        noise *= 0.5
    return noise


def within_limits(model: mujoco.MjModel, pose: np.ndarray) -> np.ndarray:
    """The nearest pose `[nq]` within the limits of hinges and slides."""
    pose = pose.copy()
    limited = np.isin(model.jnt_type, _SCALAR) & model.jnt_limited.astype(bool)
    places = model.jnt_qposadr[limited]
    pose[places] = np.clip(pose[places], *model.jnt_range[limited].T)
    return pose


def deepest_contact(model: mujoco.MjModel, pose: np.ndarray, key: int = -1) -> tuple[float, str]:
    """How deep geoms overlap in a pose, as a fraction of the smaller one's size, and which do.

    Args:
        model: the model.
        pose: positions `[nq]`.
        key: number of the keyframe with the rest of the state; -1 for the model itself.
    """
    worst, names = 0.0, ""
    for contact in _posed(model, pose, key).contact:
        if contact.geom[0] < 0 or contact.geom[1] < 0:
            continue  # of a deformable part
        sizes = [model.geom_rbound[g] for g in contact.geom if model.geom_rbound[g] > 0]
        overlap = -float(contact.dist) / float(min(sizes, default=1.0))
        if overlap > worst:
            worst = overlap
            names = " and ".join(repr(model.geom(int(g)).name or int(g)) for g in contact.geom)
    return worst, names


def broken_constraint(model: mujoco.MjModel, pose: np.ndarray, key: int = -1) -> tuple[float, str]:
    """By how much the worst equality constraint is violated, and which it is.

    Args:
        model: the model.
        pose: positions `[nq]`.
        key: number of the keyframe with the rest of the state; -1 for the model itself.

    Returns:
        The distance, m or rad, and the constraint in words; (0, "") if all hold.
    """
    data = _posed(model, pose, key)
    rows = np.flatnonzero(data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_EQUALITY))
    if not len(rows):
        return 0.0, ""
    worst = rows[np.abs(data.efc_pos[rows]).argmax()]
    gap = abs(float(data.efc_pos[worst]))
    if gap <= BROKEN * min(1.0, float(model.stat.extent)):
        return 0.0, ""
    return gap, _constraint(model, int(data.efc_id[worst]))


def _posed(model: mujoco.MjModel, pose: np.ndarray, key: int) -> mujoco.MjData:
    data = mujoco.MjData(model)
    if key >= 0:
        mujoco.mj_resetDataKeyframe(model, data, key)
    data.qpos[:] = pose
    mujoco.mj_forward(model, data)
    return data


def _corrected(model: mujoco.MjModel, key: int) -> StartPose:
    """A keyframe or the model's own pose, with joints inside their limits and above the ground."""
    own = model.key_qpos[key] if key >= 0 else model.qpos0
    pose, done = within_limits(model, own), []
    if np.allclose(pose, own, atol=1e-4):
        pose = own.copy()
    else:
        done.append("joints were moved into their limits")
    lifted = _lifted(model, pose, key)
    if lifted is not None:
        pose = lifted
        done.append("what floats was lifted until nothing overlaps")
    return StartPose(pose, key, bool(done), ", and ".join(done), *_trouble(model, pose, key))


def _trouble(model: mujoco.MjModel, pose: np.ndarray, key: int) -> tuple[str, str]:
    """What is wrong with a pose, and what to do about it; both empty if nothing is."""
    if not np.isfinite(pose).all():
        return "positions are not finite", "Correct the numbers of the keyframe."
    depth, geoms = deepest_contact(model, pose, key)
    if depth > MAX_OVERLAP:
        return f"{geoms} overlap", OVERLAP_REMEDY
    gap, constraint = broken_constraint(model, pose, key)
    return (f"{constraint} is broken by {gap:.2g}", CONSTRAINT_REMEDY) if constraint else ("", "")


def _lifted(model: mujoco.MjModel, pose: np.ndarray, key: int) -> np.ndarray | None:
    """The pose with all floating bodies raised until nothing overlaps; None if none need be."""
    heights = model.jnt_qposadr[model.jnt_type == _FREE] + 2
    best, lowest = None, deepest_contact(model, pose, key)[0]
    if not len(heights) or lowest <= _TOUCH:
        return None
    step = 0.01 * float(model.stat.extent)
    for number in range(1, _LIFTS):
        lifted = pose.copy()
        lifted[heights] += number * step
        depth = deepest_contact(model, lifted, key)[0]
        if depth < 0.95 * lowest:  # what overlaps within the robot itself stays
            best, lowest = lifted, depth
        if depth <= _TOUCH:
            break
    return best


def _drawn(model: mujoco.MjModel, choice: StartPose) -> StartPose | None:
    """A pose near another one, with hinges and slides drawn until nothing is wrong with it."""
    random = np.random.default_rng(0)
    scalar = np.isin(model.jnt_type, _SCALAR)
    places, limited = model.jnt_qposadr[scalar], model.jnt_limited[scalar].astype(bool)
    low, high = (np.where(limited, model.jnt_range[scalar, i], (-1.0, 1.0)[i]) for i in (0, 1))
    for number in range(_TRIES):
        pose, distance = choice.pose.copy(), (number + 1) / _TRIES
        pose[places] += distance * (random.uniform(low, high) - pose[places])
        if not _trouble(model, pose, choice.key)[0]:
            done = "joints were moved until nothing overlaps and all constraints hold"
            return StartPose(pose, choice.key, True, done)
    return None


def _explained(
    model: mujoco.MjModel, choice: StartPose, refused: Mapping[str, Sequence[str]]
) -> StartPose:
    """A choice with all the reasons for it, and what would have been wrong elsewhere."""
    first = ", the first one of the model" if choice.key == 0 else ""
    why = [f"in {', '.join(poses)} {trouble}" for trouble, poses in refused.items()]
    why += [choice.reason] if choice.reason else []
    if why or model.nkey:
        why.insert(0, f"{_called(model, choice.key)}{first}")
    return replace(choice, reason="; ".join(why))


def _called(model: mujoco.MjModel, key: int) -> str:
    if key < 0:
        return "the model's own pose"
    return f"the keyframe {model.key(key).name or key!r}"


def _constraint(model: mujoco.MjModel, index: int) -> str:
    """An equality constraint in words."""
    kind = mujoco.mjtEq(int(model.eq_type[index])).name.removeprefix("mjEQ_").lower()
    name = model.equality(index).name
    if name:
        return f"the {kind} constraint {name!r}"
    part_of = {
        int(mujoco.mjtObj.mjOBJ_BODY): model.body,
        int(mujoco.mjtObj.mjOBJ_SITE): model.site,
        int(mujoco.mjtObj.mjOBJ_JOINT): model.joint,
        int(mujoco.mjtObj.mjOBJ_TENDON): model.tendon,
    }.get(int(model.eq_objtype[index]))
    numbers = (int(model.eq_obj1id[index]), int(model.eq_obj2id[index]))
    names = [repr(part_of(i).name or i) for i in numbers if part_of is not None and i >= 0]
    return f"the {kind} constraint of {' and '.join(names)}" if names else f"a {kind} constraint"
