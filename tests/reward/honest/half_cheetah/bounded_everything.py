"""All components in [-1, 1] so that weights compare directly."""

WEIGHTS = {"fast": 1.0, "flat": 0.2, "calm": 0.1, "gentle": 0.1}


def squash(x):
    return x / (1.0 + x.abs())


def compute_reward(torso_velocity, torso_pitch, joint_velocities, action):
    fast = squash(torso_velocity[:, 0] / 3.0)
    flat = torch.cos(torso_pitch)
    calm = -squash(joint_velocities.abs().mean(-1) / 10.0)
    gentle = 1.0 - 2.0 * action.abs().mean(-1)
    return {"fast": fast, "flat": flat, "calm": calm, "gentle": gentle}
