"""What a reward for hopping forward must tell apart."""

from eureka_agent.reward.contrasts import Contrast, frozen, harder, mirrored

CONTRASTS = (
    Contrast(
        "mirrored",
        "hops that go backward",
        "less",
        change=mirrored({"torso_position": [0], "torso_velocity": [0]}),
    ),
    Contrast(
        "frozen",
        "a robot that stays where it stood",
        "less",
        change=frozen(["torso_velocity", "torso_pitch_rate", "joint_velocities"]),
    ),
    Contrast("harder", "the same hops with twice the effort", "no more", change=harder()),
)
