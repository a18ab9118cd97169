# Height is paid by the episode's best instead of the present one: a record once set pays for ever.
# One swing over the top earns everything; the pole may then fall and hang to the end.
"""Swing the pole up to the top and hold the height won, near the middle and with little force."""

WEIGHTS = {"height": 1.0, "at_top": 0.5, "middle": 0.2, "effort": 0.03}
SCALES = {"top_width": 0.4}


def compute_reward(max_pole_up, cart_position, action, top_width):
    return {
        "height": max_pole_up,
        "at_top": gaussian_kernel(1.0 - max_pole_up, top_width),
        "middle": -cart_position.square(),
        "effort": -action.square().sum(-1),
    }
