# Meant to pay speed only while the robot is not crouching.
# Wrong: the gate opens with the torso's centre above 1.7 m, but it stands at 1.2 m, so speed is
# paid at a ten-thousandth and a policy trained on it learns survival alone: it stands.
"""Speed counts while the body is stretched to its full height; survival counts always."""

WEIGHTS = {"tall_speed": 3.0, "alive": 1.0, "effort": 0.005}
SCALES = {"full_height": 1.7, "softness": 0.05}


def compute_reward(torso_velocity, torso_position, terminated, action, full_height, softness):
    tall = torch.sigmoid((torso_position[:, 1] - full_height) / softness)
    tall_speed = tall * torso_velocity[:, 0].clamp(-3.0, 3.0)
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"tall_speed": tall_speed, "alive": alive, "effort": effort}
