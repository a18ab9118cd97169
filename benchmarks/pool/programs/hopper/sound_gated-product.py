# Speed counts in full only with a torso both upright and high, as a product of soft gates.
"""Forward speed times an upright gate times a height gate: speed from falling is worth little."""

WEIGHTS = {"stable_speed": 1.5, "stable": 0.5}
SCALES = {"pitch_width": 0.18, "lowest": 1.0, "highest": 1.6, "height_margin": 0.3}


def stability(pitch, height, pitch_width, lowest, highest, height_margin):
    upright = gaussian_kernel(pitch, pitch_width)
    return upright * tolerance(height, lowest, highest, height_margin)


def compute_reward(
    torso_velocity, torso_position, torso_pitch, pitch_width, lowest, highest, height_margin
):
    stable = stability(
        torso_pitch, torso_position[:, 1], pitch_width, lowest, highest, height_margin
    )
    return {"stable_speed": stable * torso_velocity[:, 0], "stable": stable}
