# Staying tall and upright, multiplied by a share for moving that grows up to 4 m/s, all between 0
# and 1.
"""Standing well is worth a fifth; the rest is earned by moving while standing well."""

WEIGHTS = {"walk": 1.0}
SCALES = {
    "low": 1.05,
    "height_margin": 0.4,
    "pitch_band": 0.3,
    "pitch_margin": 0.8,
    "top_speed": 4.0,
}


def compute_reward(
    torso_position,
    torso_velocity,
    torso_pitch,
    low,
    height_margin,
    pitch_band,
    pitch_margin,
    top_speed,
):
    tall = tolerance(torso_position[:, 1], low, 1.6, height_margin)
    upright = tolerance(torso_pitch, -pitch_band, pitch_band, pitch_margin)
    moving = (torso_velocity[:, 0] / top_speed).clamp(0.0, 1.0)
    walk = tall * upright * (1.0 + 4.0 * moving) / 5.0
    return {"walk": walk}
