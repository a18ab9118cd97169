# Idea: charge the square of what is missing to a sprint of 9 m/s, which pulls hardest when slow; bouncing costs a little.
"""What is missing to a sprint costs by its square: standing still is dearest."""

WEIGHTS = {"deficit": 4.0, "bounce": 0.03, "smooth": 0.01}
SCALES = {"sprint": 9.0}


def compute_reward(torso_velocity, action, prev_action, sprint):
    missing = torch.relu(sprint - torso_velocity[:, 0]) / sprint
    bounce = -torso_velocity[:, 1].square()
    smooth = -(action - prev_action).abs().sum(-1)
    return {"deficit": -missing.square(), "bounce": bounce, "smooth": smooth}
