"""Reward quick leg swings in the direction of travel, within sensible joint speeds."""

WEIGHTS = {"speed": 1.0, "swing": 0.05, "overspeed": 0.02, "extension": 0.05}
SCALES = {"joint_speed_limit": 15.0}


def compute_reward(torso_velocity, joint_angles, joint_velocities, joint_speed_limit):
    thighs = joint_velocities[:, [0, 3]]
    swing = thighs.abs().clamp(max=joint_speed_limit).mean(dim=-1)
    overspeed = -torch.nn.functional.relu(joint_velocities.abs() - joint_speed_limit).sum(dim=-1)
    extension = torch.stack((joint_angles[:, 1], joint_angles[:, 4]), dim=-1).std(dim=-1)
    return {
        "speed": torso_velocity[:, 0],
        "swing": swing * torch.heaviside(torso_velocity[:, 0], torch.zeros_like(swing)),
        "overspeed": overspeed,
        "extension": extension,
    }
