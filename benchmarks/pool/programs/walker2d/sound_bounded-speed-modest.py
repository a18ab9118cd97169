# A modest one: speed is paid up to 2 m/s only, so it teaches a steady walk and leaves higher speeds
# to chance.
"""Learn a safe brisk walk first: speed counts up to 2 m/s, upright and unhurried torso beside
it."""

WEIGHTS = {"brisk": 1.0, "upright": 0.3, "steady": 0.02}


def compute_reward(torso_velocity, torso_pitch, torso_pitch_rate):
    brisk = torso_velocity[:, 0].clamp(-1.0, 2.0)
    upright = torch.relu(1.0 - torso_pitch.abs())
    steady = -torso_pitch_rate.square().clamp(max=25.0)
    return {"brisk": brisk, "upright": upright, "steady": steady}
