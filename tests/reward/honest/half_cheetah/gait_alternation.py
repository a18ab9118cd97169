"""A gallop: the feet strike one after the other while the torso moves on.

The phase term pays when one foot is up and the other down, but only in motion, so that standing
on one leg earns nothing.
"""

WEIGHTS = {"forward": 1.0, "phase": 0.3, "level": 0.2, "effort": 0.02}
SCALES = {"clearance": 0.08, "pitch_width": 0.6}


def lifted(height, clearance):
    return torch.sigmoid((height - clearance) / 0.02)


def compute_reward(torso_velocity, torso_pitch, foot_heights, action, clearance, pitch_width):
    forward = torso_velocity[:, 0]
    back, front = lifted(foot_heights[:, 0], clearance), lifted(foot_heights[:, 1], clearance)
    phase = (back * (1.0 - front) + front * (1.0 - back)) * forward.clamp(0.0, 1.0)
    level = gaussian_kernel(torso_pitch, pitch_width) * forward.clamp(0.0, 1.0)
    effort = -action.square().mean(dim=-1)
    return {"forward": forward, "phase": phase, "level": level, "effort": effort}
