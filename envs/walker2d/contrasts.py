"""What a reward for walking forward must tell apart."""

from eureka_agent.environment.contrasts import travelling

CONTRASTS = travelling(
    "strides",
    way=("torso_position", "torso_velocity", 0),
    turn=("torso_pitch", "torso_pitch_rate", None),
    rates=["joint_velocities"],
    speed=2.0,
    control_step=0.008,
)
