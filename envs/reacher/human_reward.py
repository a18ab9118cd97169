"""Be close to the target and spend little control: the reward of Gymnasium's Reacher-v5."""

WEIGHTS = {"distance": 1.0, "control": 1.0}


def compute_reward(target_offset, action):
    distance = -target_offset.norm(dim=-1)
    control = -action.square().sum(-1)
    return {"distance": distance, "control": control}
