"""What a reward for running forward must tell apart."""

from eureka_agent.environment.contrasts import Contrast, frozen, harder, mirrored

CONTRASTS = (
    Contrast(
        "mirrored",
        "runs that go backward",
        "less",
        change=mirrored({"torso_position": [0], "torso_velocity": [0]}),
    ),
    Contrast(
        "frozen",
        "a robot that stays where it began",
        "less",
        change=frozen(["torso_velocity", "torso_angular_velocity", "joint_velocities"]),
    ),
    Contrast("harder", "the same runs with twice the effort", "no more", change=harder()),
)
