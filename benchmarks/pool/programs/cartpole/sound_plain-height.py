# The pole's height as it is, with mild costs for being off the middle and for force.
"""Pay the height of the pole at every step; charge a little for being off the middle and force."""

WEIGHTS = {"height": 1.0, "middle": 0.3, "effort": 0.02}


def compute_reward(pole_up, cart_position, action):
    return {
        "height": pole_up,
        "middle": -cart_position.square(),
        "effort": -action.square().sum(-1),
    }
