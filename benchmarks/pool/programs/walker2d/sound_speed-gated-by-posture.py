# Forward speed passes through soft gates of height and pitch, so that speed gained by diving is
# worth little.
"""Speed counts fully only for a body that could keep it: high enough and not about to tip."""

WEIGHTS = {"gated_speed": 1.0, "backward": 0.5, "posture": 0.25}
SCALES = {"gate_height": 0.95, "height_softness": 0.05, "gate_pitch": 0.7, "pitch_softness": 0.1}


def posture_gate(height, pitch, gate_height, height_softness, gate_pitch, pitch_softness):
    high = torch.sigmoid((height - gate_height) / height_softness)
    level = torch.sigmoid((gate_pitch - pitch.abs()) / pitch_softness)
    return high * level


def compute_reward(
    torso_position,
    torso_velocity,
    torso_pitch,
    gate_height,
    height_softness,
    gate_pitch,
    pitch_softness,
):
    gate = posture_gate(
        torso_position[:, 1], torso_pitch, gate_height, height_softness, gate_pitch, pitch_softness
    )
    speed = torso_velocity[:, 0]
    gated_speed = gate * torch.relu(speed)
    backward = -torch.relu(-speed)
    return {"gated_speed": gated_speed, "backward": backward, "posture": gate}
