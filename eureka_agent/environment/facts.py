"""What a model says about its robot, in words: what a designer of rewards would read off it."""

import mujoco

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
_JOINTS = {
    mujoco.mjtJoint.mjJNT_FREE: "free to move and turn in space",
    mujoco.mjtJoint.mjJNT_BALL: "ball joint",
    _SLIDE: "slides",
    _HINGE: "hinge",
}
_UNITS = {_SLIDE: "m", _HINGE: "rad"}
_FORCES = {_SLIDE: ("force", "N"), _HINGE: ("torque", "N m")}


def joint_facts(model: mujoco.MjModel) -> tuple[str, ...]:
    """One phrase per joint: name, type and range."""
    return tuple(_joint(model, i) for i in range(model.njnt))


def actuator_facts(model: mujoco.MjModel) -> tuple[str, ...]:
    """One phrase per column of `action`: what -1 and +1 do."""
    return tuple(_actuator(model, i) for i in range(model.nu))


def mass(model: mujoco.MjModel) -> float:
    """Mass of everything that moves, kg."""
    return float(model.body_mass.sum())


def _joint(model: mujoco.MjModel, index: int) -> str:
    kind = mujoco.mjtJoint(int(model.jnt_type[index]))
    phrase = f"{model.joint(index).name or f'joint {index}'}: {_JOINTS[kind]}"
    if not model.jnt_limited[index]:
        return f"{phrase}, no limits" if kind in _UNITS else phrase
    low, high = model.jnt_range[index]
    return f"{phrase}, {low:.3g} to {high:.3g} {_UNITS.get(kind, 'rad')}"


def _actuator(model: mujoco.MjModel, index: int) -> str:
    name = model.actuator(index).name or f"actuator {index}"
    low, high = model.actuator_ctrlrange[index]
    transmission = mujoco.mjtTrn(int(model.actuator_trntype[index]))
    if transmission != mujoco.mjtTrn.mjTRN_JOINT:
        return f"{name}: control value {low:.3g} to {high:.3g}"
    joint = int(model.actuator_trnid[index, 0])
    kind = mujoco.mjtJoint(int(model.jnt_type[joint]))
    where = model.joint(joint).name or f"joint {joint}"
    if kind not in _FORCES:
        return f"{name}: control value {low:.3g} to {high:.3g} on {where}"
    gain = float(model.actuator_gainprm[index, 0])
    stiffness, damping = model.actuator_biasprm[index, 1:3]
    if model.actuator_biastype[index] == mujoco.mjtBias.mjBIAS_NONE:
        scale = gain * float(model.actuator_gear[index, 0])
        force, unit = _FORCES[kind]
        return f"{name}: {force} on {where}, {low * scale:.3g} to {high * scale:.3g} {unit}"
    if stiffness:
        return f"{name}: target position of {where}, {low:.3g} to {high:.3g} {_UNITS[kind]}"
    if damping:
        return f"{name}: target velocity of {where}, {low:.3g} to {high:.3g} {_UNITS[kind]}/s"
    return f"{name}: control value {low:.3g} to {high:.3g} on {where}"
