"""Make progress toward the target, head for it, stay level and spend little: Isaac's Ant."""

WEIGHTS = {
    "progress": 1.0,
    "alive": 0.5,
    "level": 0.1,
    "heading": 0.5,
    "effort": 0.005,
    "energy": 0.05,
    "limits": 0.1,
    "fall": 2.0,
}
SCALES = {"control_step": 0.016666667, "velocity": 0.2}


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
):
    heading = (torso_heading[:, 0:2] * target_direction).sum(-1)
    up = torso_up[:, 2] > 0.93
    # The motors begin with the last leg's, the joints with the first one's.
    energy = (action * joint_velocities.roll(2, dims=1) * velocity).abs().sum(-1)
    standing = (~terminated).float()  # a fall is all that counts in the step that ends in one
    return {
        "progress": standing * (prev_target_distance - target_distance) / control_step,
        "alive": standing,
        "level": standing * up.float(),
        "heading": standing * (heading / 0.8).clamp(max=1.0),
        "effort": -standing * action.square().sum(-1),
        "energy": -standing * energy,
        "limits": -standing * (joint_positions > 0.99).float().sum(-1),
        "fall": standing - 1.0,
    }
