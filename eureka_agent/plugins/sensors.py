"""Signals that read the sensors of a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from eureka_agent.plugins.survey import identifier

FEW = 4
"""Joints or sensors up to this number get signals of their own; more share one."""

_S = mujoco.mjtSensor
_SENSORS = {
    int(_S.mjSENS_TOUCH): (
        "N",
        "force",
        "Sum of the contact forces there in the last physics step",
    ),
    int(_S.mjSENS_VELOCIMETER): ("m/s", "velocity", "Velocity along the axes of its site"),
    int(_S.mjSENS_GYRO): ("rad/s", "angular_velocity", "Angular velocity about its site's axes"),
    int(_S.mjSENS_RANGEFINDER): (
        "m",
        "distance",
        "Distance to what lies ahead, -1 if nothing does",
    ),
    int(_S.mjSENS_TENDONPOS): ("m", "position", "Length of the tendon"),
    int(_S.mjSENS_TENDONVEL): ("m/s", "velocity", "Rate of the tendon's length"),
    int(_S.mjSENS_FRAMEPOS): ("m", "position", "Position of the frame"),
    int(_S.mjSENS_FRAMEQUAT): ("1", "orientation", "Orientation of the frame, a unit quaternion"),
    int(_S.mjSENS_FRAMEXAXIS): ("1", "orientation", "Direction of the frame's x axis"),
    int(_S.mjSENS_FRAMEYAXIS): ("1", "orientation", "Direction of the frame's y axis"),
    int(_S.mjSENS_FRAMEZAXIS): ("1", "orientation", "Direction of the frame's z axis"),
    int(_S.mjSENS_FRAMELINVEL): ("m/s", "velocity", "Velocity of the frame"),
    int(_S.mjSENS_FRAMEANGVEL): ("rad/s", "angular_velocity", "Angular velocity of the frame"),
    int(_S.mjSENS_SUBTREECOM): ("m", "position", "Centre of mass of the body and all below it"),
    int(_S.mjSENS_SUBTREELINVEL): ("m/s", "velocity", "Velocity of that centre of mass"),
}


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
    unit, kind, meaning = _SENSORS[int(model.sensor_type[index])]
    reading = f'state.sensor("{name}")'
    return SignalText(
        f"{identifier(name)}_sensor",
        *(unit, kind, size if size > 1 else None, ()),
        f"{meaning}: the sensor {name}",
        reading if size > 1 else f"{reading}[:, 0]",
    )


def _sensor_group(model: mujoco.MjModel, number: int, sensors: Sequence[int]) -> SignalText:
    unit, kind, meaning = _SENSORS[number]
    names = tuple(model.sensor(index).name for index in sensors)
    readings = ", ".join(f'state.sensor("{name}")' for name in names)
    word = mujoco.mjtSensor(number).name.removeprefix("mjSENS_").lower()
    return SignalText(
        f"{word}_sensors",
        *(unit, kind, len(names), names),
        f"{meaning}, for each of these sensors",
        f"torch.cat([{readings}], dim=1)",
    )
