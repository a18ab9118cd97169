# Hold the energy of upright rest, but the height enters the energy with the wrong sign.
# The pole hanging at rest then has just the energy that is paid most, so it is left hanging.
"""Keep the pole at the energy of upright rest, with a bonus for rest near the top."""

WEIGHTS = {"energy": 1.0, "balance": 0.5, "middle": 0.2, "effort": 0.01}
SCALES = {"energy_width": 0.6, "rate_width": 2.0}


def compute_reward(pole_up, pole_angular_velocity, cart_position, action, energy_width, rate_width):
    energy = pole_angular_velocity.square() / 29.43 - pole_up
    balance = torch.relu(pole_up) * gaussian_kernel(pole_angular_velocity, rate_width)
    return {
        "energy": laplace_kernel(energy - 1.0, energy_width),
        "balance": balance,
        "middle": -cart_position.square(),
        "effort": -action.square().sum(-1),
    }
