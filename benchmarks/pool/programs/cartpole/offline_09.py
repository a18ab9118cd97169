# The offline designer: the control without documentation, the most plausible aim, paid where the guards hold.
"""Search without documentation: reward signal 5, as far as it goes with signal 1 staying near
its start and signal 2 staying near its start; charge for abrupt changes of action."""

WEIGHTS = {"guarded_signal_5": 1.0, "smoothness": 0.1}
SCALES = {"signal_1_near_start_width": 2.0, "signal_2_near_start_width": 2.0}


def compute_reward(
    pole_up, cart_position, start_cart_position, pole_right, start_pole_right, action,
    prev_action, signal_1_near_start_width, signal_2_near_start_width,
):
    signal_5 = pole_up
    signal_1_near_start = torch.exp(
        -((cart_position - start_cart_position) / signal_1_near_start_width).square()
    )
    signal_2_near_start = torch.exp(
        -((pole_right - start_pole_right) / signal_2_near_start_width).square()
    )
    smoothness = -(action - prev_action).square().mean(-1)
    guarded_signal_5 = signal_5 * signal_1_near_start * signal_2_near_start
    return {"guarded_signal_5": guarded_signal_5, "smoothness": smoothness}
