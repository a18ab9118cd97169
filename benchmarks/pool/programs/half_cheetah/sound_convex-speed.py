# Idea: speed plus a signed square of it, so that fast is worth more than twice half as fast; lying on the back costs.
"""Make the sprint worth its trouble: pay more than in proportion to speed, belly down."""

WEIGHTS = {"forward": 1.0, "sprint": 0.1, "on_back": 0.6, "effort": 0.04}


def compute_reward(torso_velocity, torso_pitch, action):
    forward = torso_velocity[:, 0].clamp(-10.0, 20.0)
    sprint = forward * forward.abs()
    on_back = -torch.relu(-torch.cos(torso_pitch))
    return {
        "forward": forward,
        "sprint": sprint,
        "on_back": on_back,
        "effort": -action.square().sum(-1),
    }
