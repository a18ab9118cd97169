# Idea: forward speed, and a potential of posture whose change is paid, so that righting itself helps but posture alone earns nothing.
"""Speed is the task; posture is a potential, so no pose pays for its own sake."""

WEIGHTS = {"forward": 1.0, "posture": 3.0, "effort": 0.02}
SCALES = {"discount": 0.99, "height_width": 0.4}


def posture(pitch, position, height_width):
    upright = 0.5 * (torch.cos(pitch) - 1.0)
    low = torch.clamp(position[:, 1] / height_width, -1.0, 0.0)
    return upright + 0.5 * low


def compute_reward(
    torso_velocity,
    torso_pitch,
    prev_torso_pitch,
    torso_position,
    prev_torso_position,
    action,
    discount,
    height_width,
):
    after = posture(torso_pitch, torso_position, height_width)
    before = posture(prev_torso_pitch, prev_torso_position, height_width)
    effort = -action.square().sum(-1)
    return {"forward": torso_velocity[:, 0], "posture": discount * after - before, "effort": effort}
