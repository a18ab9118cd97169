# A ladder of soft steps, one each for 0.3, 0.8, 1.5, 2.5, 3.5 and 5 m/s, so that there is always a
# next one in sight.
"""Climb a ladder of speeds: each rung is a soft step that is felt from the rung below."""

WEIGHTS = {"ladder": 0.6, "upright": 0.3, "calm_knees": 0.02}
SCALES = {"softness": 0.35}


def compute_reward(torso_velocity, torso_pitch, joint_angles, softness):
    speed = torso_velocity[:, 0]
    ladder = torch.zeros_like(speed)
    for rung in (0.3, 0.8, 1.5, 2.5, 3.5, 5.0):
        ladder = ladder + torch.sigmoid((speed - rung) / softness)
    upright = torch.cos(torso_pitch.clamp(-1.2, 1.2))
    knees = torch.stack([joint_angles[:, 1], joint_angles[:, 4]], dim=-1)
    calm_knees = -torch.relu(knees.abs() - 1.8).sum(-1)
    return {"ladder": ladder, "upright": upright, "calm_knees": calm_knees}
