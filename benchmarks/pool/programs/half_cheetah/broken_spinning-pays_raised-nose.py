# Wrong: the raised nose is paid by the unwrapped pitch without bound, so backward somersaults pile up reward and running does not.
"""Run forward with the nose raised, so that the front leg stays free."""

WEIGHTS = {"forward": 0.5, "nose_up": 2.0, "effort": 0.02}


def compute_reward(torso_velocity, torso_pitch, action):
    nose_up = -torso_pitch
    return {"forward": torso_velocity[:, 0], "nose_up": nose_up, "effort": -action.square().sum(-1)}
