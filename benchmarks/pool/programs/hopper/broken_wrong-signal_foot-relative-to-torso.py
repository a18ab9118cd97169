# Meant to pay the forward speed of the foot, which carries the hop.
# Wrong: foot_ahead is relative to the torso, so its rate sums to nothing however far the robot
# gets, and a policy trained on it kicks its leg forward once and balances.
"""The foot has to travel forward: pay its forward speed, an upright torso and survival."""

WEIGHTS = {"foot_speed": 1.0, "upright": 0.4, "alive": 0.6, "smooth": 0.005}
SCALES = {"pitch_width": 0.2}


def compute_reward(
    foot_ahead, prev_foot_ahead, torso_pitch, terminated, action, prev_action, pitch_width
):
    foot_speed = (foot_ahead - prev_foot_ahead) / 0.008
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    smooth = -(action - prev_action).square().sum(-1)
    return {"foot_speed": foot_speed, "upright": upright, "alive": alive, "smooth": smooth}
