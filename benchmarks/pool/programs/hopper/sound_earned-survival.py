# Survival pays only while moving forward, and a fall costs more the more of the episode is left.
"""No pay for standing: survival is earned by pace, and a fall is charged for the time it wastes."""

WEIGHTS = {"speed": 0.8, "earned": 1.0, "fall": 15.0, "swing": 0.01}
SCALES = {"walking": 0.6, "softness": 0.4}


def compute_reward(torso_velocity, terminated, time_left, torso_pitch_rate, walking, softness):
    speed = torso_velocity[:, 0]
    earned = torch.sigmoid((speed - walking) / softness)
    fall = -terminated.float() * (0.3 + time_left)
    swing = -torso_pitch_rate.abs().clamp(max=10.0)
    return {"speed": speed, "earned": earned, "fall": fall, "swing": swing}
