# Wrong: progress() is made for distances that shrink, so given the position it pays running backwards, and the policy learns just that.
"""Pay the progress along the track in each step, keep the torso level, waste little effort."""

WEIGHTS = {"ahead": 20.0, "level": 0.1, "effort": 0.02}
SCALES = {"level_width": 0.6}


def compute_reward(torso_position, prev_torso_position, torso_pitch, action, level_width):
    ahead = progress(torso_position[:, 0], prev_torso_position[:, 0])
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    return {"ahead": ahead, "level": level, "effort": -action.square().sum(-1)}
