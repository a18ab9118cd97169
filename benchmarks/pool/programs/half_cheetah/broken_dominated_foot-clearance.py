# Wrong: lifted feet at 20 per metre outweigh any speed, so the policy tips over and lies with its feet in the air.
"""Speed, and feet that clear the ground; clearances are centimetres, so their weight is larger."""

WEIGHTS = {"forward": 1.0, "clearance": 20.0, "effort": 0.02}


def compute_reward(torso_velocity, foot_heights, action):
    clearance = foot_heights.sum(-1)
    return {
        "forward": torso_velocity[:, 0],
        "clearance": clearance,
        "effort": -action.square().sum(-1),
    }
