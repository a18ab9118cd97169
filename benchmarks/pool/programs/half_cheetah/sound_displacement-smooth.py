# Idea: pay the metres won in the step, and price jerky actions and a torso that rocks.
"""Distance gained per step is the honest speed; smooth torques and a calm torso make it a gait."""

WEIGHTS = {"gained": 1.0, "smooth": 0.04, "calm": 0.01}
SCALES = {"step_seconds": 0.05}


def compute_reward(
    torso_position, prev_torso_position, torso_pitch_rate, action, prev_action, step_seconds
):
    gained = (torso_position[:, 0] - prev_torso_position[:, 0]) / step_seconds
    smooth = -(action - prev_action).square().sum(-1)
    calm = -torso_pitch_rate.square().clamp(max=50.0)
    return {"gained": gained, "smooth": smooth, "calm": calm}
