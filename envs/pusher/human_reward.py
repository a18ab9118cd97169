"""Object near the goal, fork near the object, little control: the reward of Gymnasium's Pusher-v5.

Gymnasium's actions reach from -2 to 2 there and its weight of the control is 0.1.
"""

WEIGHTS = {"near": 0.5, "distance": 1.0, "control": 0.4}


def compute_reward(object_offset, goal_offset, action):
    return {
        "near": -object_offset.norm(dim=-1),
        "distance": -goal_offset.norm(dim=-1),
        "control": -action.square().sum(-1),
    }
