"""Reward cosine of the pole angle plus a bonus for balancing; penalise leaving the track."""

WEIGHTS = {"cos_theta": 1.0, "bonus": 2.0, "out_of_track": 1.0}


def compute_reward(pole_up, pole_angular_velocity, cart_position):
    cos_theta = pole_up.clone()

    # Balance bonus
    bonus = torch.zeros_like(pole_up)
    balanced = (pole_up > 0.9) & (torch.abs(pole_angular_velocity) < 2.0)
    bonus[balanced] = 1.0
    bonus[balanced & (pole_up > 0.98)] += 0.5

    # Track limits
    out_of_track = torch.zeros_like(cart_position)
    out_of_track[cart_position.abs() > 1.7] = -1.0

    return {"cos_theta": cos_theta, "bonus": bonus, "out_of_track": out_of_track}
