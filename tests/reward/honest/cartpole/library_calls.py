"""Use what is there: kernels, tolerance and progress of the reward library."""

WEIGHTS = {"up": 1.0, "centre": 0.5, "climb": 2.0, "still": 0.2}
SCALES = {"centre_width": 0.8, "still_width": 3.0}


def compute_reward(pole_up, prev_pole_up, pole_right, cart_position, pole_angular_velocity, centre_width, still_width):
    angle = wrap_angle(torch.atan2(pole_right, pole_up))
    up = tolerance(pole_up, 0.95, 1.0, 1.5)
    centre = laplace_kernel(cart_position, centre_width)
    climb = progress(1.0 - pole_up, 1.0 - prev_pole_up)
    still = up * gaussian_kernel(pole_angular_velocity, still_width) * (angle_difference(angle, 0.0).abs() < 0.3)
    return {"up": up, "centre": centre, "climb": climb, "still": still}
