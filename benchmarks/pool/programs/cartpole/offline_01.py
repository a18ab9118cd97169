# The offline designer: the opening, the most plausible aim, paid where the guards hold.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright), as far as it goes with the
position of the cart along the rail staying near 0 (middle); charge for abrupt changes of
action."""

WEIGHTS = {"upright_while_middle": 1.0, "smoothness": 0.03}
SCALES = {"middle_width": 2.0}


def compute_reward(pole_up, cart_position, action, prev_action, middle_width):
    upright = (pole_up + 1.0) / 2.0
    middle = torch.exp(-(cart_position / middle_width).square())
    smoothness = -(action - prev_action).square().mean(-1)
    upright_while_middle = upright * middle
    return {"upright_while_middle": upright_while_middle, "smoothness": smoothness}
