# Speed is paid only at the front of the ground covered so far, so that rocking to and fro earns
# nothing.
"""Pay for new ground: forward speed while the torso is at its furthest point, less what it falls
behind that point."""

WEIGHTS = {"new_ground": 1.0, "behind": 1.0, "standing": 0.5}
SCALES = {"front": 0.02}


def compute_reward(torso_position, max_torso_position, torso_velocity, torso_pitch, front):
    gap = max_torso_position[:, 0] - torso_position[:, 0]
    at_front = torch.exp(-gap / front)
    new_ground = at_front * torso_velocity[:, 0].clamp(min=0.0)
    behind = -gap.clamp(max=0.5)
    standing = torch.sigmoid((torso_position[:, 1] - 1.0) / 0.05) * gaussian_kernel(
        torso_pitch, 0.7
    )
    return {"new_ground": new_ground, "behind": behind, "standing": standing}
