"""Three stages: get the pole above level, get it upright, keep it there.

Each stage pays clearly more than the one before, so that progress is always worth it.
"""

WEIGHTS = {
    "stage_swing": 1.0,     # any upward motion
    "stage_up": 3.0,        # above the horizontal
    "stage_hold": 10.0,     # upright and slow
    "rail": 1.0,
}


def compute_reward(pole_up, pole_angular_velocity, cart_position, prev_pole_up):
    # Stage 1 – potential-based progress
    stage_swing = pole_up - prev_pole_up

    # Stage 2 — a bonus that grows above the horizontal
    above = pole_up > 0
    stage_up = torch.where(above, pole_up, torch.zeros_like(pole_up))

    # Stage 3 → hold
    upright = pole_up > 0.95
    slow = pole_angular_velocity.abs() < 1.0
    stage_hold = (upright & slow).float()

    # stay on the rail (soft limit at ±1.5 m)
    rail = -torch.relu(cart_position.abs() - 1.5) ** 2
    return {"stage_swing": stage_swing, "stage_up": stage_up, "stage_hold": stage_hold, "rail": rail}
