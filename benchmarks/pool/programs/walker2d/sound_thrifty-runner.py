# Speed less a small price for mechanical power, for jerky torques and for the knees' and ankles'
# stops.
"""Run fast at a fair price: charge power, jerk and joint stops, all well below what speed earns."""

WEIGHTS = {"speed": 1.5, "upright": 0.5, "power": 0.01, "jerk": 0.01, "stops": 0.1}


def compute_reward(
    torso_velocity, torso_pitch, joint_velocities, joint_angles, action, prev_action
):
    power = -(action * joint_velocities).abs().sum(-1)
    jerk = -(action - prev_action).square().sum(-1)
    ankles = torch.stack([joint_angles[:, 2], joint_angles[:, 5]], dim=-1)
    stops = -(ankles.abs() > 0.75).float().sum(-1)
    return {
        "speed": torso_velocity[:, 0],
        "upright": laplace_kernel(torso_pitch, 0.8),
        "power": power,
        "jerk": jerk,
        "stops": stops,
    }
