"""Two tasks in words only: the designer needs no simulator, and must not care which task it is."""

import pytest

from eureka_agent.environment import TaskDescription
from eureka_agent.reward import Signal

JOINTS = ("hip", "knee", "ankle")


def describe(task: str, *signals: Signal, termination: str = "") -> TaskDescription:
    return TaskDescription(
        environment="robot",
        task=task,
        signals=signals,
        actuators=JOINTS,
        control_step=0.05,
        episode_steps=500,
        termination=termination,
    )


@pytest.fixture
def hopper() -> TaskDescription:
    return describe(
        "Hop forward as fast as possible.",
        Signal("joint_angles", 3, "rad", "Angles of the leg's joints", "angle", JOINTS),
        Signal("joint_rates", 3, "rad/s", "Joint velocities", "angular_velocity", JOINTS),
        Signal(
            "torso_velocity",
            2,
            "m/s",
            "Velocity of the torso",
            "velocity",
            ("forward (x)", "up (z)"),
        ),
        Signal("torso_lean", None, "rad", "Lean of the torso, positive forward", "angle"),
        Signal("foot_force", None, "N", "Force of the ground on the foot", "force"),
        termination="The torso falls below half its height.",
    )


@pytest.fixture
def pendulum() -> TaskDescription:
    return describe(
        "Swing the rod up and keep it upright in the middle of the track.",
        Signal("rod_rate", None, "rad/s", "Angular velocity of the rod", "angular_velocity"),
        Signal("slider_position", None, "m", "Position on the track, 0 in the middle", "position"),
        Signal("rod_up", None, "1", "Cosine of the rod's tilt: 1 upright, -1 down", "orientation"),
        Signal("slider_velocity", 1, "m/s", "Velocity of the slider", "velocity", ("right",)),
    )


@pytest.fixture(params=["hopper", "pendulum"])
def task(request: pytest.FixtureRequest) -> TaskDescription:
    return request.getfixturevalue(request.param)
