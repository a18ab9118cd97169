"""Write as one would for speed: reuse buffers and update them in place."""

WEIGHTS = {"total_up": 1.0, "cost": 0.1}


def compute_reward(pole_up, cart_position, cart_velocity, pole_angular_velocity, action):
    total_up = pole_up
    total_up += 1.0
    total_up /= 2.0
    cost = torch.zeros_like(cart_position)
    cost += cart_position.abs()
    cost += 0.1 * cart_velocity.abs()
    cost -= 0.5 * torch.cos(pole_angular_velocity).clamp(max=0.0)
    for i in range(1):
        cost += 0.01 * action[:, i] ** 2
    cost *= -1.0
    return {"total_up": total_up, "cost": cost}
