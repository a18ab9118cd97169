# Speed with a term that grows faster than speed, an upright bonus that needs motion, and care for
# bounce and gait.
"""Make every further metre per second worth more than the last, and pay posture only to a body that
moves."""

WEIGHTS = {
    "speed": 0.8,
    "faster": 0.25,
    "moving_upright": 0.5,
    "bounce": 0.05,
    "both_up": 0.1,
    "effort": 0.003,
}


def compute_reward(torso_velocity, torso_pitch, torso_position, foot_heights, action):
    speed = torso_velocity[:, 0]
    ahead = speed.clamp(0.0, 6.0)
    faster = ahead.pow(1.5)
    tall = tolerance(torso_position[:, 1], 1.0, 1.45, 0.3)
    moving_upright = torch.tanh(ahead) * tall * gaussian_kernel(torso_pitch, 0.6)
    bounce = -torso_velocity[:, 1].square().clamp(max=9.0)
    both_up = -torch.relu(foot_heights.amin(dim=-1) - 0.15).clamp(max=0.5)
    return {
        "speed": speed,
        "faster": faster,
        "moving_upright": moving_upright,
        "bounce": bounce,
        "both_up": both_up,
        "effort": -action.square().sum(-1),
    }
