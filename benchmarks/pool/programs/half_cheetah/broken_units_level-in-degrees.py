# Wrong: the tilt is in degrees but the width was meant in radians, so pay needs half a degree, and the policy holds itself level instead of running.
"""Pay speed as far as the torso is level, and a little for being level."""

WEIGHTS = {"level_run": 1.0, "effort": 0.1}
SCALES = {"tilt_width": 0.5, "base": 0.5}


def compute_reward(torso_velocity, torso_pitch, action, tilt_width, base):
    tilt = torch.rad2deg(wrap_angle(torso_pitch))
    level = gaussian_kernel(tilt, tilt_width)
    level_run = level * (base + torso_velocity[:, 0])
    return {"level_run": level_run, "effort": -action.square().sum(-1)}
