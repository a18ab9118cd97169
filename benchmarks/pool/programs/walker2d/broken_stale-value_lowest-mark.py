# Fault: the smallest position of the episode never grows, so that ground won is never paid and
# standing still, which loses none, is the best there is.
"""Pay the distance that is safely won, so that swaying to and fro does not count, and reward a
steady posture."""

WEIGHTS = {"safe_distance": 5.0, "upright": 0.5, "steady": 0.02}


def compute_reward(min_torso_position, start_torso_position, torso_pitch, torso_pitch_rate):
    safe_distance = min_torso_position[:, 0] - start_torso_position[:, 0]
    upright = gaussian_kernel(torso_pitch, 0.5)
    steady = -torso_pitch_rate.square().clamp(max=25.0)
    return {"safe_distance": safe_distance, "upright": upright, "steady": steady}
