# The offline designer: the control without documentation, the most plausible aim alone.
"""Search without documentation: reward signal 2; charge for strong actions."""

WEIGHTS = {"signal_2": 1.0, "effort": 0.1}


def compute_reward(pole_right, action):
    signal_2 = pole_right
    effort = -action.square().mean(-1)
    return {"signal_2": signal_2, "effort": effort}
