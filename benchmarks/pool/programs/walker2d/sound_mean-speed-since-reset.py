# Half for the speed of the moment and half for the mean speed since the reset, with a slip of the
# torso charged.
"""Judge the whole way: mix the present speed with the mean speed since the start, which a stumble
lowers for long."""

WEIGHTS = {"present": 0.6, "mean": 0.6, "sinking": 2.0, "alive": 0.3}
SCALES = {"episode": 8.0, "settling": 0.5}


def compute_reward(
    torso_position, start_torso_position, torso_velocity, time_left, terminated, episode, settling
):
    elapsed = episode * (1.0 - time_left)
    mean = (torso_position[:, 0] - start_torso_position[:, 0]) / (elapsed + settling)
    sinking = -torch.relu(1.05 - torso_position[:, 1])
    return {
        "present": torso_velocity[:, 0],
        "mean": mean,
        "sinking": sinking,
        "alive": (~terminated).float(),
    }
