# Height pays in soft stairs that grow towards the top, with calm there and a fence on the rail.
"""Climb eight soft stairs of height; at the top turn slowly; keep off the ends of the rail."""

WEIGHTS = {"stairs": 1.0, "calm": 0.5, "fence": 2.0, "home": 0.2, "smooth": 0.01}
SCALES = {"stair_width": 0.12, "fence_at": 0.9}


def compute_reward(
    pole_up, pole_angular_velocity, cart_position, action, prev_action, stair_width, fence_at
):
    stairs = torch.zeros_like(pole_up)
    for level in (-0.85, -0.6, -0.35, -0.1, 0.15, 0.4, 0.65, 0.9):
        stairs = stairs + (1.0 + level) * torch.sigmoid((pole_up - level) / stair_width)
    stairs = stairs / 8.2
    high = torch.sigmoid((pole_up - 0.8) / 0.08)
    return {
        "stairs": stairs,
        "calm": high / (1.0 + pole_angular_velocity.square()),
        "fence": -torch.relu(cart_position.abs() - fence_at).square(),
        "home": high * torch.exp(-cart_position.abs()),
        "smooth": -(action - prev_action).abs().sum(-1),
    }
