"""Signals that read the sensors of a model."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from eureka_agent.env_tools.scaffold.quoting import display_name, literal
from eureka_agent.environment.model_facts import adds_angles

FEW = 4
"""Up to this number, joints or sensors get signals of their own; more of them share one."""
MOST_COLUMNS = 64
"""A sensor with more numbers is an image rather than a signal."""
QUATERNION = ("w", "x", "y", "z")

_LAST = "in the last physics step"
_SENSORS = {
    # mjtSensor without its prefix: unit, kind, and the meaning, which ends before the sensor's part
    "TOUCH": ("N", "force", f"Sum of the contact forces {_LAST} at"),
    "ACCELEROMETER": (
        *("m/s^2", "other"),
        f"Acceleration {_LAST}, along its own axes, 9.81 upwards at rest, of",
    ),
    "VELOCIMETER": ("m/s", "velocity", "Velocity, along its own axes, of"),
    "GYRO": ("rad/s", "angular_velocity", "Angular velocity, about its own axes, of"),
    "FORCE": (
        *("N", "force"),
        f"Force between its body and the parent {_LAST}, along the own axes of",
    ),
    "TORQUE": (
        *("N m", "force"),
        f"Torque between its body and the parent {_LAST}, about the own axes of",
    ),
    "MAGNETOMETER": ("1", "other", "Magnetic flux, along its own axes, at"),
    "RANGEFINDER": (
        *("m", "distance"),
        "Distance to what lies ahead, along the z axis, -1 if nothing does, of",
    ),
    "CAMPROJECTION": ("1", "other", "Place in the image of a camera, pixels, of"),
    "JOINTPOS": ("m", "position", "Position of"),
    "JOINTVEL": ("m/s", "velocity", "Velocity of"),
    "TENDONPOS": ("m", "position", "Length of"),
    "TENDONVEL": ("m/s", "velocity", "Rate of the length of"),
    "ACTUATORPOS": ("1", "other", "Length, m, or angle, rad, of what it drives, of"),
    "ACTUATORVEL": ("1", "other", "Rate, m/s or rad/s, of what it drives, of"),
    "ACTUATORFRC": ("1", "other", f"Force, N, or torque, N m, {_LAST} of"),
    "JOINTACTFRC": ("N", "force", f"Force of all actuators {_LAST} on"),
    "TENDONACTFRC": ("N", "force", f"Force of all actuators {_LAST} on"),
    "BALLQUAT": ("1", "orientation", "Rotation, a unit quaternion, of"),
    "BALLANGVEL": ("rad/s", "angular_velocity", "Angular velocity of"),
    "JOINTLIMITPOS": ("m", "distance", "Distance to the nearest limit of"),
    "JOINTLIMITVEL": ("m/s", "velocity", "Rate of the distance to a limit of"),
    "JOINTLIMITFRC": ("N", "force", f"Force of the limit {_LAST} on"),
    "TENDONLIMITPOS": ("m", "distance", "Distance to the nearest limit of"),
    "TENDONLIMITVEL": ("m/s", "velocity", "Rate of the distance to a limit of"),
    "TENDONLIMITFRC": ("N", "force", f"Force of the limit {_LAST} on"),
    "FRAMEPOS": ("m", "position", "Position of"),
    "FRAMEQUAT": ("1", "orientation", "Orientation, a unit quaternion, of"),
    "FRAMEXAXIS": ("1", "orientation", "Direction of the x axis of"),
    "FRAMEYAXIS": ("1", "orientation", "Direction of the y axis of"),
    "FRAMEZAXIS": ("1", "orientation", "Direction of the z axis of"),
    "FRAMELINVEL": ("m/s", "velocity", "Velocity of"),
    "FRAMEANGVEL": ("rad/s", "angular_velocity", "Angular velocity of"),
    "FRAMELINACC": ("m/s^2", "other", f"Acceleration {_LAST} of"),
    "FRAMEANGACC": ("rad/s^2", "other", f"Angular acceleration {_LAST} of"),
    "SUBTREECOM": ("m", "position", "Centre of mass, with all below it, of"),
    "SUBTREELINVEL": (
        *("m/s", "velocity"),
        "Velocity of the centre of mass, with all below it, of",
    ),
    "SUBTREEANGMOM": (
        *("N m s", "other"),
        "Angular momentum about the centre of mass, with all below it, of",
    ),
    "INSIDESITE": ("1", "contact", "1 while inside a site, else 0, for"),
    "GEOMDIST": ("m", "distance", "Shortest distance to another part, of"),
    "GEOMNORMAL": ("1", "orientation", "Direction of the nearest other part from"),
    "GEOMFROMTO": ("m", "position", "Ends of the shortest line to another part from"),
    "E_POTENTIAL": ("J", "other", "Potential energy of"),
    "E_KINETIC": ("J", "other", "Kinetic energy of"),
    "CLOCK": ("s", "other", "Time since the episode began of"),
}
_OWN_AXES = {"VELOCIMETER", "GYRO", "ACCELEROMETER", "FORCE", "TORQUE", "MAGNETOMETER"}
"""Sensors that measure along the axes of their site."""
_NO_FRAME = _OWN_AXES | {"BALLQUAT", "BALLANGVEL", "CAMPROJECTION"}
"""Sensors whose meaning already names their axes."""
_BETWEEN = {"GEOMNORMAL", "GEOMFROMTO"}
"""Sensors between two parts, where the second one is not a frame of reference."""
_SUBTREES = {"SUBTREECOM", "SUBTREELINVEL"}
_WHOLE_MODEL = {"E_POTENTIAL", "E_KINETIC", "CLOCK"}
_AXES = {3: ("x", "y", "z"), 4: QUATERNION}
_ROTARY_UNITS = {"m": "rad", "m/s": "rad/s", "N": "N m"}
_ROTARY_KINDS = {"position": "angle", "velocity": "angular_velocity"}
_ROTARY_WORDS = {
    "Rate of the length": "Rate of the angle",
    "Length": "Angle",
    "Position": "Angle",
    "Force": "Torque",
    "Velocity": "Angular velocity",
    "Distance": "Angle",
}
_OBJECT, _JOINT = mujoco.mjtObj, mujoco.mjtJoint

Part = tuple[str, str]
"""What a signal is about: the kind of part, such as joint, and its name in the model."""


@dataclass(frozen=True)
class SignalSource:
    """A signal to be written: as the decorator has it, and an expression over `state`.

    Attributes:
        name: its name; before `with_unique_names`, without the word for the part.
        unit: SI unit.
        kind: the physical kind.
        axes: what each column is; empty for a plain signal `[N]`, or where columns have no names.
        meaning: one phrase.
        terms: expressions for its columns, one after the other.
        part: what it is about; of no kind where it is about several.
        members: the parts that it is about, where they are several.
        columns: number of columns without names.
    """

    name: str
    unit: str
    kind: str
    axes: tuple[str, ...]
    meaning: str
    terms: tuple[str, ...]
    part: Part
    members: tuple[Part, ...] = ()
    columns: int = 0

    @property
    def size(self) -> int | None:
        """Number of columns; None for a plain signal `[N]`."""
        return len(self.axes) or self.columns or None

    @property
    def value(self) -> str:
        """The expression for all of it."""
        return concatenated(self.terms)


def concatenated(terms: Sequence[str]) -> str:
    """An expression for columns one after the other."""
    return terms[0] if len(terms) == 1 else f"torch.cat([{', '.join(terms)}], dim=1)"


def sensor_signals(model: mujoco.MjModel) -> list[SignalSource]:
    """A signal per sensor; one for all of a kind that are many."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index in range(model.nsensor):
        if 0 < model.sensor_dim[index] <= MOST_COLUMNS:
            unit, _, _ = _text(model, index)  # hinges and slides do not share a signal
            groups[_type(model, index), unit].append(index)
    found = []
    for sensors in groups.values():
        if len(sensors) > FEW and all(model.sensor_dim[i] == 1 for i in sensors):
            found.append(_sensor_group(model, sensors))
        else:
            found += [_sensor(model, index) for index in sensors]
    return found


def _sensor(model: mujoco.MjModel, index: int) -> SignalSource:
    name, size = model.sensor(index).name, int(model.sensor_dim[index])
    unit, kind, meaning = _text(model, index)
    reading, meaning = f"state.sensor({literal(name)})", f"{meaning} {_subject(model, index)}"
    part = ("sensor", name)
    if size == 1:
        return SignalSource("sensor", unit, kind, (), meaning, (f"{reading}[:, 0]",), part)
    axes, meaning = _AXES.get(size, ()), meaning + _frame(model, index)
    return SignalSource("sensor", unit, kind, axes, meaning, (reading,), part, columns=size)


def _sensor_group(model: mujoco.MjModel, sensors: Sequence[int]) -> SignalSource:
    unit, kind, meaning = _text(model, sensors[0])
    names = [model.sensor(index).name for index in sensors]
    word = f"{_type(model, sensors[0]).lower()}_sensors"
    return SignalSource(
        word,
        *(unit, kind, tuple(display_name(name) for name in names)),
        f"{meaning} {', '.join(_subject(model, index) for index in sensors)}, in this order",
        tuple(f"state.sensor({literal(name)})" for name in names),
        ("", word),
        tuple(("sensor", name) for name in names),
    )


def _type(model: mujoco.MjModel, index: int) -> str:
    """What MuJoCo calls the type of a sensor, such as GYRO."""
    return mujoco.mjtSensor(int(model.sensor_type[index])).name.removeprefix("mjSENS_")


def _text(model: mujoco.MjModel, index: int) -> tuple[str, str, str]:
    """Unit, kind and meaning of a sensor; of hinges and tendons that add up angles, as angles."""
    word = _type(model, index)
    if word not in _SENSORS:
        name = display_name(model.sensor(index).name)
        return "1", "other", f"Reading of the {word.lower()} sensor {name} at"
    unit, kind, meaning = _SENSORS[word]
    if unit in _ROTARY_UNITS and _is_rotary(model, index):
        for plain, turned in _ROTARY_WORDS.items():
            meaning = meaning.replace(plain, turned)
        return _ROTARY_UNITS[unit], _ROTARY_KINDS.get(kind, kind), meaning
    return unit, kind, meaning


def _is_rotary(model: mujoco.MjModel, index: int) -> bool:
    """Whether a sensor is on a hinge, a ball, or a tendon that adds up angles."""
    kind, number = int(model.sensor_objtype[index]), int(model.sensor_objid[index])
    if kind == _OBJECT.mjOBJ_TENDON:
        return adds_angles(model, number)
    rotary = (_JOINT.mjJNT_HINGE, _JOINT.mjJNT_BALL)
    return kind == _OBJECT.mjOBJ_JOINT and int(model.jnt_type[number]) in rotary


def _subject(model: mujoco.MjModel, index: int) -> str:
    """What a sensor sits on; MuJoCo distinguishes a body's frame from its inertial frame."""
    word, kind = _type(model, index), int(model.sensor_objtype[index])
    if word in _WHOLE_MODEL:
        return "the whole model"
    if kind <= 0:
        return "the model"
    named = _named(model, kind, int(model.sensor_objid[index]))
    inertial = kind == _OBJECT.mjOBJ_BODY and word not in _SUBTREES
    return f"the inertial frame of {named}" if inertial else named


def _frame(model: mujoco.MjModel, index: int) -> str:
    """The frame in which a sensor of several columns measures, as the end of a phrase."""
    word = _type(model, index)
    if word not in _SENSORS or word in _NO_FRAME:
        return ""
    reference = int(model.sensor_refid[index])
    if reference < 0 or word in _BETWEEN:
        return ", in the world"
    return f", as {_named(model, int(model.sensor_reftype[index]), reference)} sees it"


def _named(model: mujoco.MjModel, kind: int, number: int) -> str:
    word = mujoco.mju_type2Str(kind) or "object"
    name = mujoco.mj_id2name(model, kind, number)
    return f"the {word.removeprefix('x')} {display_name(name) if name else number}"
