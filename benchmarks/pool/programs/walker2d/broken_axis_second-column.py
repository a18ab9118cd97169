# Fault: the second column is up, not forward, and gains of height cancel out over time, so that
# only the bonus for standing is left to learn.
"""Pay the metres gained in each step and a bonus for keeping the torso from tipping."""

WEIGHTS = {"forward": 1.0, "upright": 0.5, "smooth": 0.01}
SCALES = {"control_step": 0.008}


def compute_reward(
    torso_position, prev_torso_position, torso_pitch, action, prev_action, control_step
):
    forward = (torso_position[:, 1] - prev_torso_position[:, 1]) / control_step
    upright = laplace_kernel(torso_pitch, 0.5)
    smooth = -(action - prev_action).square().sum(-1)
    return {"forward": forward, "upright": upright, "smooth": smooth}
