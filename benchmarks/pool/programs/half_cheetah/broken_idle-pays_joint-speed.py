# Wrong: squared joint speeds of 10 rad/s make legs that run cost many times what speed pays, so the policy learns to keep its legs still.
"""Run fast with quiet, efficient legs: speed pays, fast joints and large torques cost."""

WEIGHTS = {"forward": 1.0, "quiet_legs": 0.05, "effort": 0.05}


def compute_reward(torso_velocity, joint_velocities, action):
    quiet_legs = -joint_velocities.square().sum(-1)
    return {
        "forward": torso_velocity[:, 0],
        "quiet_legs": quiet_legs,
        "effort": -action.square().sum(-1),
    }
