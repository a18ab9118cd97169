# Speed less the mechanical power of the joints, a cost that stays small beside the speed it buys.
"""Be fast and waste no energy: charge torque times joint speed, and pay for staying up."""

WEIGHTS = {"speed": 1.2, "alive": 0.8, "power": 0.02}


def compute_reward(torso_velocity, terminated, action, joint_velocities):
    power = (action * joint_velocities).abs().sum(-1)
    return {
        "speed": torso_velocity[:, 0],
        "alive": 1.0 - terminated.float(),
        "power": -power.clamp(max=40.0),
    }
