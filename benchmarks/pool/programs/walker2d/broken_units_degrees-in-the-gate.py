# Fault: the pitch is turned into degrees but the width stays in radians, so that speed is paid
# within half a degree of upright only and the policy learns to stand like a post.
"""Pay forward speed through an upright gate, so that diving forward earns nothing."""

WEIGHTS = {"gated_speed": 1.0, "alive": 0.5, "effort": 0.01}
SCALES = {"pitch_width": 0.4}


def compute_reward(torso_velocity, torso_pitch, action, terminated, pitch_width):
    gate = gaussian_kernel(torch.rad2deg(torso_pitch), pitch_width)
    gated_speed = gate * torso_velocity[:, 0]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"gated_speed": gated_speed, "alive": alive, "effort": effort}
