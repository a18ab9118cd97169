# Fault: `feet_ahead` is measured from the torso, not from the start, so that pushing the feet
# forward under a torso that leans back is paid and the way covered is not.
"""Pay the way that the feet have made since the reset, with an upright torso and little effort."""

WEIGHTS = {"way": 4.0, "upright": 0.5, "effort": 0.005}


def compute_reward(feet_ahead, start_feet_ahead, torso_pitch, action):
    way = (feet_ahead - start_feet_ahead).mean(-1)
    upright = gaussian_kernel(torso_pitch, 0.6)
    effort = -action.square().sum(-1)
    return {"way": way, "upright": upright, "effort": effort}
