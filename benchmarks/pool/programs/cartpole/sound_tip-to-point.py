# The pole's tip is drawn to the one point that is 1 m above the middle of the rail.
"""Bring the pole's tip to the point straight above the middle of the rail and hold it still."""

WEIGHTS = {"distance": 0.5, "arrived": 1.0, "tip_speed": 0.1}
SCALES = {"arrival_width": 0.6}


def compute_reward(
    cart_position, cart_velocity, pole_right, pole_up, pole_angular_velocity, arrival_width
):
    miss = torch.stack([cart_position + pole_right, pole_up - 1.0], dim=-1)
    distance = safe_norm(miss)
    arrived = gaussian_kernel(distance, arrival_width)
    tip_velocity = torch.stack(
        [cart_velocity + pole_up * pole_angular_velocity, -pole_right * pole_angular_velocity],
        dim=-1,
    )
    return {
        "distance": -distance,
        "arrived": arrived,
        "tip_speed": -arrived * safe_norm(tip_velocity),
    }
