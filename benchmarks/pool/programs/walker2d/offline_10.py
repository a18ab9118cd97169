# The offline designer: the control without documentation, the most plausible aim alone.
"""Search without documentation: reward signal 1 (column 4) growing; charge for strong actions."""

WEIGHTS = {"signal_1_column_4_progress": 1.0, "effort": 0.1}
SCALES = {"control_step": 0.008}


def compute_reward(joint_angles, prev_joint_angles, action, control_step):
    signal_1_column_4_progress = (joint_angles[:, 4] - prev_joint_angles[:, 4]) / control_step
    effort = -action.square().mean(-1)
    return {"signal_1_column_4_progress": signal_1_column_4_progress, "effort": effort}
