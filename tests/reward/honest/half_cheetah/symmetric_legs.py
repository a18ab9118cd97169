"""Use both legs alike: compare how hard the back and the front leg work."""

WEIGHTS = {"forward": 1.0, "balance": 0.1, "work": 0.01}


def compute_reward(torso_velocity, joint_velocities, action):
    power = (action * joint_velocities).abs()
    back, front = power[:, :3].sum(-1), power[:, 3:].sum(-1)
    total = back + front + 1e-6
    balance = 1.0 - (back - front).abs() / total
    moving = (torso_velocity[:, 0] > 0.5).to(torch.float32)
    return {"forward": torso_velocity[:, 0], "balance": balance * moving, "work": -total}
