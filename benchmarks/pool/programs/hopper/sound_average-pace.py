# The mean speed since the start beside that of now: a slow patch or a stop is felt for long.
"""Pay the average speed of the whole episode so far as well as the speed of the moment."""

WEIGHTS = {"average": 0.7, "speed": 0.7, "alive": 0.6, "effort": 0.003}
SCALES = {"episode_seconds": 8.0, "least_seconds": 0.3}


def compute_reward(
    torso_position,
    start_torso_position,
    torso_velocity,
    time_left,
    terminated,
    action,
    episode_seconds,
    least_seconds,
):
    seconds = ((1.0 - time_left) * episode_seconds).clamp(min=least_seconds)
    average = (torso_position[:, 0] - start_torso_position[:, 0]) / seconds
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"average": average, "speed": torso_velocity[:, 0], "alive": alive, "effort": effort}
