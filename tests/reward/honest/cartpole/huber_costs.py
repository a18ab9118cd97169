"""Huber costs on angle, rate, place and speed, so that large errors do not dominate."""

WEIGHTS = {"angle": 1.0, "rate": 0.05, "place": 0.3, "speed": 0.05}
SCALES = {"delta": 1.0}


def huber(x, delta):
    a = torch.abs(x)
    quadratic = torch.minimum(a, torch.full_like(a, delta))
    linear = a - quadratic
    return 0.5 * quadratic**2 + delta * linear


def compute_reward(pole_up, pole_right, pole_angular_velocity, cart_position, cart_velocity, delta):
    return {
        "angle": -huber(torch.atan2(pole_right, pole_up), delta),
        "rate": -huber(pole_angular_velocity, delta),
        "place": -huber(cart_position, delta),
        "speed": -huber(cart_velocity, delta),
    }
