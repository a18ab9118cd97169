# Speed pays more the faster it is (linear plus a quadratic part), so that no slow gait contents.
"""Pay speed linearly where learning starts and faster than linearly later, against slow gaits."""

WEIGHTS = {"speed": 0.8, "fast": 0.25, "alive": 0.8, "smooth": 0.01}


def compute_reward(torso_velocity, terminated, action, prev_action):
    speed = torso_velocity[:, 0]
    fast = torch.relu(speed).clamp(max=6.0).square()
    alive = 1.0 - terminated.float()
    smooth = -(action - prev_action).square().sum(-1)
    return {"speed": speed, "fast": fast, "alive": alive, "smooth": smooth}
