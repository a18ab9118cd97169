# Meant to drive the speed up to 4 m/s by charging what lacks, with a fine for falling.
# Wrong: every step costs about 3 and a fall only 5 once, so ending the episode early saves far
# more than hopping can, and a policy trained on it throws itself down at once.
"""Charge every step for the speed that lacks to 4 m/s, and fine a fall."""

WEIGHTS = {"shortfall": 1.0, "fall": 5.0, "effort": 0.01}
SCALES = {"top_speed": 4.0}


def compute_reward(torso_velocity, terminated, action, top_speed):
    shortfall = -torch.relu(top_speed - torso_velocity[:, 0])
    fall = -terminated.float()
    effort = -action.square().sum(-1)
    return {"shortfall": shortfall, "fall": fall, "effort": effort}
