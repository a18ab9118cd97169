# Height plus nearness to the middle, but centimetres are held against half the rail in metres.
# Only the first two centimetres pay, and they pay more than height: the cart stays, nothing swings.
"""Raise the pole and stay central, with nearness measured against half the length of the rail."""

WEIGHTS = {"height": 0.7, "central": 1.0, "effort": 0.01}
SCALES = {"half_rail": 1.8}


def compute_reward(pole_up, cart_position, action, half_rail):
    centimetres = 100.0 * cart_position
    return {
        "height": 0.5 * (1.0 + pole_up),
        "central": laplace_kernel(centimetres, half_rail),
        "effort": -action.square().sum(-1),
    }
