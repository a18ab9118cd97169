# Fault: power in watts runs to many hundreds in any gait, so that even a small weight costs more
# than walking earns and the policy learns to stand with its joints locked.
"""Walk fast, stay up, and keep the mechanical power of the joints low."""

WEIGHTS = {"speed": 1.0, "alive": 2.5, "power": 0.004}
SCALES = {"full_torque": 100.0}


def compute_reward(torso_velocity, joint_velocities, action, terminated, full_torque):
    power = -(full_torque * action * joint_velocities).abs().sum(-1)
    return {"speed": torso_velocity[:, 0], "alive": (~terminated).float(), "power": power}
