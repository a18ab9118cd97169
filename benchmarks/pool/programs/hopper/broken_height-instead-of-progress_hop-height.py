# Meant to teach hopping by paying how high torso and foot get.
# Wrong: only height pays and none of it needs forward motion, so a policy trained on it jumps up
# and down on the spot.
"""To hop is to leave the ground: pay the height of the torso and of the foot, and survival."""

WEIGHTS = {"torso_lift": 4.0, "foot_lift": 3.0, "alive": 0.4, "upright": 0.3}
SCALES = {"standing": 1.1, "foot_rest": 0.06, "pitch_width": 0.2}


def compute_reward(
    torso_position, foot_height, torso_pitch, terminated, standing, foot_rest, pitch_width
):
    torso_lift = torch.relu(torso_position[:, 1] - standing)
    foot_lift = torch.relu(foot_height - foot_rest)
    alive = 1.0 - terminated.float()
    upright = gaussian_kernel(torso_pitch, pitch_width)
    return {"torso_lift": torso_lift, "foot_lift": foot_lift, "alive": alive, "upright": upright}
