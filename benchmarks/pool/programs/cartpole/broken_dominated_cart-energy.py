# Paying the whole machine's energy in joules lets the heavy cart's motion drown the light pole.
# A cart that dashes from end to end has ten times the energy that raising the pole could add.
"""Raise the mechanical energy of the machine, which is high with the pole up; stay central."""

WEIGHTS = {"energy": 1.0, "upright": 0.5, "middle": 0.1}
SCALES = {"cart_mass": 1.0, "pole_mass": 0.1}


def compute_reward(
    pole_up, pole_angular_velocity, cart_position, cart_velocity, cart_mass, pole_mass
):
    potential = pole_mass * 9.81 * 0.5 * pole_up
    turning = 0.5 * (pole_mass / 3.0) * pole_angular_velocity.square()
    moving = 0.5 * (cart_mass + pole_mass) * cart_velocity.square()
    return {
        "energy": potential + turning + moving,
        "upright": torch.relu(pole_up),
        "middle": -cart_position.square(),
    }
