# A pointed kernel on the angle, the middle paid only when upright, and smooth forces.
"""Follow the angle from upright with a wide kernel; when high, stay central; move smoothly."""

WEIGHTS = {"upright": 1.0, "middle": 0.5, "creep": 0.1, "smooth": 0.02}
SCALES = {"angle_width": 1.1, "rail_width": 0.5}


def compute_reward(
    pole_up,
    pole_right,
    cart_position,
    cart_velocity,
    action,
    prev_action,
    angle_width,
    rail_width,
):
    angle = torch.atan2(pole_right, pole_up)
    upright = laplace_kernel(angle, angle_width)
    near_top = upright.square()
    return {
        "upright": upright,
        "middle": near_top * laplace_kernel(cart_position, rail_width),
        "creep": -near_top * cart_velocity.square(),
        "smooth": -(action - prev_action).square().sum(-1),
    }
