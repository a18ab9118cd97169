# The logarithm of speed: the first decimetres per second pay most, which helps the start, and more
# is always better.
"""Make the first movement forward attractive and never stop paying for more; keep the torso from
tipping."""

WEIGHTS = {"log_speed": 2.0, "tipping": 0.4, "change": 0.01}
SCALES = {"knee": 0.6}


def compute_reward(torso_velocity, torso_pitch, action, prev_action, knee):
    speed = torso_velocity[:, 0]
    log_speed = torch.sign(speed) * torch.log1p(speed.abs() / knee)
    tipping = 1.0 - torso_pitch.square().clamp(max=1.0)
    change = -(action - prev_action).abs().sum(-1)
    return {"log_speed": log_speed, "tipping": tipping, "change": change}
