"""What a reward for walking forward must tell apart."""

from eureka_agent.reward.contrasts import Contrast, frozen, harder, mirrored
from eureka_agent.reward.motions import HELD, UNTRAINED, carried, shaken, slowed

CONTROL_STEP = 0.008
FORWARD = {"torso_position": [0], "torso_velocity": [0]}
"""The columns that tell of getting forward."""
WAY, PITCH = ("torso_position", "torso_velocity", 0), ("torso_pitch", "torso_pitch_rate", None)
"""Where the robot is and how fast, and likewise how it is turned."""

CONTRASTS = (
    Contrast("mirrored", "strides that go backward", "less", change=mirrored(FORWARD)),
    Contrast("slower", "strides that get half as far", "less", change=slowed(FORWARD)),
    Contrast(
        "frozen",
        "a robot that stays where it stood",
        "less",
        change=frozen(["torso_velocity", "torso_pitch_rate", "joint_velocities"]),
    ),
    Contrast("held", "a robot that keeps still in any posture", "less", other=HELD),
    Contrast("harder", "the same strides with twice the effort", "no more", change=harder()),
    Contrast("easier", "the same strides with half the effort", "no less", change=harder(0.5)),
    Contrast("shaken", "the same strides with motors that tremble", "no more", change=shaken()),
    Contrast(
        "tumbling forward",
        "strides that turn over and over",
        "no more",
        change=carried(*PITCH, 3.0, CONTROL_STEP),
    ),
    Contrast(
        "tumbling backward",
        "strides that turn over and over",
        "no more",
        change=carried(*PITCH, -3.0, CONTROL_STEP),
    ),
    Contrast(
        "carried",
        "an untrained robot that gets forward at 2 m/s",
        "more",
        kind=UNTRAINED,
        change=carried(*WAY, 2.0, CONTROL_STEP),
    ),
)
