# Being below the best height so far is charged, so that a raised pole should be kept up.
# A pole that was never raised has lost nothing: hanging still is free, and every swing costs.
"""Lift the pole and never give height back: every bit below the best so far is charged."""

WEIGHTS = {"height": 0.1, "lost": 1.0, "middle": 0.1}


def compute_reward(pole_up, max_pole_up, cart_position):
    return {
        "height": pole_up,
        "lost": pole_up - max_pole_up,
        "middle": -cart_position.square(),
    }
