"""Alive bonus that fades, so that merely standing does not pay for long."""

WEIGHTS = {"velocity": 1.0, "alive": 0.05, "crash": 1.0}


def compute_reward(torso_velocity, torso_pitch, terminated, time_left):
    velocity = torso_velocity[:, 0]
    alive = time_left * torch.logical_not(terminated)
    crash = -(terminated | (torso_pitch.abs() > 2.5)).float()
    return {"velocity": velocity, "alive": alive, "crash": crash}
