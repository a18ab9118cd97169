# Idea: a speed that grows ever more slowly beyond 6 m/s, with a bonus for a torso that stays the right way up.
"""Diminishing returns keep rare bursts from ruling; upright is a mild extra."""

WEIGHTS = {"run": 1.0, "upright": 0.2}
SCALES = {"knee": 6.0}


def compute_reward(torso_velocity, torso_pitch, knee):
    forward = torso_velocity[:, 0]
    run = forward / (1.0 + forward.abs() / knee)
    return {"run": run, "upright": torch.cos(torso_pitch)}
