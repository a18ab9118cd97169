# The offline designer: the control without documentation, the most plausible aim with guards.
"""Search without documentation: reward signal 5 (with diminishing returns), signal 1 staying
near its start and signal 2 staying near its start; charge for strong actions."""

WEIGHTS = {
    "bounded_signal_5": 1.0,
    "signal_1_near_start": 0.4,
    "signal_2_near_start": 0.4,
    "effort": 0.03,
}
SCALES = {
    "bounded_signal_5_scale": 4.0,
    "signal_1_near_start_width": 2.0,
    "signal_2_near_start_width": 2.0,
}


def compute_reward(
    pole_up, cart_position, start_cart_position, pole_right, start_pole_right, action,
    bounded_signal_5_scale, signal_1_near_start_width, signal_2_near_start_width,
):
    bounded_signal_5 = torch.tanh(pole_up / bounded_signal_5_scale)
    signal_1_near_start = torch.exp(
        -((cart_position - start_cart_position) / signal_1_near_start_width).square()
    )
    signal_2_near_start = torch.exp(
        -((pole_right - start_pole_right) / signal_2_near_start_width).square()
    )
    effort = -action.square().mean(-1)
    return {
        "bounded_signal_5": bounded_signal_5,
        "signal_1_near_start": signal_1_near_start,
        "signal_2_near_start": signal_2_near_start,
        "effort": effort,
    }
