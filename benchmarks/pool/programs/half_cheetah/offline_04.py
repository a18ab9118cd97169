# The offline designer: the opening, a mixture of plausible terms.
"""Run forward as fast as possible: reward the velocity of the torso (up), the angles of the leg
joints staying near its start, the pitch of the torso staying near its start and the velocity
of the torso (forward) (with diminishing returns)."""

WEIGHTS = {
    "up_velocity": 1.0,
    "posture": 1.0,
    "torso_pitch_near_start": 0.5,
    "bounded_forward_velocity": 0.5,
}
SCALES = {
    "posture_width": 0.5,
    "torso_pitch_near_start_width": 0.5,
    "bounded_forward_velocity_scale": 4.0,
}


def compute_reward(
    torso_velocity, joint_angles, start_joint_angles, torso_pitch, start_torso_pitch,
    posture_width, torso_pitch_near_start_width, bounded_forward_velocity_scale,
):
    up_velocity = torso_velocity[:, 1]
    posture = torch.exp(-((joint_angles - start_joint_angles) / posture_width).square().sum(-1))
    torso_pitch_near_start = torch.exp(
        -((torso_pitch - start_torso_pitch) / torso_pitch_near_start_width).square()
    )
    bounded_forward_velocity = torch.tanh(torso_velocity[:, 0] / bounded_forward_velocity_scale)
    return {
        "up_velocity": up_velocity,
        "posture": posture,
        "torso_pitch_near_start": torso_pitch_near_start,
        "bounded_forward_velocity": bounded_forward_velocity,
    }
