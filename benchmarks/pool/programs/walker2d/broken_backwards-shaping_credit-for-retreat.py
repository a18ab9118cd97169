# Fault: the distance to the furthest point so far is paid instead of charged, so that falling back
# behind that point and staying there earns more than any walk forward.
"""Pay speed, and use the furthest point reached so far as a ratchet against slipping back."""

WEIGHTS = {"speed": 1.0, "ratchet": 20.0, "upright": 0.5}


def compute_reward(torso_velocity, torso_position, max_torso_position, torso_pitch):
    ratchet = max_torso_position[:, 0] - torso_position[:, 0]
    upright = gaussian_kernel(torso_pitch, 0.6)
    return {"speed": torso_velocity[:, 0], "ratchet": ratchet, "upright": upright}
