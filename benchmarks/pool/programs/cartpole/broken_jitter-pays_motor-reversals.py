# Pumping needs a motor that reverses, so changes of force are paid, and more than height.
# Flipping the force at every step earns most; the cart trembles on the spot and lifts nothing.
"""Swing the pole up by reversing the motor often, and stay near the middle."""

WEIGHTS = {"height": 0.3, "reversal": 1.0, "middle": 0.3}
SCALES = {"rail_width": 0.6}


def compute_reward(pole_up, cart_position, action, prev_action, rail_width):
    return {
        "height": 0.5 * (1.0 + pole_up),
        "reversal": (action - prev_action).square().sum(-1),
        "middle": gaussian_kernel(cart_position, rail_width),
    }
