# The offline designer: the control without documentation, the most plausible aim, paid where the guards hold.
"""Search without documentation: reward signal 8 (column 0), as far as it goes with signal 1
(column 0) staying near its start and signal 1 (column 1) staying near its start; charge for
abrupt changes of action."""

WEIGHTS = {"guarded_signal_8_column_0": 1.0, "smoothness": 0.1}
SCALES = {"signal_1_column_0_near_start_width": 2.0, "signal_1_column_1_near_start_width": 2.0}


def compute_reward(
    torso_velocity, joint_angles, start_joint_angles, action, prev_action,
    signal_1_column_0_near_start_width, signal_1_column_1_near_start_width,
):
    signal_8_column_0 = torso_velocity[:, 0]
    signal_1_column_0_near_start = torch.exp(
        -((joint_angles[:, 0] - start_joint_angles[:, 0]) / signal_1_column_0_near_start_width).square()
    )
    signal_1_column_1_near_start = torch.exp(
        -((joint_angles[:, 1] - start_joint_angles[:, 1]) / signal_1_column_1_near_start_width).square()
    )
    smoothness = -(action - prev_action).square().mean(-1)
    guarded_signal_8_column_0 = (
        signal_8_column_0 * signal_1_column_0_near_start * signal_1_column_1_near_start
    )
    return {"guarded_signal_8_column_0": guarded_signal_8_column_0, "smoothness": smoothness}
