# Speed, a foot that sweeps back under the body on the ground, and one that reaches ahead in flight.
"""Shape the stride: in stance the foot travels backwards below the torso, in flight it reaches
ahead to where the next landing will catch the body."""

WEIGHTS = {"speed": 1.0, "sweep": 0.2, "reach": 0.2, "alive": 0.6, "effort": 0.005}
SCALES = {"contact_height": 0.1, "softness": 0.02, "reach_seconds": 0.08, "reach_width": 0.2}


def grounded(height, contact_height, softness):
    return torch.sigmoid((contact_height - height) / softness)


def compute_reward(
    torso_velocity,
    foot_height,
    foot_ahead,
    prev_foot_ahead,
    terminated,
    action,
    contact_height,
    softness,
    reach_seconds,
    reach_width,
):
    speed = torso_velocity[:, 0]
    stance = grounded(foot_height, contact_height, softness)
    sweep = stance * ((prev_foot_ahead - foot_ahead) / 0.008).clamp(0.0, 4.0)
    landing = reach_seconds * speed.clamp(0.0, 4.0)
    reach = (1.0 - stance) * gaussian_kernel(foot_ahead - landing, reach_width)
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"speed": speed, "sweep": sweep, "reach": reach, "alive": alive, "effort": effort}
