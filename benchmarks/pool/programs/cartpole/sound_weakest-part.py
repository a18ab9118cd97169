# Height pays throughout, and the worst of three kernels (angle, middle, calm) pays the finish.
"""Lift the pole for its height, then improve whichever of angle, place and calm is worst."""

WEIGHTS = {"height": 0.5, "weakest": 1.5, "effort": 0.01}
SCALES = {"tilt": 0.5, "place": 0.7, "turning": 2.5}


def compute_reward(
    pole_up, pole_right, cart_position, pole_angular_velocity, action, tilt, place, turning
):
    upright = laplace_kernel(torch.atan2(pole_right, pole_up), tilt)
    middle = laplace_kernel(cart_position, place)
    calm = gaussian_kernel(pole_angular_velocity, turning)
    return {
        "height": pole_up,
        "weakest": torch.minimum(torch.minimum(upright, middle), calm),
        "effort": -action.square().sum(-1),
    }
