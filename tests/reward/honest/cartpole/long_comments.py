"""Stay upright."""

# ---------------------------------------------------------------------------
# Design notes
# ---------------------------------------------------------------------------
# * The fitness is probably some product of "upright" and "centred".
# * An untrained policy hangs: `pole_up` is about -1 and random forces change it little, so the
#   swing term has to be informative at the bottom: we use the squared angular velocity there.
# * TODO: tune the weights after the first run.
# ---------------------------------------------------------------------------

WEIGHTS = {
    "swing": 0.02,
    "upright": 1.0,
    "spin": 0.01,
    "edge": 1.0,
}


def compute_reward(pole_up, pole_angular_velocity, cart_position):
    """
    Args:
        pole_up: cosine of the angle
        pole_angular_velocity: rad/s
        cart_position: m

    Returns:
        dict with the components
    """
    low = (1.0 - pole_up) / 2.0            # 1 hanging, 0 upright
    high = 1.0 - low
    swing = low * torch.clamp(pole_angular_velocity ** 2, max=50.0)
    upright = high ** 2
    spin = -high * pole_angular_velocity ** 2
    edge = -torch.exp(4.0 * (cart_position.abs() - 1.8)).clamp(max=5.0)
    return {"swing": swing, "upright": upright, "spin": spin, "edge": edge}
