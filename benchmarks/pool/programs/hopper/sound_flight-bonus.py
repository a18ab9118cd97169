# Speed, and a bonus for a foot in the air that is worth something only while moving forward.
"""Hopping needs flight: lift the foot, but get paid for it only in proportion to forward speed."""

WEIGHTS = {"speed": 1.0, "flight": 0.4, "alive": 0.7, "steady": 0.02}
SCALES = {"clearance": 0.15}


def compute_reward(torso_velocity, foot_height, torso_pitch_rate, terminated, clearance):
    speed = torso_velocity[:, 0]
    lifted = torch.tanh(torch.relu(foot_height - 0.06) / clearance)
    flight = lifted * speed.clamp(0.0, 3.0)
    alive = 1.0 - terminated.float()
    steady = -torso_pitch_rate.square().clamp(max=10.0)
    return {"speed": speed, "flight": flight, "alive": alive, "steady": steady}
