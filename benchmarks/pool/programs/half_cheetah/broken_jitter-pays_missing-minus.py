# Wrong: the term for smoothness lacks its minus, so changing the action pays up to 24 a step against 1 for speed, and the policy shakes on the spot.
"""A bounded forward speed, smooth from one action to the next, with little rocking."""

WEIGHTS = {"forward": 1.0, "smooth": 1.0, "rocking": 0.02}
SCALES = {"pace": 3.0}


def compute_reward(torso_velocity, torso_pitch_rate, action, prev_action, pace):
    forward = torch.tanh(torso_velocity[:, 0] / pace)
    smooth = (action - prev_action).square().sum(-1)
    return {"forward": forward, "smooth": smooth, "rocking": -torso_pitch_rate.abs()}
