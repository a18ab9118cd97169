"""Make progress toward the target, head for it, stay upright and spend little: Isaac's Humanoid."""

WEIGHTS = {
    "progress": 1.0,
    "alive": 2.0,
    "upright": 0.1,
    "heading": 0.5,
    "effort": 0.01,
    "energy": 0.05,
    "limits": 0.25,
    "fall": 1.0,
}
SCALES = {"control_step": 0.016666667, "velocity": 0.1, "edge": 0.98}


def strength(like):
    """Torque of each motor as a share of the strongest one's."""
    abdomen = like.new_tensor([67.5, 67.5, 67.5])
    leg = like.new_tensor([45.0, 45.0, 135.0, 90.0, 22.5, 22.5])
    arm = like.new_tensor([67.5, 67.5, 45.0])
    return torch.cat([abdomen, leg, leg, arm, arm]) / 135.0


def compute_reward(
    target_distance,
    prev_target_distance,
    target_direction,
    torso_heading,
    torso_up,
    joint_positions,
    joint_velocities,
    action,
    terminated,
    control_step,
    velocity,
    edge,
):
    heading = (torso_heading[:, 0:2] * target_direction).sum(-1)
    up = torso_up[:, 2] > 0.93
    torque = strength(action)
    energy = ((action * joint_velocities * velocity).abs() * torque).sum(-1)
    beyond = (joint_positions.abs() - edge).clamp(min=0.0) / (1.0 - edge)
    standing = (~terminated).float()  # a fall is all that counts in the step that ends in one
    return {
        "progress": standing * (prev_target_distance - target_distance) / control_step,
        "alive": standing,
        "upright": standing * up.float(),
        "heading": standing * (heading / 0.8).clamp(max=1.0),
        "effort": -standing * action.square().sum(-1),
        "energy": -standing * energy,
        "limits": -standing * (beyond * torque).sum(-1),
        "fall": standing - 1.0,
    }
