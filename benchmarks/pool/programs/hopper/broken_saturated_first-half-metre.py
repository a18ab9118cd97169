# Meant to pay how far the robot has come from its start, bounded against outliers.
# Wrong: the tanh is level after half a metre, so a policy trained on it makes one hop or two and
# then stands, with all the pay there is to get.
"""Pay the distance from the start through a tanh, with survival and a little effort."""

WEIGHTS = {"distance": 2.0, "alive": 1.0, "effort": 0.005}
SCALES = {"distance_width": 0.25}


def compute_reward(torso_position, start_torso_position, terminated, action, distance_width):
    gone = torso_position[:, 0] - start_torso_position[:, 0]
    distance = torch.tanh(gone / distance_width)
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"distance": distance, "alive": alive, "effort": effort}
