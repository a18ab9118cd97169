"""Swing the pole up and balance it near the centre of the rail with little motion."""

WEIGHTS = {"upright": 2.0, "centre": 0.5, "cart_speed": 0.05, "pole_speed": 0.02, "effort": 0.01}


def compute_reward(cart_position, cart_velocity, pole_up, pole_angular_velocity, action):
    upright = (pole_up + 1.0) / 2.0
    centre = -cart_position ** 2
    cart_speed = -cart_velocity ** 2
    pole_speed = -pole_angular_velocity ** 2
    effort = -(action ** 2).sum(dim=-1)
    return {
        "upright": upright,
        "centre": centre,
        "cart_speed": cart_speed,
        "pole_speed": pole_speed,
        "effort": effort,
    }
