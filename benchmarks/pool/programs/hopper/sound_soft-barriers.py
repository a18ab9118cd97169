# The logarithm of the speed, with costs that rise only in the margin before a fall ends it all.
"""Leave posture free in the middle and push back near the limits of pitch and height; pay the
logarithm of speed, steep where learning starts."""

WEIGHTS = {"speed": 1.5, "lean": 0.4, "low": 0.4, "fall": 3.0, "alive": 0.5}
SCALES = {"lean_free": 0.1, "lean_limit": 0.2, "low_free": 1.1, "low_limit": 0.7}


def barrier(excess, room):
    return -torch.relu(excess / room).clamp(max=2.0).square()


def compute_reward(
    torso_velocity,
    torso_position,
    torso_pitch,
    terminated,
    lean_free,
    lean_limit,
    low_free,
    low_limit,
):
    forward = torso_velocity[:, 0]
    speed = torch.sign(forward) * torch.log1p(forward.abs())
    lean = barrier(torso_pitch.abs() - lean_free, lean_limit - lean_free)
    low = barrier(low_free - torso_position[:, 1], low_free - low_limit)
    fall = -terminated.float()
    return {"speed": speed, "lean": lean, "low": low, "fall": fall, "alive": 1.0 + fall}
