# Nothing but the ground covered in each step: falling costs the ground that would have followed.
"""Pay the metres gained in this step, per second; a fall forfeits all that could still come."""

WEIGHTS = {"gain": 1.0}


def compute_reward(torso_position, prev_torso_position):
    gain = (torso_position[:, 0] - prev_torso_position[:, 0]) / 0.008
    return {"gain": gain}
