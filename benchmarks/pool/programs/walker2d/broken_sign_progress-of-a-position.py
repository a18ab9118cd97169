# Fault: `progress` says how much a distance has shrunk, and here it gets the position itself, so
# that walking backwards is paid and the policy learns to retreat.
"""Pay the progress of the torso in each step, as a speed, with a small bonus for an upright
torso."""

WEIGHTS = {"advance": 1.0, "upright": 0.3, "effort": 0.003}
SCALES = {"control_step": 0.008}


def compute_reward(torso_position, prev_torso_position, torso_pitch, action, control_step):
    advance = progress(torso_position[:, 0], prev_torso_position[:, 0]) / control_step
    upright = gaussian_kernel(torso_pitch, 0.5)
    effort = -action.square().sum(-1)
    return {"advance": advance, "upright": upright, "effort": effort}
