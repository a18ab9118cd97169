# Fault: the tanh of speed is full from 0.1 m/s on, and calm joints are paid beside it, so that a
# slow creep earns all there is and nothing asks for more.
"""Pay moving forward as a bounded term that cannot explode, with an upright torso and calm
joints."""

WEIGHTS = {"forward": 1.0, "upright": 0.4, "calm": 0.006, "effort": 0.01}
SCALES = {"speed_width": 0.05}


def compute_reward(torso_velocity, torso_pitch, joint_velocities, action, speed_width):
    forward = torch.tanh(torso_velocity[:, 0] / speed_width)
    upright = gaussian_kernel(torso_pitch, 0.5)
    calm = -joint_velocities.square().sum(-1).clamp(max=300.0)
    effort = -action.square().sum(-1)
    return {"forward": forward, "upright": upright, "calm": calm, "effort": effort}
