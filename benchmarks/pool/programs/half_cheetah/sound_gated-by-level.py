# Idea: forward speed counts in full only while the torso is roughly level, so that sliding on the back earns nothing.
"""Run on the feet: speed is paid in full within half a radian of level and fades beyond it."""

WEIGHTS = {"run": 1.0, "backwards": 1.0, "level": 0.15, "effort": 0.02}
SCALES = {"band": 0.5, "fade": 1.2}


def compute_reward(torso_velocity, torso_pitch, action, band, fade):
    forward = torso_velocity[:, 0]
    level = tolerance(wrap_angle(torso_pitch), -band, band, fade)
    run = torch.relu(forward) * level
    backwards = torch.clamp(forward, max=0.0)
    return {"run": run, "backwards": backwards, "level": level, "effort": -action.square().sum(-1)}
