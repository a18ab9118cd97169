# One product of height, middle, calm and effort, each between a floor and 1.
"""Pay height times nearness to the middle times calm times low effort: nothing is had alone."""

WEIGHTS = {"task": 1.0}
SCALES = {"rail_margin": 1.8, "spin_margin": 6.0, "effort_share": 0.15}


def compute_reward(
    pole_up, cart_position, pole_angular_velocity, action, rail_margin, spin_margin, effort_share
):
    height = 0.5 * (1.0 + pole_up)
    middle = 0.5 * (1.0 + tolerance(cart_position, -0.1, 0.1, rail_margin))
    calm = 0.5 * (1.0 + tolerance(pole_angular_velocity, -0.5, 0.5, spin_margin))
    thrift = 1.0 - effort_share * action.square().sum(-1)
    return {"task": height * middle * calm * thrift}
