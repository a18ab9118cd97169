"""Every root, logarithm and quotient is guarded."""

WEIGHTS = {"log_up": 0.5, "ratio": 0.5, "root": 0.2}
SCALES = {"eps": 1e-6}


def compute_reward(pole_up, cart_position, cart_velocity, pole_angular_velocity, eps):
    log_up = torch.log(((pole_up + 1.0) / 2.0).clamp(min=eps)) / 10.0
    ratio = pole_up / (1.0 + pole_angular_velocity.abs() + eps)
    root = -torch.sqrt(cart_position.square() + cart_velocity.square() + eps)
    log_up = torch.nan_to_num(log_up, nan=0.0, posinf=0.0, neginf=-2.0)
    return {"log_up": log_up, "ratio": ratio, "root": root}
