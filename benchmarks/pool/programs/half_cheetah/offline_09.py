# The offline designer: the control without documentation, the most plausible aim, paid where the guards hold.
"""Search without documentation: reward signal 6, as far as it goes with signal 1 staying near
its start and signal 2 (column 0) staying near its start; charge for abrupt changes of
action."""

WEIGHTS = {"guarded_signal_6": 1.0, "smoothness": 0.1}
SCALES = {"signal_1_near_start_width": 2.0, "signal_2_column_0_near_start_width": 2.0}


def compute_reward(
    torso_pitch_rate, torso_pitch, start_torso_pitch, joint_velocities, start_joint_velocities,
    action, prev_action, signal_1_near_start_width, signal_2_column_0_near_start_width,
):
    signal_6 = torso_pitch_rate
    signal_1_near_start = torch.exp(
        -((torso_pitch - start_torso_pitch) / signal_1_near_start_width).square()
    )
    signal_2_column_0_near_start = torch.exp(
        -((joint_velocities[:, 0] - start_joint_velocities[:, 0]) / signal_2_column_0_near_start_width).square()
    )
    smoothness = -(action - prev_action).square().mean(-1)
    guarded_signal_6 = signal_6 * signal_1_near_start * signal_2_column_0_near_start
    return {"guarded_signal_6": guarded_signal_6, "smoothness": smoothness}
