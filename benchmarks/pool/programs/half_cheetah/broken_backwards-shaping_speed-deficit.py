# Wrong: it pays the growth of what is missing to a sprint, so it rewards braking; over an episode that cancels but for a slight pull backwards.
"""Shape by the distance to a sprint: pay the change of what is still missing."""

WEIGHTS = {"closer": 1.0, "level": 0.02, "effort": 0.005}
SCALES = {"sprint": 12.0, "level_width": 0.5}


def missing(velocity, sprint):
    return torch.relu(sprint - velocity[:, 0])


def compute_reward(torso_velocity, prev_torso_velocity, torso_pitch, action, sprint, level_width):
    closer = missing(torso_velocity, sprint) - missing(prev_torso_velocity, sprint)
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    return {"closer": closer, "level": level, "effort": -action.square().sum(-1)}
