# A kernel on the pole's energy brings it up, and a bonus for rest above level keeps it there.
"""Hold the pole at the energy of upright rest, and pay for turning slowly when above level."""

WEIGHTS = {"energy": 0.6, "rest": 1.5, "middle": 0.4, "effort": 0.01}
SCALES = {"energy_width": 1.0, "rest_width": 2.0, "rail_width": 0.8}


def pole_energy(height, rate):
    # In units of the potential energy at upright; a rod of 1 m turns at rate^2 / (3 g) of that.
    return height + rate.square() / 29.43


def compute_reward(
    pole_up, pole_angular_velocity, cart_position, action, energy_width, rest_width, rail_width
):
    above = torch.relu(pole_up)
    return {
        "energy": laplace_kernel(pole_energy(pole_up, pole_angular_velocity) - 1.0, energy_width),
        "rest": above * gaussian_kernel(pole_angular_velocity, rest_width),
        "middle": above * gaussian_kernel(cart_position, rail_width),
        "effort": -action.square().sum(-1),
    }
