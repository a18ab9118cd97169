"""Forward speed behind soft barriers on pitch and height: a rollover pays nothing."""

WEIGHTS = {"gated_speed": 1.0, "barrier": 0.5}
SCALES = {"pitch_limit": 1.0, "steepness": 6.0}


def barrier_of(x, limit, steepness):
    return torch.sigmoid(steepness * (limit - x.abs()))


def compute_reward(torso_velocity, torso_position, torso_pitch, pitch_limit, steepness):
    gate = barrier_of(torso_pitch, pitch_limit, steepness)
    low = torch.clamp_min(-0.2 - torso_position[:, 1], 0.0)
    gated_speed = torso_velocity[:, 0] * gate
    return {"gated_speed": gated_speed, "barrier": gate - 1.0 - 5.0 * low}
