# Idea: many small terms around a clipped forward speed: posture with a free band, calm trunk, joints off their stops, effort, smoothness.
"""A complete running reward: speed carries it, and each habit of a bad gait costs a little."""

WEIGHTS = {
    "forward": 1.5,
    "tilt": 0.4,
    "rocking": 0.01,
    "bounce": 0.05,
    "stops": 0.2,
    "effort": 0.02,
    "smooth": 0.02,
}
SCALES = {"free_tilt": 0.4, "margin": 0.1}


def near_stops(angles, margin):
    lower = torch.tensor([-0.52, -0.785, -0.4, -1.0, -1.2, -0.5])
    upper = torch.tensor([1.05, 0.785, 0.785, 0.7, 0.87, 0.5])
    beyond = torch.relu(angles - (upper - margin)) + torch.relu(lower + margin - angles)
    return beyond.sum(-1)


def compute_reward(
    torso_velocity,
    torso_pitch,
    torso_pitch_rate,
    joint_angles,
    action,
    prev_action,
    free_tilt,
    margin,
):
    tilt = torch.relu(wrap_angle(torso_pitch).abs() - free_tilt)
    return {
        "forward": torso_velocity[:, 0].clamp(-3.0, 14.0),
        "tilt": -tilt,
        "rocking": -torso_pitch_rate.square().clamp(max=60.0),
        "bounce": -torso_velocity[:, 1].abs(),
        "stops": -near_stops(joint_angles, margin),
        "effort": -action.square().sum(-1),
        "smooth": -(action - prev_action).square().sum(-1),
    }
