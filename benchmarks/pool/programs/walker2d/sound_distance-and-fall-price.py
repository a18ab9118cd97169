# The distance covered in each step against one clear price for falling, and nothing else.
"""Every centimetre forward counts one, and a fall costs as much as half a metre."""

WEIGHTS = {"centimetres": 1.0, "fall": 50.0}


def compute_reward(torso_position, prev_torso_position, terminated):
    centimetres = 100.0 * (torso_position[:, 0] - prev_torso_position[:, 0])
    fall = -terminated.float()
    return {"centimetres": centimetres, "fall": fall}
