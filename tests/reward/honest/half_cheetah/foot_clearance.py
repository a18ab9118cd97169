"""Lift the feet while moving forward, and do not drag them."""

WEIGHTS = {"forward": 1.0, "clear": 0.3, "drag": 0.2}
SCALES = {"good_height": 0.12}


def compute_reward(torso_velocity, foot_heights, prev_foot_heights, good_height):
    forward = torso_velocity[:, 0].clamp(max=12.0)
    highest = foot_heights.max(dim=-1).values
    lowest, which = foot_heights.min(dim=-1)
    clear = torch.minimum(highest / good_height, torch.ones_like(highest))
    moved = (foot_heights - prev_foot_heights).abs().sum(-1)
    drag = -((lowest < 0.02) & (moved < 1e-3)).float() - 0.0 * which
    return {"forward": forward, "clear": clear * (forward > 0.2), "drag": drag}
