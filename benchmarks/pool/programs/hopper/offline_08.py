# The offline designer: the control without documentation, the most plausible aim with guards.
"""Search without documentation: reward signal 7 growing, signal 1 (column 0) staying near its
start, signal 1 (column 1) staying near its start and every step before an early end; charge
for strong actions."""

WEIGHTS = {
    "signal_7_progress": 1.0,
    "signal_1_column_0_near_start": 2.0,
    "signal_1_column_1_near_start": 2.0,
    "alive": 2.0,
    "effort": 0.1,
}
SCALES = {
    "control_step": 0.008,
    "signal_1_column_0_near_start_width": 2.0,
    "signal_1_column_1_near_start_width": 2.0,
}


def compute_reward(
    torso_pitch_rate, prev_torso_pitch_rate, joint_angles, start_joint_angles, terminated, action,
    control_step, signal_1_column_0_near_start_width, signal_1_column_1_near_start_width,
):
    signal_7_progress = (torso_pitch_rate - prev_torso_pitch_rate) / control_step
    signal_1_column_0_near_start = torch.exp(
        -((joint_angles[:, 0] - start_joint_angles[:, 0]) / signal_1_column_0_near_start_width).square()
    )
    signal_1_column_1_near_start = torch.exp(
        -((joint_angles[:, 1] - start_joint_angles[:, 1]) / signal_1_column_1_near_start_width).square()
    )
    alive = (~terminated).float()
    effort = -action.square().mean(-1)
    return {
        "signal_7_progress": signal_7_progress,
        "signal_1_column_0_near_start": signal_1_column_0_near_start,
        "signal_1_column_1_near_start": signal_1_column_1_near_start,
        "alive": alive,
        "effort": effort,
    }
