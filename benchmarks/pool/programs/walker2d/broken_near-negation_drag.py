# Fault: the length of the velocity, charged for smooth motion, takes back all that forward speed
# pays and a little more, so that standing still is best.
"""Pay forward speed, charge violent motion of the torso, and keep it upright."""

WEIGHTS = {"forward": 1.0, "violence": 1.1, "upright": 0.5, "effort": 0.003}


def compute_reward(torso_velocity, torso_pitch, action):
    forward = torso_velocity[:, 0]
    violence = -safe_norm(torso_velocity)
    upright = gaussian_kernel(torso_pitch, 0.6)
    effort = -action.square().sum(-1)
    return {"forward": forward, "violence": violence, "upright": upright, "effort": effort}
