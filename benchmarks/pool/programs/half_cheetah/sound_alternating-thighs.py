# Idea: forward speed with a small hint for the gait: the thighs swing against each other.
"""Speed first; a small bounded hint favours thighs that swing against each other."""

WEIGHTS = {"forward": 1.2, "alternate": 0.15, "effort": 0.03}
SCALES = {"swing": 20.0}


def compute_reward(torso_velocity, joint_velocities, action, swing):
    against = -joint_velocities[:, 0] * joint_velocities[:, 3]
    alternate = torch.tanh(against / swing)
    effort = -action.square().mean(-1)
    return {"forward": torso_velocity[:, 0], "alternate": alternate, "effort": effort}
