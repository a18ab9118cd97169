# Fault: the finish lies 1.5 m after the start and being there is paid, so that the policy creeps to
# it and waits instead of walking on for the whole episode.
"""Give the robot a finish to walk to: the closer to it, the more each step pays."""

WEIGHTS = {"near_finish": 2.0, "upright": 0.4, "effort": 0.004}
SCALES = {"finish": 1.5, "near": 0.8}


def compute_reward(torso_position, start_torso_position, torso_pitch, action, finish, near):
    covered = torso_position[:, 0] - start_torso_position[:, 0]
    near_finish = laplace_kernel(covered - finish, near)
    upright = gaussian_kernel(torso_pitch, 0.6)
    effort = -action.square().sum(-1)
    return {"near_finish": near_finish, "upright": upright, "effort": effort}
