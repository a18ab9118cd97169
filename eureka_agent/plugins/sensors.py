"""Signals that read the sensors of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from eureka_agent.environment.facts import adds_angles
from eureka_agent.plugins.survey import identifier

FEW = 4
"""Joints or sensors up to this number get signals of their own; more share one."""

_S = mujoco.mjtSensor
_SENSORS = {
    int(_S.mjSENS_TOUCH): ("N", "force", "Sum of the contact forces in the last physics step at"),
    int(_S.mjSENS_VELOCIMETER): ("m/s", "velocity", "Velocity, along its own axes, of"),
    int(_S.mjSENS_GYRO): ("rad/s", "angular_velocity", "Angular velocity, about its own axes, of"),
    int(_S.mjSENS_RANGEFINDER): (
        *("m", "distance"),
        "Distance to what lies ahead, along the z axis, -1 if nothing does, of",
    ),
    int(_S.mjSENS_TENDONPOS): ("m", "position", "Length of"),
    int(_S.mjSENS_TENDONVEL): ("m/s", "velocity", "Rate of the length of"),
    int(_S.mjSENS_FRAMEPOS): ("m", "position", "Position of"),
    int(_S.mjSENS_FRAMEQUAT): ("1", "orientation", "Orientation, a unit quaternion, of"),
    int(_S.mjSENS_FRAMEXAXIS): ("1", "orientation", "Direction of the x axis of"),
    int(_S.mjSENS_FRAMEYAXIS): ("1", "orientation", "Direction of the y axis of"),
    int(_S.mjSENS_FRAMEZAXIS): ("1", "orientation", "Direction of the z axis of"),
    int(_S.mjSENS_FRAMELINVEL): ("m/s", "velocity", "Velocity of"),
    int(_S.mjSENS_FRAMEANGVEL): ("rad/s", "angular_velocity", "Angular velocity of"),
    int(_S.mjSENS_SUBTREECOM): ("m", "position", "Centre of mass, with all below it, of"),
    int(_S.mjSENS_SUBTREELINVEL): (
        *("m/s", "velocity"),
        "Velocity of the centre of mass, with all below it, of",
    ),
}
_OWN = {int(_S.mjSENS_VELOCIMETER), int(_S.mjSENS_GYRO)}
"""Sensors that see along the axes of what they sit on."""
_SUBTREES = {int(_S.mjSENS_SUBTREECOM), int(_S.mjSENS_SUBTREELINVEL)}
_BODY = int(mujoco.mjtObj.mjOBJ_BODY)
_COLUMNS = {3: ("x", "y", "z"), 4: ("w", "x", "y", "z")}
_TENDON_UNITS = {"m": "rad", "m/s": "rad/s"}


@dataclass(frozen=True)
class SignalText:
    """A signal to be written: as the decorator has it, and an expression over `state`."""

    name: str
    unit: str
    kind: str
    size: int | None
    axes: tuple[str, ...]
    meaning: str
    value: str


def sensor_signals(model: mujoco.MjModel) -> list[SignalText]:
    """A signal per sensor; one for all of a kind that are many."""
    kinds: dict[int, list[int]] = {}
    for index in range(model.nsensor):
        kinds.setdefault(int(model.sensor_type[index]), []).append(index)
    found = []
    for kind, sensors in kinds.items():
        if kind not in _SENSORS:
            continue
        plain = all(model.sensor_dim[i] == 1 for i in sensors)
        if len(sensors) > FEW and plain:
            found.append(_sensor_group(model, kind, sensors))
        else:
            found += [_sensor(model, index) for index in sensors]
    return found


def _sensor(model: mujoco.MjModel, index: int) -> SignalText:
    name, size = model.sensor(index).name, int(model.sensor_dim[index])
    unit, kind, meaning = _text(model, index)
    reading = f'state.sensor("{name}")'
    frame = _frame(model, index) if size > 1 else ""
    return SignalText(
        f"{identifier(name)}_sensor",
        *(unit, kind, size if size > 1 else None, _COLUMNS.get(size, ())),
        f"{meaning} {_subject(model, index)}{frame}",
        reading if size > 1 else f"{reading}[:, 0]",
    )


def _text(model: mujoco.MjModel, index: int) -> tuple[str, str, str]:
    """Unit, kind and meaning of a sensor; a tendon that adds up angles is one itself."""
    unit, kind, meaning = _SENSORS[int(model.sensor_type[index])]
    if model.sensor_objtype[index] == mujoco.mjtObj.mjOBJ_TENDON and adds_angles(
        model, int(model.sensor_objid[index])
    ):
        angle = "angle" if kind == "position" else "angular_velocity"
        return _TENDON_UNITS[unit], angle, meaning.replace("length", "angle").replace("L", "l")
    return unit, kind, meaning


def _subject(model: mujoco.MjModel, index: int) -> str:
    """What a sensor sits on; MuJoCo tells a body's frame and its inertial frame apart."""
    kind = int(model.sensor_objtype[index])
    named = _named(model, kind, int(model.sensor_objid[index]))
    inertial = kind == _BODY and int(model.sensor_type[index]) not in _SUBTREES
    return f"the inertial frame of {named}" if inertial else named


def _frame(model: mujoco.MjModel, index: int) -> str:
    """Along whose axes a sensor of several columns sees."""
    if int(model.sensor_type[index]) in _OWN:
        return ""
    reference = int(model.sensor_refid[index])
    if reference < 0:
        return ", in the world"
    return f", as {_named(model, int(model.sensor_reftype[index]), reference)} sees it"


def _named(model: mujoco.MjModel, kind: int, number: int) -> str:
    word = mujoco.mju_type2Str(kind) or "object"
    return f"the {word.removeprefix('x')} {mujoco.mj_id2name(model, kind, number) or number}"


def _sensor_group(model: mujoco.MjModel, number: int, sensors: Sequence[int]) -> SignalText:
    unit, kind, meaning = _text(model, sensors[0])
    names = tuple(model.sensor(index).name for index in sensors)
    readings = ", ".join(f'state.sensor("{name}")' for name in names)
    word = mujoco.mjtSensor(number).name.removeprefix("mjSENS_").lower()
    return SignalText(
        f"{word}_sensors",
        *(unit, kind, len(names), names),
        f"{meaning} {', '.join(_subject(model, index) for index in sensors)}, in this order",
        f"torch.cat([{readings}], dim=1)",
    )
