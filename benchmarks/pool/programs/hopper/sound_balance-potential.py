# Speed is the task, and a potential of pitch and its rate pays each step towards balance at once.
"""Speed and survival, with potential based shaping towards balance, which cannot change what is
best but tells at once whether a move restored or spoilt the balance."""

WEIGHTS = {"speed": 1.0, "alive": 0.8, "balance": 1.0, "smooth": 0.01}
SCALES = {"pitch_width": 0.15, "rate_width": 2.5, "discount": 0.99}


def potential(pitch, rate, pitch_width, rate_width):
    return gaussian_kernel(pitch, pitch_width) + 0.5 * laplace_kernel(rate, rate_width)


def compute_reward(
    torso_velocity,
    torso_pitch,
    prev_torso_pitch,
    torso_pitch_rate,
    prev_torso_pitch_rate,
    terminated,
    action,
    prev_action,
    pitch_width,
    rate_width,
    discount,
):
    now = potential(torso_pitch, torso_pitch_rate, pitch_width, rate_width)
    before = potential(prev_torso_pitch, prev_torso_pitch_rate, pitch_width, rate_width)
    alive = 1.0 - terminated.float()
    balance = discount * now * alive - before
    smooth = -(action - prev_action).square().sum(-1)
    return {"speed": torso_velocity[:, 0], "alive": alive, "balance": balance, "smooth": smooth}
