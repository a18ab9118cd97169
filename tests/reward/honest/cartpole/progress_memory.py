"""Pay records: a new highest pole position in the episode, and coming back from the farthest drift."""

WEIGHTS = {"record": 5.0, "hold": 1.0, "back": 0.5, "hurry": 0.1}


def compute_reward(pole_up, max_pole_up, prev_pole_up, cart_position, start_cart_position, min_cart_position,
                   max_cart_position, time_left):
    record = (pole_up >= max_pole_up).float() * (pole_up - prev_pole_up).clamp(min=0.0)
    hold = torch.where(pole_up > 0.9, torch.ones_like(pole_up), 0.1 * pole_up)
    drift = (cart_position - start_cart_position).abs()
    span = (max_cart_position - min_cart_position).clamp(min=0.1)
    back = -drift / span
    hurry = hold * time_left
    return {"record": record, "hold": hold, "back": back, "hurry": hurry}
