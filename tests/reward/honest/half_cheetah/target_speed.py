"""Track a target speed; overshooting is as bad as lagging."""

WEIGHTS = {"track": 1.0, "progress_bonus": 0.5, "smooth": 0.1, "posture": 0.2}
SCALES = {"target": 8.0, "tracking_sigma": 4.0}


def compute_reward(torso_velocity, torso_pitch, torso_pitch_rate, action, prev_action, target, tracking_sigma):
    error = torso_velocity[:, 0] - target
    track = torch.exp(-error ** 2 / (2 * tracking_sigma ** 2))
    progress_bonus = torch.clamp(torso_velocity[:, 0] / target, -1.0, 1.0)
    smooth = -torch.linalg.norm(action - prev_action, dim=-1)
    posture = -(0.5 * torso_pitch.abs() + 0.1 * torso_pitch_rate.abs())
    return {"track": track, "progress_bonus": progress_bonus, "smooth": smooth, "posture": posture}
