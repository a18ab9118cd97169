"""Unpack and swap a few values on the way, as scripts do."""

WEIGHTS = {"up": 1.0, "centre": 0.3, "turn": 0.05}


def polar(right, up):
    angle = torch.atan2(right, up)
    length = torch.hypot(right, up)
    return angle, length


def dict_of(up, centre, turn):
    return {"up": up, "centre": centre, "turn": turn}


def compute_reward(pole_right, pole_up, cart_position, pole_angular_velocity):
    angle, length = polar(pole_right, pole_up)
    best, worst = 1.0, 0.0
    up = length * (best - angle.abs() / math.pi) + worst
    centre, turn = -cart_position.abs(), -pole_angular_velocity.abs()
    return dict_of(up, centre, turn)
