# Forward speed in m/s, a small bonus for every step that did not end in a fall, and a little off
# for torque.
"""Pay forward speed, make staying up worth a slow walk, and charge effort lightly."""

WEIGHTS = {"forward": 1.0, "alive": 0.8, "effort": 0.003}


def compute_reward(torso_velocity, action, terminated):
    forward = torso_velocity[:, 0]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"forward": forward, "alive": alive, "effort": effort}
