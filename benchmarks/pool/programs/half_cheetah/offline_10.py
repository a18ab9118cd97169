# The offline designer: the control without documentation, the most plausible aim alone.
"""Search without documentation: reward less of signal 2 (column 3) (with diminishing returns);
charge for strong actions."""

WEIGHTS = {"bounded_low_signal_2_column_3": 1.0, "effort": 0.03}
SCALES = {"bounded_low_signal_2_column_3_scale": 4.0}


def compute_reward(joint_velocities, action, bounded_low_signal_2_column_3_scale):
    bounded_low_signal_2_column_3 = (
        torch.tanh(-joint_velocities[:, 3] / bounded_low_signal_2_column_3_scale)
    )
    effort = -action.square().mean(-1)
    return {"bounded_low_signal_2_column_3": bounded_low_signal_2_column_3, "effort": effort}
