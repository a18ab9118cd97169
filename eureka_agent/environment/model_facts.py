"""Facts of a model in words: what a reward designer would read off its joints and actuators."""

import warnings
from dataclasses import dataclass

import mujoco
import numpy as np

_SLIDE, _HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
_JOINTS = {
    mujoco.mjtJoint.mjJNT_FREE: "free to move and turn in space",
    mujoco.mjtJoint.mjJNT_BALL: "ball joint",
    _SLIDE: "slides",
    _HINGE: "hinge",
}
_UNITS = {_SLIDE: "m", _HINGE: "rad"}
_FORCES = {_SLIDE: ("force on", "N"), _HINGE: ("torque on", "N m")}
_SITE_FORCES = (
    *((f"force along its {axis} axis at", "N") for axis in "xyz"),
    *((f"torque about its {axis} axis at", "N m") for axis in "xyz"),
)
_ROTATIONS = {
    **{f"r{axis}": f"target rotation, {axis} of a rotation vector in rad" for axis in "xyz"},
    **{f"q{part}": f"target rotation, {part} of a quaternion" for part in "wxyz"},
}
_DYNAMICS = mujoco.mjtDyn
_FIXED, _AFFINE = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE


def compile_spec(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compile a spec without MuJoCo's deprecation warnings, which only its author can act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is deprecated", UserWarning)
        return spec.compile()


def joint_facts(model: mujoco.MjModel) -> tuple[str, ...]:
    """One phrase per joint: name, type and range, and whether no actuator drives it."""
    on_joints = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
    # Tendons and sites may drive any joint, so only models without them have joints "not driven".
    known = model.nu > 0 and bool(on_joints.all())
    driven = set(model.actuator_trnid[on_joints, 0].tolist())
    facts = []
    for index in range(model.njnt):
        kind = mujoco.mjtJoint(int(model.jnt_type[index]))
        phrase = f"{model.joint(index).name or f'joint {index}'}: {_JOINTS[kind]}"
        if model.jnt_limited[index]:
            low, high = model.jnt_range[index]
            phrase += f", {low:.3g} to {high:.3g} {_UNITS.get(kind, 'rad')}"
        elif kind in _UNITS:
            phrase += ", no limits"
        if known and index not in driven and kind != mujoco.mjtJoint.mjJNT_FREE:
            phrase += ", not driven"
        facts.append(phrase)
    return tuple(facts)


@dataclass(frozen=True)
class Control:
    """One number that an actuator takes: most take one, some several, passive ones none.

    Attributes:
        actuator: index of the actuator.
        input: the quantity that it sets, in MuJoCo's words: pos, vel, ff, voltage, rx, ...; may be
            empty.
        name: of the actuator, and of the input where there are several.
    """

    actuator: int
    input: str
    name: str


def controls(model: mujoco.MjModel) -> tuple[Control, ...]:
    """All controls of a model, in the order of `ctrl`."""
    found: dict[int, Control] = {}
    for actuator in range(model.nactuator):
        name = model.actuator(actuator).name or f"actuator {actuator}"
        first, count = int(model.actuator_ctrladr[actuator]), int(model.actuator_ctrlnum[actuator])
        for i in range(count):
            word = mujoco.mj_actuatorInputName(model, actuator, i) or ""
            full = f"{name} {word or i}" if count > 1 else name
            found[first + i] = Control(actuator, word, full)
    return tuple(found[index] for index in sorted(found))


def actuator_facts(model: mujoco.MjModel) -> tuple[str, ...]:
    """One phrase per column of `action`: the effect of -1 and +1."""
    facts = []
    for control, bounds in zip(controls(model), model.actuator_ctrlrange, strict=True):
        if model.actuator_ctrlnum[control.actuator] > 1:
            effect = _input_effect(model, control, bounds)
        else:
            effect = _effect(model, control.actuator, bounds)
            # Many actuators have the name of what they drive: once is enough.
            effect = effect.replace(f" of {control.name},", ",", 1)
        facts.append(f"{control.name}: {effect}")
    return tuple(facts)


def moving_mass(model: mujoco.MjModel) -> float:
    """Mass of everything that moves, kg."""
    return float(model.body_mass[model.body_weldid != 0].sum())


def _input_effect(model: mujoco.MjModel, control: Control, bounds: np.ndarray) -> str:
    """The effect of one of several inputs of an actuator; the plain range if it is unusual."""
    if control.input in _ROTATIONS:
        return f"{_ROTATIONS[control.input]}, {_range(bounds)}"
    driven = _driven(model, control.actuator)
    if driven is None or not driven.gear or driven.length is None:
        return f"control value {_range(bounds)}" + (f" on {driven.name}" if driven else "")
    if control.input == "pos":
        return f"target position of {driven.name}, {_range(bounds / driven.gear)} {driven.length}"
    if control.input == "vel":
        return f"target velocity of {driven.name}, {_range(bounds / driven.gear)} {driven.length}/s"
    if control.input == "ff":
        what, unit = driven.force
        return f"added {what} {driven.name}, {_range(bounds * driven.gear)} {unit}"
    unit = " V" if control.input == "voltage" else ""
    return f"{control.input or 'control value'} on {driven.name}, {_range(bounds)}{unit}"


def _effect(model: mujoco.MjModel, index: int, bounds: np.ndarray) -> str:
    """The effect of an actuator's only control; the plain range if it is unusual."""
    driven = _driven(model, index)
    plain = f"control value {_range(bounds)}"
    if driven is None:
        return plain
    plain = f"{plain} on {driven.name}"
    quantity, scale = _quantity(model, index, driven)
    dynamics = int(model.actuator_dyntype[index])
    if quantity is None:
        return plain
    what, unit = quantity
    control = _range(bounds * scale)
    if dynamics == _DYNAMICS.mjDYN_INTEGRATOR:
        limits = model.actuator_actrange[index] * scale
        within = (
            f", kept within {_range(limits)} {unit}" if model.actuator_actlimited[index] else ""
        )
        return f"rate of change of the {what} {driven.name}, {control} {unit}/s{within}"
    if dynamics in (_DYNAMICS.mjDYN_FILTER, _DYNAMICS.mjDYN_FILTEREXACT):
        delay = float(model.actuator_dynprm[index, 0])
        return f"{what} {driven.name}, {control} {unit}, reached with a delay of {delay:.3g} s"
    return f"{what} {driven.name}, {control} {unit}" if dynamics == _DYNAMICS.mjDYN_NONE else plain


@dataclass(frozen=True)
class _Driven:
    """The target of an actuator.

    Attributes:
        name: of the joint, site or tendon.
        force: name and unit of a force on it.
        length: unit of its position; None if it has none.
        gear: factor of its force and position; 0 where it is not a number.
    """

    name: str
    force: tuple[str, str] = ("", "")
    length: str | None = None
    gear: float = 0.0


def _driven(model: mujoco.MjModel, index: int) -> _Driven | None:
    """The target of an actuator; None where one word cannot name it."""
    transmission = mujoco.mjtTrn(int(model.actuator_trntype[index]))
    target, reference = (int(i) for i in model.actuator_trnid[index])
    gear = model.actuator_gear[index]
    if transmission == mujoco.mjtTrn.mjTRN_JOINT:
        kind = mujoco.mjtJoint(int(model.jnt_type[target]))
        name = model.joint(target).name or f"joint {target}"
        if kind not in _FORCES:
            return _Driven(name)
        return _Driven(name, _FORCES[kind], _UNITS[kind], float(gear[0]))
    if transmission == mujoco.mjtTrn.mjTRN_SITE and reference < 0:
        (axes,) = np.nonzero(gear)
        if len(axes) == 1:
            name = model.site(target).name or f"site {target}"
            return _Driven(name, _SITE_FORCES[axes[0]], None, float(gear[axes[0]]))
    if transmission == mujoco.mjtTrn.mjTRN_TENDON:
        name = model.tendon(target).name or f"tendon {target}"
        turns = adds_angles(model, target)
        force, length = (("torque on", "N m"), "rad") if turns else (("tension of", "N"), "m")
        return _Driven(name, force, length, float(gear[0]))
    return None


def adds_angles(model: mujoco.MjModel, tendon: int) -> bool:
    """Whether a tendon's "length" is a sum of hinge angles, rad."""
    first = int(model.tendon_adr[tendon])
    parts = slice(first, first + int(model.tendon_num[tendon]))
    joints = model.wrap_objid[parts][model.wrap_type[parts] == mujoco.mjtWrap.mjWRAP_JOINT]
    return len(joints) > 0 and bool((model.jnt_type[joints] == _HINGE).all())


def _quantity(
    model: mujoco.MjModel, index: int, driven: _Driven
) -> tuple[tuple[str, str] | None, float]:
    """What a control value sets, with its unit, and the factor to it; None if it is unusual.

    MuJoCo's force is gain * control + bias, with bias = b0 + b1 * length + b2 * velocity.
    """
    gain = float(model.actuator_gainprm[index, 0])
    stiffness, damping = -model.actuator_biasprm[index, 1:3]
    if model.actuator_gaintype[index] != _FIXED or not gain or not driven.gear:
        return None, 1.0
    if model.actuator_biastype[index] == mujoco.mjtBias.mjBIAS_NONE:
        return driven.force, gain * driven.gear
    if model.actuator_biastype[index] != _AFFINE or driven.length is None:
        return None, 1.0
    if stiffness:
        return ("target position of", driven.length), gain / (stiffness * driven.gear)
    if damping:
        return ("target velocity of", f"{driven.length}/s"), gain / (damping * driven.gear)
    return None, 1.0


def _range(bounds: np.ndarray) -> str:
    return f"{bounds[0]:.3g} to {bounds[1]:.3g}"
