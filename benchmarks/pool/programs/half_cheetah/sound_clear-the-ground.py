# Idea: forward speed, with a bonus for a foot in swing that counts only in proportion to the speed.
"""Lift a foot while running: its clearance pays only as far as the body moves on."""

WEIGHTS = {"forward": 1.0, "swing": 0.4, "drag": 0.02}
SCALES = {"low": 0.1, "high": 0.35, "fade": 0.1, "moving": 1.5}


def compute_reward(torso_velocity, foot_heights, action, low, high, fade, moving):
    forward = torso_velocity[:, 0]
    lifted = tolerance(foot_heights.amax(-1), low, high, fade)
    swing = lifted * torch.tanh(torch.relu(forward) / moving)
    return {"forward": forward, "swing": swing, "drag": -action.square().sum(-1)}
