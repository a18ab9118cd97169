# Meant to pay the ground covered in each step, beside survival and a level torso.
# Wrong: progress() is for a distance that shrinks, so on a position it pays for moving backwards,
# and a policy trained on it hops backwards or leans that way.
"""Pay the progress along x in each step, as a speed, with an upright torso and survival."""

WEIGHTS = {"forward": 1.0, "upright": 0.4, "alive": 0.6}
SCALES = {"pitch_width": 0.2}


def compute_reward(torso_position, prev_torso_position, torso_pitch, terminated, pitch_width):
    forward = progress(torso_position[:, 0], prev_torso_position[:, 0]) / 0.008
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    return {"forward": forward, "upright": upright, "alive": alive}
