"""A scale chooses between a sharp and a smooth version of the same idea."""

WEIGHTS = {"up": 1.0, "centre": 0.2}
SCALES = {"sharp": 0.0, "power": 2.0}


def shape(x, sharp, power):
    if sharp > 0.5:
        return (x > 0.9).float()
    elif sharp > 0.1:
        return x.clamp(min=0.0) ** power
    else:
        return (x + 1.0) / 2.0


def compute_reward(pole_up, cart_position, sharp, power):
    up = shape(pole_up, sharp, power)
    falloff = 2.0 if sharp > 0.5 else 1.0
    centre = torch.exp(-falloff * cart_position.abs())
    return {"up": up, "centre": centre}
