"""Signals that read the sensors of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from eureka_agent.env_tools.scaffold.quoting import display_name, literal
from eureka_agent.environment.model_facts import adds_angles

FEW = 4
"""Joints or sensors up to this number get signals of their own; more share one."""

MOST_COLUMNS = 64
"""Numbers of a sensor from which it is an image rather than a signal."""

_S = mujoco.mjtSensor
_SENSORS = {
    int(_S.mjSENS_TOUCH): ("N", "force", "Sum of the contact forces in the last physics step at"),
    int(_S.mjSENS_ACCELEROMETER): (
        *("m/s^2", "other"),
        "Acceleration in the last physics step, along its own axes, 9.81 upwards at rest, of",
    ),
    int(_S.mjSENS_VELOCIMETER): ("m/s", "velocity", "Velocity, along its own axes, of"),
    int(_S.mjSENS_GYRO): ("rad/s", "angular_velocity", "Angular velocity, about its own axes, of"),
    int(_S.mjSENS_FORCE): (
        *("N", "force"),
        "Force between its body and the parent in the last physics step, along the own axes of",
    ),
    int(_S.mjSENS_TORQUE): (
        *("N m", "force"),
        "Torque between its body and the parent in the last physics step, about the own axes of",
    ),
    int(_S.mjSENS_MAGNETOMETER): ("1", "other", "Magnetic flux, along its own axes, at"),
    int(_S.mjSENS_RANGEFINDER): (
        *("m", "distance"),
        "Distance to what lies ahead, along the z axis, -1 if nothing does, of",
    ),
    int(_S.mjSENS_CAMPROJECTION): ("1", "other", "Place in the image of a camera, pixels, of"),
    int(_S.mjSENS_JOINTPOS): ("m", "position", "Position of"),
    int(_S.mjSENS_JOINTVEL): ("m/s", "velocity", "Velocity of"),
    int(_S.mjSENS_TENDONPOS): ("m", "position", "Length of"),
    int(_S.mjSENS_TENDONVEL): ("m/s", "velocity", "Rate of the length of"),
    int(_S.mjSENS_ACTUATORPOS): ("1", "other", "Length, m, or angle, rad, of what it drives, of"),
    int(_S.mjSENS_ACTUATORVEL): ("1", "other", "Rate, m/s or rad/s, of what it drives, of"),
    int(_S.mjSENS_ACTUATORFRC): (
        *("1", "other"),
        "Force, N, or torque, N m, in the last physics step of",
    ),
    int(_S.mjSENS_JOINTACTFRC): (
        *("N", "force"),
        "Force of all actuators in the last physics step on",
    ),
    int(_S.mjSENS_TENDONACTFRC): (
        *("N", "force"),
        "Force of all actuators in the last physics step on",
    ),
    int(_S.mjSENS_BALLQUAT): ("1", "orientation", "Rotation, a unit quaternion, of"),
    int(_S.mjSENS_BALLANGVEL): ("rad/s", "angular_velocity", "Angular velocity of"),
    int(_S.mjSENS_JOINTLIMITPOS): ("m", "distance", "Distance to the nearest limit of"),
    int(_S.mjSENS_JOINTLIMITVEL): ("m/s", "velocity", "Rate of the distance to a limit of"),
    int(_S.mjSENS_JOINTLIMITFRC): (
        *("N", "force"),
        "Force of the limit in the last physics step on",
    ),
    int(_S.mjSENS_TENDONLIMITPOS): ("m", "distance", "Distance to the nearest limit of"),
    int(_S.mjSENS_TENDONLIMITVEL): ("m/s", "velocity", "Rate of the distance to a limit of"),
    int(_S.mjSENS_TENDONLIMITFRC): (
        *("N", "force"),
        "Force of the limit in the last physics step on",
    ),
    int(_S.mjSENS_FRAMEPOS): ("m", "position", "Position of"),
    int(_S.mjSENS_FRAMEQUAT): ("1", "orientation", "Orientation, a unit quaternion, of"),
    int(_S.mjSENS_FRAMEXAXIS): ("1", "orientation", "Direction of the x axis of"),
    int(_S.mjSENS_FRAMEYAXIS): ("1", "orientation", "Direction of the y axis of"),
    int(_S.mjSENS_FRAMEZAXIS): ("1", "orientation", "Direction of the z axis of"),
    int(_S.mjSENS_FRAMELINVEL): ("m/s", "velocity", "Velocity of"),
    int(_S.mjSENS_FRAMEANGVEL): ("rad/s", "angular_velocity", "Angular velocity of"),
    int(_S.mjSENS_FRAMELINACC): (
        *("m/s^2", "other"),
        "Acceleration in the last physics step of",
    ),
    int(_S.mjSENS_FRAMEANGACC): (
        *("rad/s^2", "other"),
        "Angular acceleration in the last physics step of",
    ),
    int(_S.mjSENS_SUBTREECOM): ("m", "position", "Centre of mass, with all below it, of"),
    int(_S.mjSENS_SUBTREELINVEL): (
        *("m/s", "velocity"),
        "Velocity of the centre of mass, with all below it, of",
    ),
    int(_S.mjSENS_SUBTREEANGMOM): (
        *("N m s", "other"),
        "Angular momentum about the centre of mass, with all below it, of",
    ),
    int(_S.mjSENS_INSIDESITE): ("1", "contact", "1 while inside a site, else 0, for"),
    int(_S.mjSENS_GEOMDIST): ("m", "distance", "Shortest distance to another part, of"),
    int(_S.mjSENS_GEOMNORMAL): ("1", "orientation", "Direction of the nearest other part from"),
    int(_S.mjSENS_GEOMFROMTO): ("m", "position", "Ends of the shortest line to another part from"),
    int(_S.mjSENS_E_POTENTIAL): ("J", "other", "Potential energy of"),
    int(_S.mjSENS_E_KINETIC): ("J", "other", "Kinetic energy of"),
    int(_S.mjSENS_CLOCK): ("s", "other", "Time since the episode began of"),
}
_OWN = {
    int(kind)
    for kind in (
        *(_S.mjSENS_VELOCIMETER, _S.mjSENS_GYRO, _S.mjSENS_ACCELEROMETER, _S.mjSENS_FORCE),
        *(_S.mjSENS_TORQUE, _S.mjSENS_MAGNETOMETER),
    )
}
"""Sensors that see along the axes of what they sit on."""
_SUBTREES = {int(_S.mjSENS_SUBTREECOM), int(_S.mjSENS_SUBTREELINVEL)}
_BETWEEN = {int(_S.mjSENS_GEOMNORMAL), int(_S.mjSENS_GEOMFROMTO)}
"""Sensors whose second part is no frame."""
_BODY, _JOINT, _TENDON = (
    int(kind)
    for kind in (mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_JOINT, mujoco.mjtObj.mjOBJ_TENDON)
)
_ROTARY = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_BALL))
_COLUMNS = {3: ("x", "y", "z"), 4: ("w", "x", "y", "z")}
_TURNING = {"m": "rad", "m/s": "rad/s", "N": "N m"}
"""Units of what turns, by those of what slides."""
_TURNING_KINDS = {"position": "angle", "velocity": "angular_velocity"}
_WHOLE = {int(_S.mjSENS_E_POTENTIAL), int(_S.mjSENS_E_KINETIC), int(_S.mjSENS_CLOCK)}
"""Sensors of the whole simulation."""
_LOCAL = {int(_S.mjSENS_BALLQUAT), int(_S.mjSENS_BALLANGVEL), int(_S.mjSENS_CAMPROJECTION)}
"""Sensors of several columns whose frame is no question."""

Part = tuple[str, str]
"""What a signal is about: the kind of part, such as joint, and its name in the model."""


@dataclass(frozen=True)
class SignalSource:
    """A signal to be written: as the decorator has it, and an expression over `state`.

    Attributes:
        name: its name; before `named`, without the word for the part.
        unit: SI unit.
        kind: the physical kind.
        size: number of columns, None for a plain one.
        axes: what each column is.
        meaning: one phrase.
        terms: expressions for its columns, one after the other.
        part: what it is about; of no kind where it is about several.
        members: the parts that it is about, where they are several.
    """

    name: str
    unit: str
    kind: str
    size: int | None
    axes: tuple[str, ...]
    meaning: str
    terms: tuple[str, ...]
    part: Part
    members: tuple[Part, ...] = ()

    @property
    def value(self) -> str:
        """The expression for all of it."""
        return concatenated(self.terms)


def concatenated(terms: Sequence[str]) -> str:
    """An expression for columns one after the other."""
    return terms[0] if len(terms) == 1 else f"torch.cat([{', '.join(terms)}], dim=1)"


def sensor_signals(model: mujoco.MjModel) -> list[SignalSource]:
    """A signal per sensor; one for all of a kind that are many."""
    kinds: dict[tuple[int, str], list[int]] = {}
    for index in range(model.nsensor):
        if 0 < model.sensor_dim[index] <= MOST_COLUMNS:
            unit = _text(model, index)[0]  # what hinges and what slides is not of one kind
            kinds.setdefault((int(model.sensor_type[index]), unit), []).append(index)
    found = []
    for (kind, _), sensors in kinds.items():
        plain = all(model.sensor_dim[i] == 1 for i in sensors)
        if len(sensors) > FEW and plain:
            found.append(_sensor_group(model, kind, sensors))
        else:
            found += [_sensor(model, index) for index in sensors]
    return found


def _sensor(model: mujoco.MjModel, index: int) -> SignalSource:
    name, size = model.sensor(index).name, int(model.sensor_dim[index])
    unit, kind, meaning = _text(model, index)
    reading = f"state.sensor({literal(name)})"
    frame = _frame(model, index) if size > 1 else ""
    return SignalSource(
        "sensor",
        *(unit, kind, size if size > 1 else None, _COLUMNS.get(size, ())),
        f"{meaning} {_subject(model, index)}{frame}",
        (reading if size > 1 else f"{reading}[:, 0]",),
        ("sensor", name),
    )


def _text(model: mujoco.MjModel, index: int) -> tuple[str, str, str]:
    """Unit, kind and meaning of a sensor; of hinges and tendons that add up angles, as angles."""
    number = int(model.sensor_type[index])
    known = _SENSORS.get(number)
    if known is None:
        return (
            "1",
            "other",
            f"Reading of the {_word(number)} sensor {display_name(_name(model, index))} at",
        )
    unit, kind, meaning = known
    if unit in _TURNING and _turns(model, index):
        meaning = meaning.replace("Rate of the length", "Rate of the angle")
        for word, turned in (("Length", "Angle"), ("Position", "Angle"), ("Force", "Torque")):
            meaning = meaning.replace(word, turned)
        meaning = meaning.replace("Velocity", "Angular velocity").replace("Distance", "Angle")
        return _TURNING[unit], _TURNING_KINDS.get(kind, kind), meaning
    return unit, kind, meaning


def _turns(model: mujoco.MjModel, index: int) -> bool:
    """Whether a sensor is on a hinge, or on a tendon that adds up angles."""
    kind, number = int(model.sensor_objtype[index]), int(model.sensor_objid[index])
    if kind == _TENDON:
        return adds_angles(model, number)
    return kind == _JOINT and int(model.jnt_type[number]) in _ROTARY


def _subject(model: mujoco.MjModel, index: int) -> str:
    """What a sensor sits on; MuJoCo tells a body's frame and its inertial frame apart."""
    if int(model.sensor_type[index]) in _WHOLE:
        return "the whole model"
    kind = int(model.sensor_objtype[index])
    if kind <= 0:
        return "the model"
    named = _named(model, kind, int(model.sensor_objid[index]))
    inertial = kind == _BODY and int(model.sensor_type[index]) not in _SUBTREES
    return f"the inertial frame of {named}" if inertial else named


def _frame(model: mujoco.MjModel, index: int) -> str:
    """Along whose axes a sensor of several columns sees."""
    number = int(model.sensor_type[index])
    if number not in _SENSORS or number in _OWN | _LOCAL:
        return ""
    reference = int(model.sensor_refid[index])
    if reference < 0 or number in _BETWEEN:
        return ", in the world"
    return f", as {_named(model, int(model.sensor_reftype[index]), reference)} sees it"


def _named(model: mujoco.MjModel, kind: int, number: int) -> str:
    word = mujoco.mju_type2Str(kind) or "object"
    name = mujoco.mj_id2name(model, kind, number)
    return f"the {word.removeprefix('x')} {display_name(name) if name else number}"


def _name(model: mujoco.MjModel, index: int) -> str:
    return model.sensor(index).name


def _word(number: int) -> str:
    """What MuJoCo calls a type of sensors."""
    return mujoco.mjtSensor(number).name.removeprefix("mjSENS_").lower()


def _sensor_group(model: mujoco.MjModel, number: int, sensors: Sequence[int]) -> SignalSource:
    unit, kind, meaning = _text(model, sensors[0])
    names = [_name(model, index) for index in sensors]
    readings = tuple(f"state.sensor({literal(name)})" for name in names)
    word = f"{_word(number)}_sensors"
    return SignalSource(
        word,
        *(unit, kind, len(names), tuple(display_name(name) for name in names)),
        f"{meaning} {', '.join(_subject(model, index) for index in sensors)}, in this order",
        readings,
        ("", word),
        tuple(("sensor", name) for name in names),
    )
