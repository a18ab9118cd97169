"""Pole up, cart centred, little force, slow pole: the product that dm_control pays for swing-up."""

WEIGHTS = {"swing_up": 1.0}


def gaussian(x, margin):
    """1 at zero and 0.1 at the margin: dm_control's default tolerance."""
    return torch.exp(math.log(0.1) * (x / margin) ** 2)


def compute_reward(pole_up, cart_position, pole_angular_velocity, action):
    upright = (pole_up + 1.0) / 2.0
    centred = (1.0 + gaussian(cart_position, 2.0)) / 2.0
    little_force = (4.0 + (1.0 - action[:, 0].square()).clamp(min=0.0)) / 5.0
    slow = (1.0 + gaussian(pole_angular_velocity, 5.0)) / 2.0
    return {"swing_up": upright * centred * little_force * slow}
