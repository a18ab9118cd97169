# Fault: a foot counts as on the ground below 0.03 m, but its centre is at 0.06 m even when it lies
# flat, so that speed is never paid and the policy learns to stand.
"""Pay speed only while a foot is on the ground, so that leaps earn nothing, and keep the torso
upright."""

WEIGHTS = {"grounded_speed": 2.0, "upright": 0.5, "effort": 0.01}
SCALES = {"contact_height": 0.03, "contact_softness": 0.003}


def compute_reward(
    torso_velocity, foot_heights, torso_pitch, action, contact_height, contact_softness
):
    lowest = foot_heights.amin(dim=-1)
    contact = torch.sigmoid((contact_height - lowest) / contact_softness)
    grounded_speed = contact * torso_velocity[:, 0]
    upright = gaussian_kernel(torso_pitch, 0.5)
    effort = -action.square().sum(-1)
    return {"grounded_speed": grounded_speed, "upright": upright, "effort": effort}
