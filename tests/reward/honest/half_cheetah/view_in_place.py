"""Penalise the vertical part only: work on a copy with the forward part set to zero."""

WEIGHTS = {"forward": 1.0, "bounce": 0.2, "limits": 0.1}


def compute_reward(torso_velocity, joint_angles):
    forward = torso_velocity[:, 0]

    sideways = torso_velocity.clone()
    sideways[:, 0] = 0.0
    bounce = -sideways.norm(dim=-1)

    over = joint_angles.abs()
    over[over < 0.8] = 0.0
    over[:, 0:3] *= 2.0
    limits = -over.sum(-1)
    return {"forward": forward, "bounce": bounce, "limits": limits}
