"""Bounce, get off the ground, stay up and stay here: ours, after Gymnasium's Hopper-v5."""

WEIGHTS = {"bounce": 1.0, "height": 10.0, "healthy": 1.0, "drift": 1.0, "control": 0.001}


def compute_reward(ground_clearance, torso_position, torso_velocity, action, terminated):
    bounce = torso_velocity[:, 1].abs()
    height = ground_clearance.clamp(min=0.0)
    healthy = (~terminated).float()
    drift = -torso_position[:, 0].abs().clamp(max=1.0)
    control = -action.square().sum(-1)
    return {
        "bounce": bounce,
        "height": height,
        "healthy": healthy,
        "drift": drift,
        "control": control,
    }
