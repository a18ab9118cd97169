# Idea: the speed of the moment together with the mean speed since the reset, so that a run that lasts pays more than bursts.
"""Pay the present speed and the average over the episode so far: a steady run wins on both."""

WEIGHTS = {"now": 1.0, "average": 0.3, "effort": 0.03}
SCALES = {"episode_seconds": 50.0, "least_seconds": 1.0}


def compute_reward(
    torso_velocity,
    torso_position,
    start_torso_position,
    time_left,
    action,
    episode_seconds,
    least_seconds,
):
    elapsed = ((1.0 - time_left) * episode_seconds).clamp(min=least_seconds)
    average = (torso_position[:, 0] - start_torso_position[:, 0]) / elapsed
    return {"now": torso_velocity[:, 0], "average": average, "effort": -action.square().sum(-1)}
