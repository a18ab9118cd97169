# Idea: forward speed less the mechanical power of the motors, in kW, so that cheap speed is preferred (modest).
"""Pay speed and charge the power of the motors: braking and pushing both cost."""

WEIGHTS = {"forward": 1.0, "power": 0.2, "rocking": 0.02}


def motor_power(action, joint_velocities):
    strength = torch.tensor([120.0, 90.0, 60.0, 120.0, 60.0, 30.0])
    return (action * strength * joint_velocities).abs().sum(-1) / 1000.0


def compute_reward(torso_velocity, torso_pitch_rate, joint_velocities, action):
    return {
        "forward": torso_velocity[:, 0],
        "power": -motor_power(action, joint_velocities),
        "rocking": -torso_pitch_rate.abs(),
    }
