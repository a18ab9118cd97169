"""Changes of recordings that say how a robot gets along, whatever its limbs do.

No robot could do exactly that, but a reward can be asked about it: they give a task that is about
getting somewhere a picture of success before any policy has had any.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eureka_agent.reward.contrasts import Change, Recorded

UNTRAINED = "untrained"
"""The kind of episodes that go on, to the time limit, as untrained policies begin them. A contrast
of this kind that must earn more is a picture of success, for as long as no good episode is known.
"""
HELD = "held"
"""The kind of robots that hold still for ever in the posture that pays best, of those that an
untrained one got into. It can only be what good episodes are compared with.
"""


def carried(
    position: str, velocity: str, axis: int | None, speed: float, control_step: float
) -> Change:
    """A change after which the robot as a whole moves or turns at a steady speed from the reset on.

    Args:
        position: signal of where it is, or of its angle.
        velocity: signal of the rate of that.
        axis: column of both that is meant; None if they have no columns.
        speed: in the unit of the velocity.
        control_step: duration of a step, s.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        place, rate = recorded[position].copy(), recorded[velocity].copy()
        column = ... if axis is None else (..., axis)
        time = control_step * np.arange(len(place), dtype=place.dtype)
        place[column] = place[:1][column] + speed * time[:, None]
        rate[1:][column] = speed
        return {**recorded, position: place, velocity: rate}

    return change


def slowed(columns: Mapping[str, Sequence[int] | None], factor: float = 0.5) -> Change:
    """A change after which quantities get less far from where they were at the reset.

    Args:
        columns: which columns of which signals; None for all of them.
        factor: how much of the way is left.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        result = dict(recorded)
        for name, which in columns.items():
            value = recorded[name].copy()
            chosen = (..., slice(None) if which is None else list(which))
            first = value[:1][chosen]
            value[chosen] = first + factor * (value[chosen] - first)
            result[name] = value
        return result

    return change


def shaken(size: float = 0.5) -> Change:
    """A change after which the same happens while each motor trembles, within [-1, 1].

    Args:
        size: what is added to actions at every other step, and taken from them at the rest.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        action = recorded["action"]
        sign = np.where(np.arange(len(action)) % 2, -1.0, 1.0).astype(action.dtype)
        return {**recorded, "action": np.clip(action + size * sign[:, None, None], -1.0, 1.0)}

    return change
