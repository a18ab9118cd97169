"""Diminishing returns on speed, growing ones on smooth running."""

WEIGHTS = {"log_speed": 2.0, "smooth_run": 1.0, "spin": 0.1}


def signed_log(x):
    return torch.sign(x) * torch.log1p(x.abs())


def compute_reward(torso_velocity, prev_torso_velocity, torso_pitch_rate):
    vx = torso_velocity[:, 0]
    jerk = (torso_velocity - prev_torso_velocity).norm(dim=-1)
    log_speed = signed_log(vx)
    smooth_run = vx.clamp(min=0.0) / (1.0 + jerk)
    spin = -signed_log(torso_pitch_rate.square())
    return {"log_speed": log_speed, "smooth_run": smooth_run, "spin": spin}
