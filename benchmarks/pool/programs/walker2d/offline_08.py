# The offline designer: the control without documentation, the most plausible aim with guards.
"""Search without documentation: reward signal 6 staying near 0, signal 1 (column 0) staying
near its start, signal 1 (column 1) staying near its start and every step before an early
end; charge for strong actions."""

WEIGHTS = {
    "signal_6_near_zero": 1.0,
    "signal_1_column_0_near_start": 0.4,
    "signal_1_column_1_near_start": 0.4,
    "alive": 0.4,
    "effort": 0.03,
}
SCALES = {
    "signal_6_near_zero_width": 2.0,
    "signal_1_column_0_near_start_width": 2.0,
    "signal_1_column_1_near_start_width": 2.0,
}


def compute_reward(
    torso_pitch, joint_angles, start_joint_angles, terminated, action, signal_6_near_zero_width,
    signal_1_column_0_near_start_width, signal_1_column_1_near_start_width,
):
    signal_6_near_zero = torch.exp(-(torso_pitch / signal_6_near_zero_width).square())
    signal_1_column_0_near_start = torch.exp(
        -((joint_angles[:, 0] - start_joint_angles[:, 0]) / signal_1_column_0_near_start_width).square()
    )
    signal_1_column_1_near_start = torch.exp(
        -((joint_angles[:, 1] - start_joint_angles[:, 1]) / signal_1_column_1_near_start_width).square()
    )
    alive = (~terminated).float()
    effort = -action.square().mean(-1)
    return {
        "signal_6_near_zero": signal_6_near_zero,
        "signal_1_column_0_near_start": signal_1_column_0_near_start,
        "signal_1_column_1_near_start": signal_1_column_1_near_start,
        "alive": alive,
        "effort": effort,
    }
