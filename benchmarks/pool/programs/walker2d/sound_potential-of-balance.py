# Speed is the aim; balance enters only as the difference of a potential, which leaves the best
# policy what it was.
"""Guide balance by a potential of height and pitch, and leave the aim itself to speed and the price
of a fall."""

WEIGHTS = {"speed": 1.0, "balance": 20.0, "fall": 30.0}
SCALES = {"discount": 0.99, "pitch_width": 0.8, "height_width": 0.5}


def potential(position, pitch, pitch_width, height_width):
    low = torch.relu(1.2 - position[:, 1])
    return gaussian_kernel(pitch, pitch_width) * gaussian_kernel(low, height_width) - 1.0


def compute_reward(
    torso_position,
    prev_torso_position,
    torso_pitch,
    prev_torso_pitch,
    torso_velocity,
    terminated,
    discount,
    pitch_width,
    height_width,
):
    now = potential(torso_position, torso_pitch, pitch_width, height_width)
    before = potential(prev_torso_position, prev_torso_pitch, pitch_width, height_width)
    return {
        "speed": torso_velocity[:, 0],
        "balance": discount * now - before,
        "fall": -terminated.float(),
    }
